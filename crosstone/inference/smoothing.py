"""A path through what a model says from segment to segment, as the segments come."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

STAY_SECONDS = 20.0
"""How long a class is taken to last, and the time constant of a smoothed value."""
LONGEST_LAG = 256
"""Segments that a path may stay undecided."""


class ClassPath:
    """The most likely path of classes, decided as soon as every path agrees on it.

    Viterbi's, where a class passes into any other after stay_seconds on average: after t seconds it
    is still there with probability 1/C + (1 - 1/C) exp(-t / stay_seconds). A segment counts by its
    probabilities, all classes being as frequent. What a segment without them says is nothing.
    """

    def __init__(self, labels: Sequence[str], *, stay_seconds: float = STAY_SECONDS) -> None:
        self._labels, self._stay = labels, stay_seconds
        self._scores = np.zeros(len(labels))
        self._paths: NDArray[np.int64] = np.zeros((len(labels), 0), np.int64)
        self._at: float | None = None

    def push(self, probabilities: Mapping[str, float] | None, at: float) -> list[str]:
        """The classes that are decided once a segment whose middle is `at` (seconds) is known."""
        number = len(self._labels)
        if self._at is not None:
            gap = max(0.0, at - self._at)
            fades = 1.0 if self._stay == 0 else -math.expm1(-gap / self._stay)
            switch = np.full((number, number), math.log(max(fades / number, 1e-300)))
            np.fill_diagonal(switch, math.log1p(-fades * (1 - 1 / number)))
            arriving = self._scores[:, None] + switch
            best = arriving.argmax(0)
            self._scores = arriving[best, np.arange(number)]
            self._paths = self._paths[best]
        self._at = at
        if probabilities is not None:
            said = np.array([probabilities[label] for label in self._labels])
            self._scores = self._scores + np.log(said.clip(1e-12))
        self._scores = self._scores - self._scores.max()
        self._paths = np.hstack([self._paths, np.arange(number)[:, None]])
        agreed = (self._paths == self._paths[0]).all(0)
        decided = self._paths.shape[1] if agreed.all() else int(agreed.argmin())
        if self._paths.shape[1] > LONGEST_LAG:
            decided = max(decided, 1)
        return self._take(decided)

    def finish(self) -> list[str]:
        """The classes of the segments that were still undecided."""
        return self._take(self._paths.shape[1])

    def _take(self, number: int) -> list[str]:
        best = self._paths[int(self._scores.argmax())]
        self._paths = self._paths[:, number:]
        return [self._labels[i] for i in best[:number]]


class ValuePath:
    """A value smoothed exponentially over time, and where it turns.

    It turns where it has come back from its last extreme by the standard deviation of all values so
    far (Welford's).
    """

    def __init__(self, *, stay_seconds: float = STAY_SECONDS) -> None:
        self._stay = stay_seconds
        self._smoothed: float | None = None
        self._at = self._extreme = self._mean = self._squares = 0.0
        self._count = self._direction = 0

    def push(self, value: float | None, at: float) -> tuple[float | None, bool]:
        """The smoothed value after a segment whose middle is `at` (seconds); whether it turned."""
        if value is None:
            return self._smoothed, False
        self._count += 1
        apart = value - self._mean
        self._mean += apart / self._count
        self._squares += apart * (value - self._mean)
        if self._smoothed is None:
            self._smoothed, self._extreme = value, value
        else:
            gap = max(0.0, at - self._at)
            share = 1.0 if self._stay == 0 else -math.expm1(-gap / self._stay)
            self._smoothed += share * (value - self._smoothed)
        self._at = at
        return self._smoothed, self._turned(self._smoothed)

    def _turned(self, smoothed: float) -> bool:
        swing = math.sqrt(self._squares / self._count)
        away = smoothed - self._extreme
        if self._direction * away >= 0 and self._direction:
            self._extreme = smoothed
            return False
        if abs(away) < swing or away == 0:
            return False
        turned = self._direction != 0
        self._direction, self._extreme = (1 if away > 0 else -1), smoothed
        return turned
