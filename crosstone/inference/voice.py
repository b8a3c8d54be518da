"""Where there is speech in a stream of samples: levels in the band of speech, against the floor.

A frame is loud where its level between 150 and 4000 Hz stands well above the quietest tenth of the
last half minute. Loud frames with short gaps between them are one stretch of speech.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

STEP = 0.01
"""Seconds from frame to frame."""
WINDOW = 0.032
"""Seconds of a frame."""
BAND = (150.0, 4000.0)
"""Hz: without hum below and hiss above."""
CHUNK = 10.0
HISTORY = 30.0
"""Floor and peak are those of the last half minute, and set anew every 10 s."""
QUIETEST = -75.0
"""dBFS: what is below is taken to be there, so that digital silence is no floor."""
ONSET = (8.0, 0.40)
OFFSET = (5.0, 0.25)
"""Speech begins, and goes on, so many dB above the floor, at least, and so much of the way from the
floor to the peak."""
GAP = 0.3
"""Seconds of silence that end a stretch."""
SHORTEST = 0.15
"""Seconds that are loud in a stretch at least: less is a click."""
MARGIN = 0.1
"""Seconds left on either side of a stretch, where no more is asked for."""

Stretch = tuple[int, int]
"""First sample, and the one after the last."""


class VoiceFinder:
    """Stretches of speech of at most max_seconds, and what is left around them, as samples come.

    pauses: seconds before and after the speech; where two stretches are nearer to each other, they
    share what lies between them. However the samples are cut into blocks, the stretches are the
    same. `since` is the first sample that a later stretch can begin with.
    """

    def __init__(
        self, sampling_rate: int, *, max_seconds: float, pauses: tuple[float, float] | None = None
    ) -> None:
        self._hop = round(STEP * sampling_rate)
        self._window = round(WINDOW * sampling_rate)
        self._taper = np.hanning(self._window + 1)[:-1].astype(np.float32)
        hertz = np.fft.rfftfreq(self._window, 1 / sampling_rate)
        self._band = (hertz >= BAND[0]) & (hertz <= BAND[1])
        before, after = (MARGIN, MARGIN) if pauses is None else pauses
        self._before, self._after = round(before / STEP), round(after / STEP)
        self._most = round(max_seconds / STEP)
        self._rest = np.zeros(0, np.float32)
        self._levels: list[float] = []
        self._history: NDArray[np.float64] = np.zeros(0)
        self._held: list[tuple[float, bool]] = []
        self._frame = self._begin = self._last_loud = 0
        self._is_open = self._is_loud = False
        self._ended: tuple[int, int] | None = None
        self._reached = 0
        self._total = 0

    @property
    def since(self) -> int:
        """The first sample that is still needed."""
        if self._ended is not None:
            return self._ended[0]
        return self._first(self._begin if self._is_open else self._frame)

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Stretch]:
        """The stretches that these samples bring to an end."""
        self._total += len(samples)
        self._measure(np.concatenate([self._rest, samples]))
        chunk = round(CHUNK / STEP)
        while len(self._levels) >= chunk:
            yield from self._decide(self._levels[:chunk])
            self._levels = self._levels[chunk:]

    def finish(self) -> Iterator[Stretch]:
        """The stretches that end with the samples."""
        if self._total < self._window:
            return
        yield from self._decide(self._levels)
        if self._is_open:
            yield from self._close(self._last_loud + 1)
        yield from self._leave(None)

    def _sample(self, frame: int) -> int:
        """Where a frame's step begins, its window being centred on it."""
        return frame * self._hop + (self._window - self._hop) // 2

    def _first(self, frame: int) -> int:
        """The first sample of a stretch whose speech begins with a frame."""
        return max(self._reached, self._sample(frame - self._before))

    def _measure(self, samples: NDArray[np.float32]) -> None:
        """Levels of all frames that are whole, in dBFS; the rest of the samples waits."""
        number = max(0, (len(samples) - self._window) // self._hop + 1)
        if number:
            frames = np.lib.stride_tricks.sliding_window_view(samples, self._window)
            power = np.abs(np.fft.rfft(frames[:: self._hop][:number] * self._taper)) ** 2
            scale = self._window * float((self._taper**2).sum())
            mean_square = 2 * power[:, self._band].sum(1) / scale
            self._levels += (10 * np.log10(mean_square + 1e-12)).clip(QUIETEST).tolist()
        self._rest = samples[number * self._hop :]

    def _decide(self, levels: list[float]) -> Iterator[Stretch]:
        if not levels:
            return
        keep = round(HISTORY / STEP)
        self._history = np.append(self._history, levels)[-keep:]
        floor, peak = np.percentile(self._history, (10, 95))
        onset, offset = (
            floor + max(least, share * (peak - floor)) for least, share in (ONSET, OFFSET)
        )
        for level in levels:
            self._is_loud = level > (offset if self._is_loud else onset)
            if self._is_loud:
                if not self._is_open:
                    self._is_open, self._begin, self._held = True, self._frame, []
                self._last_loud = self._frame
            if self._is_open:
                self._held.append((level, self._is_loud))
            self._frame += 1
            if self._is_open and self._frame - self._last_loud > GAP / STEP:
                yield from self._close(self._last_loud + 1)
            elif self._is_open and self._frame - self._begin >= self._most:
                yield from self._split()
            if self._ended is not None:
                yield from self._follow(self._ended[1])

    def _split(self) -> Iterator[Stretch]:
        """Cut what is too long where its second half is quietest."""
        half = len(self._held) // 2
        levels = [level for level, _ in self._held[half:]]
        cut = half + 2 + int(np.convolve(levels, np.ones(5), mode="valid").argmin())
        held, self._held = self._held, self._held[:cut]
        yield from self._close(self._begin + cut)
        self._is_open, self._begin, self._held = True, self._begin + cut, held[cut:]

    @property
    def _is_speech(self) -> bool:
        """Whether what is open is more than a click."""
        return sum(is_loud for _, is_loud in self._held) * STEP >= SHORTEST

    def _close(self, end: int) -> Iterator[Stretch]:
        """Speech ends before a frame; what follows decides how much is left after it."""
        self._is_open = False
        if self._is_speech:
            yield from self._leave(self._begin)
            self._ended = self._first(self._begin), end

    def _follow(self, end: int) -> Iterator[Stretch]:
        """Let the stretch that ended go once nothing nearer can follow it, or speech does."""
        following = self._begin if self._is_open else self._frame
        if following - end >= self._before + self._after:
            yield from self._leave(None)
        elif self._is_open and self._is_speech:
            yield from self._leave(following)

    def _leave(self, following: int | None) -> Iterator[Stretch]:
        """The stretch that ended, up to its share of what lies before the next one's speech."""
        if self._ended is None:
            return
        first, end = self._ended
        self._ended = None
        gap = self._before + self._after if following is None else following - end
        share = self._after / max(1, self._before + self._after)
        after = round(min(self._after, gap * share))
        self._reached = min(self._sample(end + after), self._total)
        yield first, self._reached


def pauses_around(samples: NDArray[np.float32], sampling_rate: int) -> tuple[float, float] | None:
    """Seconds before and after the speech of a whole recording; None where none is found."""
    seconds = len(samples) / sampling_rate
    finder = VoiceFinder(sampling_rate, max_seconds=seconds + 1.0, pauses=(0.0, 0.0))
    found = [*finder.feed(samples), *finder.finish()]
    if not found:
        return None
    return found[0][0] / sampling_rate, (len(samples) - found[-1][1]) / sampling_rate
