"""Arrays in, numbers out: the metrics of the tables, their intervals and their differences."""

from crosstone.metrics.agreement import (
    Agreement,
    class_agreement,
    fleiss_kappa,
    krippendorff_interval,
    krippendorff_nominal,
    rater_confusion,
    rater_scale_scores,
    rater_scores,
    scale_agreement,
)
from crosstone.metrics.calibration import (
    calibration_scores,
    calibration_statistics,
    ece,
    reliability,
    risk_coverage,
)
from crosstone.metrics.classification import (
    classification_scores,
    classification_statistics,
    confusion_matrix,
    predicted_classes,
)
from crosstone.metrics.heads import head_matrices, head_scores, head_statistics
from crosstone.metrics.intervals import (
    Estimate,
    Interval,
    Replicates,
    Sample,
    bootstrap,
    bootstrap_difference,
)
from crosstone.metrics.names import ALIASES, LOWER_IS_BETTER, MMSA_NAMES, canonical_name
from crosstone.metrics.regression import (
    regression_scores,
    regression_statistics,
    score_regression,
)
from crosstone.metrics.significance import (
    Needed,
    PairedTest,
    benjamini_hochberg,
    fewest_units,
    holm,
    mcnemar,
    needed_items,
    paired_bootstrap,
    paired_permutation,
)
from crosstone.metrics.trials import (
    TrialSample,
    bootstrap_trials,
    bootstrap_trials_difference,
    trial_scores,
)
from crosstone.metrics.verification import det_points, eer, ge2e_eer, min_dcf

__all__ = [
    "ALIASES",
    "LOWER_IS_BETTER",
    "MMSA_NAMES",
    "Agreement",
    "Estimate",
    "Interval",
    "Needed",
    "PairedTest",
    "Replicates",
    "Sample",
    "TrialSample",
    "benjamini_hochberg",
    "bootstrap",
    "bootstrap_difference",
    "bootstrap_trials",
    "bootstrap_trials_difference",
    "calibration_scores",
    "calibration_statistics",
    "canonical_name",
    "class_agreement",
    "classification_scores",
    "classification_statistics",
    "confusion_matrix",
    "det_points",
    "ece",
    "eer",
    "fewest_units",
    "fleiss_kappa",
    "ge2e_eer",
    "head_matrices",
    "head_scores",
    "head_statistics",
    "holm",
    "krippendorff_interval",
    "krippendorff_nominal",
    "mcnemar",
    "min_dcf",
    "needed_items",
    "paired_bootstrap",
    "paired_permutation",
    "predicted_classes",
    "rater_confusion",
    "rater_scale_scores",
    "rater_scores",
    "regression_scores",
    "regression_statistics",
    "reliability",
    "risk_coverage",
    "scale_agreement",
    "score_regression",
    "trial_scores",
]
