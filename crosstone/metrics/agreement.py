"""How far raters agree, and how well one of them foretells the others: the human ceiling.

Rows are judgements, one for each item and rater who judged it; a rater who did not has no row.
items (J,) names the item of each row by an integer. A judgement in classes is a row of shares
(J, C): one vote, spread over the classes that the rater chose, less than one where a part of it
fell to classes that are not asked about. A judgement on a scale is a number of values (J,).
Judgements of an item that nobody else judged have no pair and count nowhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError
from crosstone.metrics.classification import classification_scores
from crosstone.metrics.regression import regression_scores, regression_statistics

Floats = NDArray[np.float64]

SCALE_SCORES = ("mae", "pearson", "ccc")
_TIE = 1e-9
"""Votes that differ by less are equal: a third of a vote, three times, is one."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What raters' judgements of the same items say of each other; NaN where undefined."""

    items: int
    """Items that more than one rater judged."""
    judgements: int
    """Judgements of these."""
    alpha: float
    """Krippendorff's, nominal for classes and interval for a scale."""
    kappa: float
    """Fleiss', of classes."""
    scores: dict[str, float]
    """One rater against the others, as `rater_scores` or `rater_scale_scores` gives them."""


def class_agreement(items: ArrayLike, shares: ArrayLike) -> Agreement:
    """Every measure of judgements in classes."""
    pairs = _paired(items, shares)
    return Agreement(
        items=len(pairs.totals),
        judgements=len(pairs.own),
        alpha=krippendorff_nominal(items, shares),
        kappa=fleiss_kappa(items, shares),
        scores=rater_scores(items, shares),
    )


def scale_agreement(items: ArrayLike, values: ArrayLike) -> Agreement:
    """Every measure of judgements on a scale."""
    pairs = _paired(items, np.ones((np.size(values), 1)))
    return Agreement(
        items=len(pairs.totals),
        judgements=len(pairs.own),
        alpha=krippendorff_interval(items, values),
        kappa=np.nan,
        scores=rater_scale_scores(items, values),
    )


def fleiss_kappa(items: ArrayLike, shares: ArrayLike) -> float:
    """Fleiss' kappa (1971): agreement of pairs of raters beyond that of classes drawn at random.

    Where items have unequal numbers of raters, each item counts once in the agreement that is
    observed and each vote once in the classes' frequencies.
    """
    pairs = _paired(items, shares)
    if not len(pairs.totals):
        return np.nan
    agreeing = np.bincount(pairs.items, pairs.agreeing) / pairs.totals.sum(axis=1)
    frequencies = pairs.own.sum(axis=0) / pairs.own.sum()
    by_chance = float((frequencies**2).sum())
    return _beyond(float(agreeing.mean()), by_chance)


def krippendorff_nominal(items: ArrayLike, shares: ArrayLike) -> float:
    """Krippendorff's alpha for classes without order (2011, Computing Krippendorff's
    Alpha-Reliability): each vote counts once, whatever is missing.

    By chance two judgements meet that are drawn from all, none of them with itself.
    """
    own = (pairs := _paired(items, shares)).own
    if not len(own):
        return np.nan
    votes, classes = own.sum(axis=1), own.sum(axis=0)
    agreeing = float((classes**2).sum() - (own**2).sum())
    by_chance = agreeing / float(votes.sum() ** 2 - (votes**2).sum())
    return _beyond(float(pairs.agreeing.sum() / votes.sum()), by_chance)


def krippendorff_interval(items: ArrayLike, values: ArrayLike) -> float:
    """Krippendorff's alpha for a scale on which only differences mean something."""
    unit, v = _scaled(items, values)
    if not len(v):
        return np.nan
    v = v - v.mean()
    raters = np.bincount(unit)
    sums, squares = np.bincount(unit, v), np.bincount(unit, v**2)
    within = float(((raters * squares - sums**2) / (raters - 1)).sum())
    between = float((len(v) * squares.sum() - sums.sum() ** 2) / (len(v) - 1))
    return 1 - within / between if between > 0 else np.nan


def rater_confusion(items: ArrayLike, shares: ArrayLike) -> Floats:
    """What the majority of the others chose (row) against what a rater chose (column): (C, C).

    Each item counts once, its raters in equal parts. Where the others tie, each class of the tie
    is the majority in equal parts.
    """
    pairs = _paired(items, shares)
    top = pairs.others.max(axis=1, initial=0.0)[:, None]
    majority = (pairs.others >= top - _TIE).astype(np.float64)
    majority /= majority.sum(axis=1, keepdims=True)
    weights = 1 / pairs.totals.sum(axis=1)[pairs.items]
    return np.asarray(majority.T @ (pairs.own * weights[:, None]), dtype=np.float64)


def rater_scores(items: ArrayLike, shares: ArrayLike) -> dict[str, float]:
    """`wa`, `ua`, `macro_f1` and `weighted_f1` of `rater_confusion`: one rater, drawn anew for
    each item, against the majority of the others."""
    scores = classification_scores(rater_confusion(items, shares).ravel())
    return {name: float(score) for name, score in scores.items()}


def rater_scale_scores(items: ArrayLike, values: ArrayLike) -> dict[str, float]:
    """`mae`, `pearson` and `ccc` of one rater, drawn anew for each item, against the mean of the
    others."""
    unit, v = _scaled(items, values)
    if not len(v):
        return dict.fromkeys(SCALE_SCORES, np.nan)
    raters = np.bincount(unit)[unit]
    others = (np.bincount(unit, v)[unit] - v) / (raters - 1)
    scores = regression_scores((1 / raters) @ regression_statistics(others, v))
    return {name: float(scores[name]) for name in SCALE_SCORES}


@dataclass(frozen=True)
class _Pairs:
    """The judgements of items that were judged more than once."""

    items: NDArray[np.int64]
    """(J,) numbers from 0 on."""
    own: Floats
    """(J, C) the shares."""
    totals: Floats
    """(N, C) votes for each class of an item."""

    @property
    def others(self) -> Floats:
        """(J, C) votes of all the item's other raters."""
        return np.asarray(self.totals[self.items] - self.own, dtype=np.float64)

    @property
    def agreeing(self) -> Floats:
        """(J,) how much of a vote finds the same class in another rater's, drawn at random."""
        others = self.others
        return np.asarray((self.own * others).sum(axis=1) / others.sum(axis=1), dtype=np.float64)


def _paired(items: ArrayLike, shares: ArrayLike) -> _Pairs:
    own, names = np.asarray(shares, dtype=np.float64), np.asarray(items)
    if own.ndim != 2 or names.shape != own.shape[:1]:
        raise CrosstoneError(
            f"judgements: expected items (judgements,) and shares (judgements, classes), found "
            f"{names.shape} and {own.shape}; give one row per item and rater"
        )
    if not (np.isfinite(own).all() and (own >= 0).all() and (own.sum(axis=1) <= 1 + _TIE).all()):
        raise CrosstoneError(
            "judgements: expected shares of one vote, in [0, 1] and at most 1 in all, found others"
        )
    voted = own.sum(axis=1) > 0
    names, own = names[voted], own[voted]
    _, unit, raters = np.unique(names, return_inverse=True, return_counts=True)
    several = raters[unit] > 1
    own = own[several]
    unit = np.unique(names[several], return_inverse=True)[1].astype(np.int64)
    totals = np.zeros((int(unit.max(initial=-1)) + 1, own.shape[1]))
    np.add.at(totals, unit, own)
    return _Pairs(unit, own, totals)


def _scaled(items: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    """Item numbers from 0 on and values of the items that were judged more than once."""
    v, names = np.asarray(values, dtype=np.float64), np.asarray(items)
    if v.ndim != 1 or names.shape != v.shape or not np.isfinite(v).all():
        raise CrosstoneError(
            f"judgements: expected one item and one finite value each, found shapes {names.shape} "
            f"and {v.shape}{'' if np.isfinite(v).all() else ' with NaN or infinity'}"
        )
    _, unit, raters = np.unique(names, return_inverse=True, return_counts=True)
    several = raters[unit] > 1
    return np.unique(names[several], return_inverse=True)[1].astype(np.int64), v[several]


def _beyond(observed: float, by_chance: float) -> float:
    return (observed - by_chance) / (1 - by_chance) if 1 - by_chance > _TIE else np.nan
