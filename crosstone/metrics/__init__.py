"""Arrays in, numbers out: the metrics of the tables and their intervals."""

from crosstone.metrics.classification import (
    classification_scores,
    classification_statistics,
    confusion_matrix,
    predicted_classes,
)
from crosstone.metrics.intervals import (
    Estimate,
    Interval,
    Sample,
    bootstrap,
    bootstrap_difference,
)
from crosstone.metrics.regression import (
    regression_scores,
    regression_statistics,
    score_regression,
)

LOWER_IS_BETTER = frozenset({"mae", "loss"})
"""The metrics of which less is better; of every other, more is."""

__all__ = [
    "LOWER_IS_BETTER",
    "Estimate",
    "Interval",
    "Sample",
    "bootstrap",
    "bootstrap_difference",
    "classification_scores",
    "classification_statistics",
    "confusion_matrix",
    "predicted_classes",
    "regression_scores",
    "regression_statistics",
    "score_regression",
]
