"""Classes that each have a two-way head of their own, "is it" against "is it not".

JBLS and MulT print such numbers for IEMOCAP. They are not the one-vs-rest numbers of an arg-max
(`classification.class_accuracy`, which CMT prints): an item may be claimed by several heads, or by
none.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError
from crosstone.metrics.classification import class_f1, wa, weighted_f1

Floats = NDArray[np.float64]


def head_statistics(target: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Each item's own two-way confusion matrices, flattened: (n, C * 4), one 1 per head.

    target (n, C) True where the item is of the class, of several where labels are several;
    probabilities (n, C) that it is, claimed above 0.5. Raises CrosstoneError for unequal shapes
    and for anything outside [0, 1].
    """
    is_class = np.asarray(target, dtype=bool)
    claimed = np.asarray(probabilities, dtype=np.float64)
    if is_class.shape != claimed.shape or claimed.ndim != 2 or claimed.size == 0:
        raise CrosstoneError(
            f"heads: expected target and probabilities of one shape (items, classes), found "
            f"{is_class.shape} and {claimed.shape}; give one probability per item and class"
        )
    wrong = np.flatnonzero(~((claimed >= 0) & (claimed <= 1)).all(axis=1))
    if wrong.size:
        raise CrosstoneError(
            f"heads: expected probabilities in [0, 1], found others in {wrong.size} of "
            f"{len(claimed)} rows (first: row {wrong[0]}); apply the sigmoid first"
        )
    cell = 2 * is_class.astype(np.int64) + (claimed > 0.5)
    return np.asarray(np.eye(4)[cell].reshape(len(cell), -1), dtype=np.float64)


def head_matrices(statistics: ArrayLike) -> Floats:
    """The two-way confusion matrices (..., C, 2, 2) of summed statistics (..., C * 4).

    Rows are targets (not, is), columns claims; every function of `classification` takes them.
    """
    sums = np.asarray(statistics, dtype=np.float64)
    return sums.reshape(*sums.shape[:-1], -1, 2, 2)


def head_scores(statistics: ArrayLike) -> dict[str, Floats]:
    """Means over the heads of summed statistics, each (...).

    `head_accuracy`; `head_weighted_f1`, support-weighted over "is" and "is not" (MulT, JBLS);
    `head_f1`, of "is" alone, the mean over heads with a target or a claim.
    """
    matrices = head_matrices(statistics)
    f1 = class_f1(matrices)[..., 1]
    defined = np.isfinite(f1)
    count = defined.sum(axis=-1)
    mean_f1 = np.where(defined, f1, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)
    return {
        "head_accuracy": np.asarray(wa(matrices).mean(axis=-1)),
        "head_weighted_f1": np.asarray(weighted_f1(matrices).mean(axis=-1)),
        "head_f1": np.asarray(mean_f1),
    }
