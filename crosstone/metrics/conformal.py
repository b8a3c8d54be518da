"""Answers that hold as often as they say, by what was seen of exchangeable items."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]

RISK = 0.1
"""How often, over draws of the calibration items, what is promised may not hold."""

_STEP = 0.005
"""Thresholds of confidence that are tried are its multiples."""

_STARTS = (0.99, 0.95, 0.9, 0.8, 0.6)
"""Where the search for a threshold begins, each with a part of the risk."""


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """The bound that a new score keeps with probability `coverage` at least (Vovk et al. 2005).

    scores (n,): how far from the truth the answers on n calibration items were. The ⌈(n + 1) ·
    coverage⌉-th smallest of them, so that coverage holds for finite n wherever the new item is
    exchangeable with those; infinite where n is too small for it.
    """
    _expect_share("coverage", coverage)
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    place = math.ceil((len(ordered) + 1) * coverage - 1e-9)
    return float(ordered[place - 1]) if place <= len(ordered) else math.inf


def fewest_for(coverage: float) -> int:
    """Calibration items below which `conformal_quantile` is infinite."""
    _expect_share("coverage", coverage)
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def abstention_threshold(
    confidence: ArrayLike, hit: ArrayLike, accuracy: float, risk: float = RISK
) -> float | None:
    """The least confidence to answer at, so that of the answers this share is right; None where
    none can be promised.

    confidence (n,) in [0, 1] and hit (n,) of calibration items. With probability 1 - risk over
    their draw the accuracy among answered items is at least `accuracy`, if they are independent and
    the new ones are like them: fixed sequence testing (Angelopoulos et al. 2021, Learn then Test)
    down a fixed grid of thresholds from five starts, each threshold by the exact binomial tail of
    the errors above it.
    """
    _expect_share("accuracy", accuracy)
    sure = np.asarray(confidence, dtype=np.float64)
    wrong = ~np.asarray(hit, dtype=np.bool_)
    found = None
    for start in _STARTS:
        for step in range(round(start / _STEP), -1, -1):
            answered = sure >= step * _STEP
            tail = binom.cdf(int(wrong[answered].sum()), int(answered.sum()), 1 - accuracy)
            if not answered.any() or tail > risk / len(_STARTS):
                break
            found = step * _STEP if found is None else min(found, step * _STEP)
    return found


def _expect_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise CrosstoneError(f"{name}: expected a share between 0 and 1, found {value:g}")
