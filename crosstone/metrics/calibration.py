"""Whether probabilities can be believed, and what abstaining would gain.

Confidence is the largest probability of an item. ECE, Brier score and NLL are functions of sums
over items, so that a bootstrap replicate is a weighted sum.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError
from crosstone.metrics.classification import predicted_classes

Floats = NDArray[np.float64]

BINS = 15
"""Bins of the expected calibration error (Guo et al. 2017)."""


def calibration_statistics(target: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Floats:
    """Each item's share of the sums that `calibration_scores` needs: (n, 4 + bins).

    target (n,) class indices, probabilities (n, C). Raises CrosstoneError for rows that are no
    distribution and for indices outside of them.
    """
    t, p = _checked(target, probabilities)
    confidence, hit = _confidence(t, p)
    own = p[np.arange(len(t)), t]
    impossible = own == 0
    nll = -np.log(np.where(impossible, 1.0, own))
    brier = (p**2).sum(axis=1) - 2 * own + 1
    gaps = np.zeros((len(t), bins))
    gaps[np.arange(len(t)), _equal_width(confidence, bins)] = confidence - hit
    return np.column_stack([np.ones(len(t)), brier, nll, impossible, gaps])


def calibration_scores(statistics: ArrayLike) -> dict[str, Floats]:
    """`ece`, `brier` and `nll` of summed statistics (..., 4 + bins), each (...).

    `ece`: mean gap between confidence and accuracy over bins of equal width, weighted by items;
    `brier`: summed over classes (Brier 1950), so from 0 to 2; `nll`: in nats, infinite where a
    target was given probability 0.
    """
    sums = np.asarray(statistics, dtype=np.float64)
    n = np.where(sums[..., 0] > 0, sums[..., 0], np.nan)
    return {
        "ece": np.asarray(np.abs(sums[..., 4:]).sum(axis=-1) / n),
        "brier": np.asarray(sums[..., 1] / n),
        "nll": np.where(sums[..., 3] > 0, np.inf, sums[..., 2] / n),
    }


def ece(
    target: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = BINS,
    binning: Literal["width", "mass"] = "width",
) -> float:
    """Expected calibration error of the arg-max, in bins of equal width or of equal mass.

    Equal mass: the items in order of confidence, cut into parts as equal as can be; items of one
    confidence stay together, so their order does not matter. Its name in tables is `ece_mass`.
    Raises as `calibration_statistics` does.
    """
    t, p = _checked(target, probabilities)
    confidence, hit = _confidence(t, p)
    place = _equal_width(confidence, bins) if binning == "width" else _equal_mass(confidence, bins)
    gaps = np.bincount(place, confidence - hit, minlength=bins)
    return float(np.abs(gaps).sum() / len(t))


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Confidence beside accuracy, in the bins of equal width that hold items."""

    confidence: Floats
    """(k,) mean of each bin."""
    accuracy: Floats
    """(k,)"""
    count: NDArray[np.int64]
    """(k,)"""


def reliability(target: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Reliability:
    """What the ECE sums up: how often the arg-max is right where it is so certain.

    Raises as `calibration_statistics` does.
    """
    t, p = _checked(target, probabilities)
    confidence, hit = _confidence(t, p)
    place = _equal_width(confidence, bins)
    count = np.bincount(place, minlength=bins)
    held = count > 0
    sums = [np.bincount(place, weights, minlength=bins)[held] for weights in (confidence, hit)]
    return Reliability(sums[0] / count[held], sums[1] / count[held], count[held])


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """The error among the most confident items, for every share of items that is answered."""

    coverage: Floats
    """(n,) rising to 1."""
    risk: Floats
    """(n,) the share of errors among those answered."""

    @property
    def aurc(self) -> float:
        """Mean risk over all coverages (Geifman and El-Yaniv 2017); less is better."""
        return float(self.risk.mean())

    def at(self, coverage: float) -> float:
        """The risk where at least this share of the items is answered."""
        place = int(np.searchsorted(self.coverage, coverage - 1e-12))
        return float(self.risk[min(place, len(self.risk) - 1)])


def risk_coverage(target: ArrayLike, probabilities: ArrayLike) -> RiskCoverage:
    """The curve of a classifier that answers its most confident items only.

    Among items of equal confidence the expected error is taken, so their order does not matter.
    Raises as `calibration_statistics` does.
    """
    t, p = _checked(target, probabilities)
    confidence, hit = _confidence(t, p)
    _, level = np.unique(-confidence, return_inverse=True)
    mean_error = np.bincount(level, 1.0 - hit) / np.bincount(level)
    answered = np.arange(1, len(t) + 1)
    errors = np.cumsum(mean_error[np.sort(level)])
    return RiskCoverage(answered / len(t), errors / answered)


def _confidence(target: NDArray[np.int64], probabilities: Floats) -> tuple[Floats, Floats]:
    """The largest probability of each row, and 1 where it stands at the target."""
    guessed = predicted_classes(probabilities)
    confidence = probabilities[np.arange(len(target)), guessed]
    return confidence, (guessed == target).astype(np.float64)


def _equal_width(confidence: Floats, bins: int) -> NDArray[np.int64]:
    """Bins (0, 1/k], (1/k, 2/k], … as Guo et al. cut them."""
    place: NDArray[np.int64] = np.ceil(confidence * bins).astype(np.int64) - 1
    return np.clip(place, 0, bins - 1)


def _equal_mass(confidence: Floats, bins: int) -> NDArray[np.int64]:
    _, level, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    place = np.minimum(middle * bins // len(confidence), bins - 1).astype(np.int64)
    return place[level]


def _checked(target: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    t, p = np.asarray(target), np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or t.shape != p.shape[:1] or t.size == 0:
        raise CrosstoneError(
            f"calibration: expected one target per row of probabilities (items, classes), at least "
            f"one, found {t.shape} and {p.shape}; give both for the same items"
        )
    if not np.issubdtype(t.dtype, np.integer) or t.min() < 0 or t.max() >= p.shape[1]:
        raise CrosstoneError(
            f"calibration: expected class indices from 0 to {p.shape[1] - 1} as targets, found "
            f"{t.dtype} from {t.min()} to {t.max()}; check the list of labels"
        )
    sound = ((p >= 0) & (p <= 1)).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-2)
    wrong = np.flatnonzero(~sound)
    if wrong.size:
        raise CrosstoneError(
            f"calibration: expected probabilities that sum to 1, found others in {wrong.size} of "
            f"{len(p)} rows (first: row {wrong[0]}); apply the softmax first"
        )
    return t.astype(np.int64), p
