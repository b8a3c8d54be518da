"""A long recording cut into segments as it is read, never held whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from crosstone.data.audio import SHORTEST_SECONDS, Header, audio_blocks
from crosstone.errors import AudioError, CrosstoneError
from crosstone.inference.transcripts import Cue
from crosstone.inference.voice import MARGIN, Stretch, VoiceFinder

Samples = NDArray[np.float32]
Kind = Literal["vad", "fixed", "transcript"]
Heard = Callable[[Samples, int, Header], None]
"""Called with each block at the recording's own rate, how many samples came before it, and the
recording's header."""

WINDOW_SECONDS = 5.0
"""Of a fixed window; windows follow each other without overlap."""
MAX_SECONDS = 15.0
"""Speech without a pause is cut after this at the latest."""
REST_SECONDS = 0.5
"""What is left at the end and shorter belongs to the last window, where the model takes both."""


class Segmenter(Protocol):
    """Says, as samples come, from which to which a segment goes."""

    @property
    def since(self) -> int:
        """The first sample that is still needed."""

    def feed(self, samples: Samples) -> Iterator[Stretch]:
        """The segments that are complete with these samples."""

    def finish(self) -> Iterator[Stretch]:
        """The segments that end with the recording."""


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of a recording, in seconds, and its samples."""

    start: float
    end: float
    samples: Samples
    text: str | None = None


class FixedWindows:
    """Windows of one length, one every hop, none longer than max_seconds (all in seconds).

    Raises CrosstoneError for windows that are longer, or hold nothing.
    """

    def __init__(
        self, sampling_rate: int, *, window: float, hop: float, max_seconds: float
    ) -> None:
        if window > max_seconds:
            raise CrosstoneError(
                f"--window: expected at most {max_seconds:g} s, which is what this model takes, "
                f"found {window:g}"
            )
        if not SHORTEST_SECONDS <= hop <= window:
            raise CrosstoneError(
                f"--segments fixed: expected {SHORTEST_SECONDS:g} <= hop <= window, found hop "
                f"{hop:g} and window {window:g} s; give longer ones"
            )
        self._most = int(max_seconds * sampling_rate)
        self._window = min(round(window * sampling_rate), self._most)
        self._hop = min(round(hop * sampling_rate), self._window)
        self._rest = round(REST_SECONDS * sampling_rate)
        self.since = self._total = 0

    def feed(self, samples: Samples) -> Iterator[Stretch]:
        """The windows that are complete, and not followed by a rest alone."""
        self._total += len(samples)
        while self.since + self._window + self._rest <= self._total:
            yield self.since, self.since + self._window
            self.since += self._hop

    def finish(self) -> Iterator[Stretch]:
        """The last windows, which end with the recording."""
        end = 0
        while end < self._total:
            end = min(self.since + self._window, self._total)
            if self._total - end < self._rest and self._total - self.since <= self._most:
                end = self._total
            yield self.since, end
            self.since += self._hop


class CueTimes:
    """The stretches that the cues of a transcript name."""

    def __init__(self, sampling_rate: int, cues: Sequence[Cue], *, max_seconds: float) -> None:
        for cue in cues:
            if cue.end - cue.start > max_seconds:
                raise CrosstoneError(
                    f"--segments transcript: expected cues of at most {max_seconds:g} s, found one "
                    f"of {cue.end - cue.start:.1f} s at {cue.start:.1f} s; use --segments vad, "
                    "which reads the cues' words too"
                )
        self._times = [
            (round(cue.start * sampling_rate), round(cue.end * sampling_rate)) for cue in cues
        ]
        self._next = self._total = 0

    @property
    def since(self) -> int:
        """Where the next cue begins."""
        return self._times[self._next][0] if self._next < len(self._times) else self._total

    def feed(self, samples: Samples) -> Iterator[Stretch]:
        """The cues that have been heard to their end, in their order."""
        self._total += len(samples)
        while self._next < len(self._times) and self._times[self._next][1] <= self._total:
            self._next += 1
            yield self._times[self._next - 1]

    def finish(self) -> Iterator[Stretch]:
        """The cues that lie beyond the end of the recording, or over it."""
        yield from self._times[self._next :]


class Tape:
    """The samples that have come, without those that nobody needs any more."""

    def __init__(self) -> None:
        self._first = 0
        self._kept: Samples = np.zeros(0, np.float32)

    def append(self, samples: Samples) -> None:
        """Add samples at the end."""
        self._kept = np.concatenate([self._kept, samples])

    def cut(self, begin: int, end: int) -> Samples:
        """A copy of the samples from begin to end."""
        cut: Samples = self._kept[max(0, begin - self._first) : max(0, end - self._first)].copy()
        return cut

    def forget(self, before: int) -> None:
        """Drop the samples before this one."""
        drop = min(max(0, before - self._first), len(self._kept))
        self._first += drop
        self._kept = self._kept[drop:]

    def __len__(self) -> int:
        return len(self._kept)


def segmenter_of(
    kind: Kind,
    sampling_rate: int,
    *,
    cues: Sequence[Cue] | None,
    window: float,
    hop: float,
    max_seconds: float,
    pauses: tuple[float, float] = (MARGIN, MARGIN),
) -> Segmenter:
    """How a recording is cut; raises CrosstoneError for settings that do not fit each other.

    pauses: seconds that are kept before and after a stretch of speech.
    """
    if kind == "vad":
        if not all(0 <= pause <= max_seconds / 4 for pause in pauses):
            raise CrosstoneError(
                f"--margin: expected 0 to {max_seconds / 4:g} s, a quarter of what this model "
                f"takes, found {max(pauses, key=abs):g}"
            )
        most = min(MAX_SECONDS, max_seconds - sum(pauses))
        return VoiceFinder(sampling_rate, max_seconds=most, pauses=pauses)
    if kind == "fixed":
        return FixedWindows(sampling_rate, window=window, hop=hop, max_seconds=max_seconds)
    if not cues:
        raise CrosstoneError(
            "--segments transcript: expected a .srt or .vtt beside the recording, found none; use "
            "--segments vad"
        )
    return CueTimes(sampling_rate, cues, max_seconds=max_seconds)


def cut_segments(
    path: Path,
    segmenter: Segmenter,
    *,
    sampling_rate: int,
    heard: Heard | None = None,
) -> Iterator[Segment]:
    """The segments of a recording, in order, without words.

    Raises AudioError as `read_audio` does, at the end for faults of the whole, and at once for NaN.
    """
    tape = Tape()
    with audio_blocks(path) as (header, blocks):
        rate = header.sampling_rate
        stream = soxr.ResampleStream(rate, sampling_rate, 1, dtype="float32")

        def resampled() -> Iterator[Samples]:
            at = 0
            for block in blocks:
                if not np.isfinite(block).all():
                    raise AudioError(
                        f"{path}: NaN or infinite samples after {at / rate:.1f} s; make the file "
                        "again from its source"
                    )
                if heard is not None:
                    heard(block, at, header)
                at += len(block)
                yield block if rate == sampling_rate else stream.resample_chunk(block)
            if rate != sampling_rate:
                yield stream.resample_chunk(np.zeros(0, np.float32), last=True)

        def stretches() -> Iterator[Stretch]:
            for block in resampled():
                samples = np.clip(block, -1.0, 1.0)
                tape.append(samples)
                yield from segmenter.feed(samples)
                tape.forget(segmenter.since)
            yield from segmenter.finish()

        for begin, end in stretches():
            yield Segment(begin / sampling_rate, end / sampling_rate, tape.cut(begin, end))
