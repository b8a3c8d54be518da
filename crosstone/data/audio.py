"""Recordings as mono float32 samples, and one sentence for each that cannot be heard."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from crosstone.data.container import missing_part
from crosstone.errors import AudioError

SILENCE_DBFS = -90.0
"""A peak below this, one step of 16 bits, is silence."""
LOUDEST = 4.0
"""Float files may pass 1 a little; beyond 12 dB they are not on this scale at all."""
SHORTEST_SECONDS = 0.05
"""Two frames of a speech encoder; less has nothing to hear."""
SLACK_SECONDS = 0.1
"""How far an `end` rounded by its corpus may lie beyond the file."""
BLOCK_SECONDS = 10.0
BLOCK_VALUES = 1 << 23
"""Of all channels, decoded at a time at most: 32 MiB."""
HIGHEST_RATE = 384_000
"""Hz; no recorder samples faster."""
SILENCE = 10.0 ** (SILENCE_DBFS / 20.0)
"""The same as a peak."""


class AudioFault(AudioError):
    """A recording that cannot be used, and which kind of fault it has."""

    def __init__(self, sentence: str, kind: str = "unreadable") -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a recording says of itself before a sample is decoded."""

    num_samples: int
    sampling_rate: int
    """Hz"""
    num_channels: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sampling_rate


def read_audio(
    path: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    sampling_rate: int = 16000,
    max_seconds: float | None = None,
    hear_seconds: float | None = None,
) -> NDArray[np.float32]:
    """The recording, or its stretch from start to end (seconds): (N,) mono samples in [-1, 1].

    hear_seconds: of what is longer only the beginning, as if it ended there. Channels are averaged;
    any rate is resampled (soxr, high quality). Raises AudioError for a file that is missing, empty,
    not audio or truncated, and for a stretch outside the file, without or with too few samples,
    longer than max_seconds, with NaN, out of scale, or silent.
    """
    with audio_blocks(
        path,
        start=start,
        end=end,
        max_seconds=max_seconds,
        hear_seconds=hear_seconds,
        block_seconds=np.inf,
    ) as (header, blocks):
        decoded = list(blocks)
    samples: NDArray[np.float32] = decoded[0] if len(decoded) == 1 else np.concatenate(decoded)
    if header.sampling_rate != sampling_rate:
        samples = soxr.resample(samples, header.sampling_rate, sampling_rate)
    return np.clip(samples, -1.0, 1.0, out=samples)


@contextmanager
def audio_blocks(
    path: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    max_seconds: float | None = None,
    hear_seconds: float | None = None,
    block_seconds: float = BLOCK_SECONDS,
) -> Iterator[tuple[Header, Iterator[NDArray[np.float32]]]]:
    """The header of a recording, and the mono blocks (n,) that `read_audio` would join.

    One block is held at a time, at the recording's own rate, of BLOCK_VALUES at most however many
    seconds are asked for; raises as `read_audio` does, for faults of the whole after the last
    block.
    """
    path = Path(path)
    with _opened(path) as (sound, header):
        first, last = _stretch(path, header, start, end, max_seconds, hear_seconds)
        decoded = _decoded(path, sound, first, last, block_seconds)
        yield header, _sound_blocks(path, header, decoded)


def read_header(path: Path | str) -> Header:
    """Length, rate and channels of a recording; raises AudioError as `read_audio` does."""
    with _opened(Path(path)) as (_, header):
        return header


def count_samples(
    path: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    sampling_rate: int = 16000,
    hear_seconds: float | None = None,
) -> int:
    """How many samples `read_audio` gives, by the header alone; raises as it does for that."""
    header = read_header(path)
    first, last = _stretch(Path(path), header, start, end, None, hear_seconds)
    return int((last - first) * sampling_rate / header.sampling_rate + 0.5)


def measure_durations(
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[float | None]:
    """Seconds of each recording by its header, None where it has none that can be read.

    progress: called with how many of how many are done.
    """

    def measure(path: Path) -> float | None:
        try:
            return read_header(path).seconds
        except AudioError:
            return None  # stays unknown: `find_faults` says why

    durations: list[float | None] = []
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        for duration in pool.map(measure, paths):
            durations.append(duration)
            if progress is not None:
                progress(len(durations), len(paths))
    return durations


@contextmanager
def _opened(path: Path) -> Iterator[tuple[soundfile.SoundFile, Header]]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise AudioFault(
            f"{path}: no such file; is the corpus complete and its root right?", "missing"
        ) from None
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise AudioFault(f"{path}: cannot be read ({said})") from error
    if not stat.S_ISREG(status.st_mode):
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "something that is not a file"
        raise AudioFault(f"{path}: expected an audio file, found {found}", "not-audio")
    if status.st_size == 0:
        raise AudioFault(f"{path}: the file is empty (0 bytes); fetch it again", "empty-file")
    try:
        missing = missing_part(path)
    except OSError as error:
        raise AudioFault(f"{path}: cannot be read ({error.strerror})") from error
    if missing is not None:
        raise AudioFault(f"{path}: truncated: {missing}; fetch it again", "truncated")
    try:
        sound = soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a name that ends in .raw
        raise AudioFault(
            f"{path}: expected audio (WAV, FLAC, Ogg, MP3 or AIFF), found something else or a "
            "damaged file; convert it, for example with `ffmpeg -i IN OUT.wav`",
            "not-audio",
        ) from error
    with sound:
        yield (
            sound,
            Header(
                num_samples=sound.frames,
                sampling_rate=sound.samplerate,
                num_channels=sound.channels,
            ),
        )


def _sound_blocks(
    path: Path, header: Header, decoded: Iterator[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """The mono of each block (n, channels) as it comes; faults of the whole are raised last."""
    num_samples = num_bad = 0
    peak = channel_peak = 0.0
    for block in decoded:
        mono = _mixed(block)
        loudest = _peak(block)
        num_samples += len(block)
        if not np.isfinite(loudest):
            num_bad += int(np.any(~np.isfinite(block), axis=1).sum())
        elif not num_bad:
            peak = max(peak, loudest if block.shape[1] == 1 else _peak(mono))
            channel_peak = max(channel_peak, loudest)
        yield mono
    if num_bad:
        raise AudioFault(
            f"{path}: {num_bad} of {num_samples} samples are NaN or infinite; "
            "make the file again from its source",
            "nan",
        )
    if channel_peak > LOUDEST:
        raise AudioFault(
            f"{path}: expected samples within [-1, 1], found a peak of {channel_peak:.4g}; "
            "scale the float file before saving it",
            "out-of-scale",
        )
    if peak < SILENCE:
        what = f"silent (peak below {SILENCE_DBFS:.0f} dBFS)"
        if channel_peak >= SILENCE:
            what = (
                f"silent once its {header.num_channels} channels, in opposite phase, are averaged"
            )
        raise AudioFault(f"{path}: {what}; record it again or leave it out", "silent")


def _mixed(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels, (n, channels) → (n,)."""
    if block.shape[1] == 1:
        return block[:, 0]
    if block.shape[1] == 2:  # what mean() gives to the last bit, in a fraction of its time
        mono: NDArray[np.float32] = (block[:, 0] + block[:, 1]) / np.float32(2)
        return mono
    return np.asarray(block.mean(axis=1, dtype=np.float32))


def _peak(samples: NDArray[np.float32]) -> float:
    """The largest magnitude, NaN where there is one: two passes and no copy."""
    return max(float(samples.max()), -float(samples.min()))


def _stretch(
    path: Path,
    header: Header,
    start: float | None,
    end: float | None,
    max_seconds: float | None,
    hear_seconds: float | None,
) -> tuple[int, int]:
    if header.num_samples == 0:
        raise AudioFault(f"{path}: holds a header and no samples; fetch it again", "no-samples")
    begin = 0.0 if start is None else start
    finish = header.seconds if end is None else end
    if not 0 <= begin < finish <= header.seconds + SLACK_SECONDS or begin >= header.seconds:
        raise AudioFault(
            f"{path}: expected 0 <= start < end <= {header.seconds:.2f} s, the file's length, "
            f"found start {begin:g} and end {finish:g}; correct them",
            "stretch",
        )
    seconds = min(finish, header.seconds) - begin
    if hear_seconds is not None:
        seconds, finish = min(seconds, hear_seconds), min(finish, begin + hear_seconds)
    if max_seconds is not None and seconds > max_seconds:
        raise AudioFault(
            f"{path}: lasts {seconds:.1f} s, expected at most {max_seconds:g} s; cut it into "
            "utterances (start and end) or raise the limit",
            "long",
        )
    if seconds < SHORTEST_SECONDS:
        raise AudioFault(
            f"{path}: lasts {seconds:.4f} s, expected at least {SHORTEST_SECONDS:g} s; "
            "leave it out",
            "short",
        )
    first = round(begin * header.sampling_rate)
    return first, min(round(finish * header.sampling_rate), header.num_samples)


def _decoded(
    path: Path, sound: soundfile.SoundFile, first: int, last: int, block_seconds: float
) -> Iterator[NDArray[np.float32]]:
    """Blocks (n, channels) from sample first to last, each an array of its own; raises where the
    file breaks off before."""
    size = max(1, int(min(block_seconds * sound.samplerate, BLOCK_VALUES // sound.channels)))
    is_mp3 = sound.format == "MP3"
    at = 0 if is_mp3 else first  # after a seek an MP3 decodes to zeros for a while
    broken = False
    try:
        if at:
            sound.seek(at)
        while at < last:
            block: NDArray[np.float32] = sound.read(
                min(size, last - at), dtype="float32", always_2d=True
            )
            if not len(block):
                break
            at += len(block)
            if at - len(block) >= first:
                yield block
            elif at > first:
                yield block[first - at :].copy()
    except soundfile.LibsndfileError:
        broken = True
    share = 0.95 if is_mp3 else 1.0  # the length of an MP3 may be an estimate
    if broken or at < share * last:
        raise AudioFault(
            f"{path}: truncated or damaged: expected {last / sound.samplerate:.2f} s, could decode "
            f"no more than the first {at / sound.samplerate:.2f} s; fetch it again",
            "truncated",
        )
