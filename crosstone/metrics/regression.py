"""How far and on which side of zero a predicted sentiment lies, from sums of per-item statistics.

Every metric here is a function of sums over items, so that a bootstrap replicate is a weighted sum
and no item is looked at twice. acc7, acc5 and acc2 are defined on the sentiment scale [-3, 3].
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]

_SUMS = ("count", "error", "gap", "t", "v", "tt", "vv", "tv", "hit7", "hit7_sdk", "hit5")
_SIDES = ("true_positive", "false_negative", "false_positive", "true_negative")
_FORMS = ("nonneg", "nonzero", "positive")
STATISTICS = (*_SUMS, *(f"{form}_{side}" for form in _FORMS for side in _SIDES))
"""Names of the columns of `regression_statistics`."""


def score_regression(target: ArrayLike, value: ArrayLike) -> dict[str, float]:
    """All metrics of `regression_scores` for n targets and n predicted values."""
    sums = regression_statistics(target, value).sum(axis=0)
    return {name: float(score) for name, score in regression_scores(sums).items()}


def regression_statistics(target: ArrayLike, value: ArrayLike) -> Floats:
    """Each item's share of every sum that the metrics need: (n, columns named in `STATISTICS`).

    target, value (n,). Products are taken about the mean of all items, which changes no correlation
    and keeps its digits. Raises CrosstoneError for empty, unequal or non-finite input.
    """
    t, v = _checked(target, value)
    about_t, about_v = _centred(t), _centred(v)
    columns = [
        np.ones_like(t),
        np.abs(t - v),
        t - v,
        about_t,
        about_v,
        about_t**2,
        about_v**2,
        about_t * about_v,
        _rounded(t, 3) == _rounded(v, 3),
        _sdk_bin(t) == _sdk_bin(v),
        _rounded(t, 2) == _rounded(v, 2),
        *_sides(t >= 0, v >= 0, np.ones_like(t, dtype=bool)),
        *_sides(t > 0, v > 0, t != 0),
        *_sides(t > 0, v > 0, np.ones_like(t, dtype=bool)),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def regression_scores(statistics: ArrayLike) -> dict[str, Floats]:
    """The metrics of summed statistics, each of shape (...) for sums (..., columns).

    `mae`; `pearson` (NaN where target or prediction is constant); `ccc`: Lin's concordance with
    moments that divide by n. `acc7_round` and `acc5`: equal after clipping to [-3, 3] or [-2, 2]
    and rounding half to even (MulT, MMSA, JBLS); `acc7_sdk`: equal in the bins of the CMU-MOSEI
    SDK, another number. acc2 and F1 come in three forms: `nonneg`, < 0 against >= 0; `nonzero`,
    < 0 against > 0 with targets of 0 left out and predictions > 0 positive; `positive`, > 0 against
    the rest (MulT where zeros stay in). F1 is support-weighted over the two sides; `…_binary` is
    that of the upper side alone, `…_swapped` is weighted by predictions, which is what code gives
    that passes its arguments in the wrong order (MulT). NaN where no item counts.
    """
    sums = np.asarray(statistics, dtype=np.float64)
    part = dict(zip(STATISTICS, np.moveaxis(sums, -1, 0), strict=True))
    n = part["count"]
    scores = {
        "mae": _ratio(part["error"], n),
        **_agreement(part),
        "acc7_round": _ratio(part["hit7"], n),
        "acc7_sdk": _ratio(part["hit7_sdk"], n),
        "acc5": _ratio(part["hit5"], n),
    }
    for form in _FORMS:
        tp, fn, fp, tn = (part[f"{form}_{side}"] for side in _SIDES)
        items = tp + fn + fp + tn
        f1_up = _ratio(2 * tp, 2 * tp + fn + fp)
        f1_down = np.nan_to_num(_ratio(2 * tn, 2 * tn + fn + fp))
        up = np.nan_to_num(f1_up)
        scores[f"acc2_{form}"] = _ratio(tp + tn, items)
        scores[f"f1_{form}"] = _ratio(up * (tp + fn) + f1_down * (tn + fp), items)
        scores[f"f1_{form}_binary"] = f1_up
        scores[f"f1_{form}_swapped"] = _ratio(up * (tp + fp) + f1_down * (tn + fn), items)
    return scores


def _agreement(part: dict[str, Floats]) -> dict[str, Floats]:
    n = np.maximum(part["count"], 1.0)
    spread_t = _spread(part["tt"], part["t"], n)
    spread_v = _spread(part["vv"], part["v"], n)
    together = (part["tv"] - part["t"] * part["v"] / n) * (spread_t > 0) * (spread_v > 0)
    pearson = _ratio(together, np.sqrt(spread_t) * np.sqrt(spread_v))
    return {
        "pearson": np.asarray(np.clip(pearson, -1.0, 1.0), dtype=np.float64),
        "ccc": _ratio(2 * together, spread_t + spread_v + part["gap"] ** 2 / n),
    }


def _spread(squares: Floats, sums: Floats, n: Floats) -> Floats:
    """Sum of squares about the mean; 0 where only rounding is left of it."""
    spread = squares - sums**2 / n
    return np.where(spread > 1e-12 * squares, spread, 0.0)


def _rounded(x: Floats, limit: int) -> Floats:
    return np.asarray(np.round(np.clip(x, -limit, limit)), dtype=np.float64)


def _sdk_bin(x: Floats) -> Floats:
    """The classes of the CMU-MOSEI SDK: below -2, [-2, -1), [-1, 0), 0, (0, 1], (1, 2], above 2."""
    down = np.select([x < -2, x < -1, x < 0], [-3.0, -2.0, -1.0], 0.0)
    return np.select([x > 2, x > 1, x > 0], [3.0, 2.0, 1.0], down)


def _sides(
    target: NDArray[np.bool_], predicted: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> list[NDArray[np.bool_]]:
    return [
        counted & target & predicted,
        counted & target & ~predicted,
        counted & ~target & predicted,
        counted & ~target & ~predicted,
    ]


def _centred(x: Floats) -> Floats:
    centred: Floats = x.copy()
    centred -= x[0]  # a constant becomes exact zeros, which its mean alone would not give
    centred -= centred.mean()
    return centred


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    out: Floats = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
    return out


def _checked(target: ArrayLike, value: ArrayLike) -> tuple[Floats, Floats]:
    t, v = np.asarray(target, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if t.shape != v.shape or t.ndim != 1:
        raise CrosstoneError(
            f"values: expected target and value of one shape (items,), found {t.shape} and "
            f"{v.shape}; give one number per item to each"
        )
    if t.size == 0:
        raise CrosstoneError("values: expected at least one item, found none; nothing to score")
    for name, array in (("target", t), ("value", v)):
        wrong = np.flatnonzero(~np.isfinite(array))
        if wrong.size:
            raise CrosstoneError(
                f"{name}: expected finite numbers, found NaN or infinity in {wrong.size} of "
                f"{t.size} items (first: item {wrong[0]}); the model that made them has diverged"
            )
    return t, v
