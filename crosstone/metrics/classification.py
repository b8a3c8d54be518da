"""What a classifier got right, counted from confusion matrices.

A confusion matrix is (..., C, C): rows are targets, columns predictions, leading axes are free, so
a thousand bootstrap replicates are scored in one call. A value that its definition leaves undefined
(the recall of a class without a target, a mean over nothing) is NaN, never 0 and never an error.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]


def predicted_classes(probabilities: ArrayLike) -> NDArray[np.int64]:
    """The index of the largest probability of each row; of equals, the first.

    probabilities (n, C) → (n,). Raises CrosstoneError for NaN or infinite entries, with their rows.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise CrosstoneError(
            f"probabilities: expected shape (items, classes), found {table.shape}; "
            "give one row per item and one column per class"
        )
    wrong = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if wrong.size:
        raise CrosstoneError(
            f"probabilities: expected finite numbers, found NaN or infinity in {wrong.size} of "
            f"{len(table)} rows (first: row {wrong[0]}); the model that made them has diverged"
        )
    indices: NDArray[np.int64] = np.argmax(table, axis=1).astype(np.int64)
    return indices


def confusion_matrix(target: ArrayLike, predicted: ArrayLike, num_classes: int) -> Floats:
    """Counts (C, C) of target (row) against prediction (column).

    target, predicted (n,) class indices. Raises CrosstoneError if they are empty, differ in length,
    or hold anything but integers in [0, C).
    """
    rows, columns = _indices(target, predicted, num_classes)
    counts = np.bincount(rows * num_classes + columns, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.float64)


def classification_statistics(target: ArrayLike, predicted: ArrayLike, num_classes: int) -> Floats:
    """Each item's own confusion matrix, flattened: (n, C * C), with one 1 per row.

    Raises as `confusion_matrix` does.
    """
    rows, columns = _indices(target, predicted, num_classes)
    statistics = np.zeros((rows.size, num_classes**2))
    statistics[np.arange(rows.size), rows * num_classes + columns] = 1.0
    return statistics


def classification_scores(statistics: ArrayLike) -> dict[str, Floats]:
    """`wa`, `ua`, `macro_f1` and `weighted_f1` of summed statistics.

    statistics (..., C * C), sums of rows of `classification_statistics` → values (...).
    """
    sums = np.asarray(statistics, dtype=np.float64)
    num_classes = round(sums.shape[-1] ** 0.5)
    confusion = sums.reshape(*sums.shape[:-1], num_classes, num_classes)
    return {
        "wa": wa(confusion),
        "ua": ua(confusion),
        "macro_f1": macro_f1(confusion),
        "weighted_f1": weighted_f1(confusion),
    }


def wa(confusion: Floats) -> Floats:
    """Overall accuracy, which the speech emotion literature calls weighted accuracy (WA)."""
    return _ratio(_hits(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def ua(confusion: Floats) -> Floats:
    """Mean recall over the classes that have a target (UA, unweighted or balanced accuracy).

    A class without a target leaves the mean, as in scikit-learn; CTAL's released code gives NaN.
    """
    return _mean_of_defined(class_recall(confusion))


def macro_f1(confusion: Floats) -> Floats:
    """Mean F1 over the classes that have a target or a prediction."""
    return _mean_of_defined(class_f1(confusion))


def weighted_f1(confusion: Floats) -> Floats:
    """Mean F1 weighted by the number of targets of each class.

    MulT's released code passes its arguments swapped for MOSEI, which weights by predictions: that
    number is `weighted_f1` of the transposed matrix.
    """
    support = confusion.sum(axis=-1)
    return _ratio((np.nan_to_num(class_f1(confusion)) * support).sum(axis=-1), support.sum(axis=-1))


def class_recall(confusion: Floats) -> Floats:
    """Share of each class's targets that were found, (..., C)."""
    return _ratio(_hits(confusion), confusion.sum(axis=-1))


def class_precision(confusion: Floats) -> Floats:
    """Share of each class's predictions that were right, (..., C)."""
    return _ratio(_hits(confusion), confusion.sum(axis=-2))


def class_f1(confusion: Floats) -> Floats:
    """F1 of each class, (..., C); NaN for a class with neither target nor prediction."""
    return _ratio(2 * _hits(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def class_accuracy(confusion: Floats) -> Floats:
    """One-vs-rest accuracy of the arg-max for each class, (..., C).

    The per-emotion accuracy of CMT table 1: sum over classes of (1 - it) = 2 * (1 - WA). JBLS and
    MulT print the accuracy of four separate two-way heads, another metric.
    """
    total = confusion.sum(axis=(-2, -1))[..., None]
    errors = confusion.sum(axis=-1) + confusion.sum(axis=-2) - 2 * _hits(confusion)
    return _ratio(total - errors, np.broadcast_to(total, errors.shape))


def class_weighted_f1(confusion: Floats) -> Floats:
    """One-vs-rest F1 of each class, support-weighted over "is" and "is not", (..., C).

    The per-emotion F1 of MulT, JBLS and the papers that compare with them.
    """
    total = confusion.sum(axis=(-2, -1))[..., None]
    support = confusion.sum(axis=-1)
    errors = support + confusion.sum(axis=-2) - 2 * _hits(confusion)
    rejected = total - errors - _hits(confusion)
    f1_rest = np.nan_to_num(_ratio(2 * rejected, 2 * rejected + errors))
    both = np.nan_to_num(class_f1(confusion)) * support + f1_rest * (total - support)
    return _ratio(both, np.broadcast_to(total, both.shape))


def _hits(confusion: Floats) -> Floats:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    out: Floats = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
    return out


def _mean_of_defined(values: Floats) -> Floats:
    defined = np.isfinite(values)
    return _ratio(
        np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64)
    )


def _indices(
    target: ArrayLike, predicted: ArrayLike, num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    given = {"target": np.asarray(target), "predicted": np.asarray(predicted)}
    shapes = {name: array.shape for name, array in given.items()}
    if len(set(shapes.values())) > 1 or any(array.ndim != 1 for array in given.values()):
        raise CrosstoneError(
            f"classes: expected target and predicted of one shape (items,), found {shapes}; "
            "give one index per item to each"
        )
    if given["target"].size == 0:
        raise CrosstoneError("classes: expected at least one item, found none; nothing to score")
    for name, array in given.items():
        if not np.issubdtype(array.dtype, np.integer):
            raise CrosstoneError(
                f"{name}: expected integer class indices, found {array.dtype}; "
                "take `predicted_classes` of the probabilities first"
            )
        outside = np.unique(array[(array < 0) | (array >= num_classes)])
        if outside.size:
            raise CrosstoneError(
                f"{name}: expected class indices from 0 to {num_classes - 1}, found "
                f"{', '.join(map(str, outside[:10]))}; check the list of labels"
            )
    return given["target"].astype(np.int64), given["predicted"].astype(np.int64)
