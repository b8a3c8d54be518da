"""Answers that hold as often as they say, by what was seen of exchangeable items."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc
from scipy.stats import t

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]

RISK = 0.1
"""How often, over draws of the calibration items, what is promised may not hold."""

_STEP = 0.005
"""Thresholds of confidence that are tried are its multiples."""

_STARTS = (0.99, 0.95, 0.9, 0.8, 0.6)
"""Where the search for a threshold begins, each with a part of the risk."""


def conformal_quantile(
    scores: ArrayLike, coverage: float, *, units: ArrayLike | None = None
) -> float:
    """The bound that a new score keeps with probability `coverage` at least (Vovk et al. 2005).

    scores (n,): how far from the truth the answers on n calibration items were, units (n,) who
    speaks, each item by itself where left out. Every one of K speakers weighs 1 / (K + 1), shared
    by its items, and so does the new one, taken to be infinitely far (hierarchical conformal
    prediction, Lee, Barber and Willett 2023): the least score below or at which `coverage` lies. It
    holds for finite K for an item of a new speaker who is exchangeable with those, in the mean over
    speakers, not for each; infinite where K is too small for it.
    """
    _expect_share("coverage", coverage)
    values = np.asarray(scores, dtype=np.float64)
    names = np.arange(len(values)) if units is None else np.asarray(units)
    _, place, sizes = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(values, kind="stable")
    held = np.cumsum(1 / sizes[place.ravel()[order]])
    needed = (len(sizes) + 1) * coverage - 1e-9
    if len(sizes) < needed:
        return math.inf
    row = min(int(np.searchsorted(held, needed)), len(values) - 1)
    return float(values[order[row]])


def fewest_for(coverage: float) -> int:
    """Speakers below which `conformal_quantile` is infinite."""
    _expect_share("coverage", coverage)
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def abstention_threshold(
    confidence: ArrayLike,
    hit: ArrayLike,
    accuracy: float,
    risk: float = RISK,
    *,
    units: ArrayLike | None = None,
) -> float | None:
    """The least confidence to answer at, so that of the answers this share is right; None where
    none can be promised.

    confidence (n,) in [0, 1] and hit (n,) of calibration items, units (n,) who speaks: items of one
    speaker go wrong together. With probability 1 - risk over their draw the accuracy among answered
    items is at least `accuracy`, if new items are like them: fixed sequence testing (Angelopoulos
    et al. 2021, Learn then Test) down a fixed grid of thresholds from five starts, each threshold
    by the exact binomial tail of the errors above it, of as many items as the speakers are worth
    (`effective_items`).
    """
    _expect_share("accuracy", accuracy)
    sure = np.asarray(confidence, dtype=np.float64)
    wrong = ~np.asarray(hit, dtype=np.bool_)
    names = np.arange(len(sure)) if units is None else np.asarray(units)
    level, found = risk / len(_STARTS), None
    for start in _STARTS:
        for step in range(round(start / _STEP), -1, -1):
            answered = sure >= step * _STEP
            if not answered.any():
                break
            error = float(wrong[answered].mean())
            worth = effective_items(wrong[answered], names[answered], level)
            # P(errors <= error * worth) of Binomial(worth, 1 - accuracy), worth being no integer
            tail = betainc(worth * (1 - error), worth * error + 1, accuracy) if error < 1 else 1.0
            if not tail <= level:  # of nothing, worth 0, some versions of scipy say NaN
                break
            found = step * _STEP if found is None else min(found, step * _STEP)
    return found


def highest_accuracy(
    confidence: ArrayLike, hit: ArrayLike, *, units: ArrayLike | None = None
) -> float | None:
    """The largest accuracy, in hundredths, for which `abstention_threshold` finds a threshold;
    None where it finds none for any."""
    for hundredths in range(99, 0, -1):
        accuracy = hundredths / 100
        if abstention_threshold(confidence, hit, accuracy, units=units) is not None:
            return accuracy
    return None


def effective_items(wrong: NDArray[np.bool_], units: NDArray[Any], level: float) -> float:
    """How many independent items the errors of n items of these units are worth, at most n.

    n over the design effect, which is taken to be 1 at least, less what few units leave uncertain
    of it (Korn and Graubard 1998); 0 of a single unit of several items. Without an error, and of
    errors alone, no design effect can be seen, and each unit is worth one item, as if all its items
    went wrong together. Assumed is that units are drawn alike and apart from each other, and that
    errors of those who were drawn vary between units as those of others would.
    """
    count, rate = len(wrong), float(wrong.mean())
    _, place = np.unique(units, return_inverse=True)
    clusters = int(place.max()) + 1
    if clusters == count or not 0 < rate < 1:
        return float(clusters)
    if clusters < 2:
        return 0.0
    away = np.bincount(place, wrong - rate)
    effect = float((away**2).sum() * clusters / (clusters - 1) / count / (rate * (1 - rate)))
    known = (t.ppf(1 - level, count - 1) / t.ppf(1 - level, clusters - 1)) ** 2
    return float(count / max(effect, 1.0) * known)


def _expect_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise CrosstoneError(f"{name}: expected a share between 0 and 1, found {value:g}")
