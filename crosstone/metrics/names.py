"""What metrics are called here and elsewhere, and which of them are better when smaller."""

from collections.abc import Mapping

MMSA_NAMES: Mapping[str, str] = {
    "Has0_acc_2": "acc2_nonneg",
    "Has0_F1_score": "f1_nonneg",
    "Non0_acc_2": "acc2_nonzero",
    "Non0_F1_score": "f1_nonzero",
    "Mult_acc_5": "acc5",
    "Mult_acc_7": "acc7_round",
    "MAE": "mae",
    "Corr": "pearson",
}
"""MMSA's names of sentiment metrics (which it rounds to four digits) → ours."""

ALIASES: Mapping[str, str] = {**MMSA_NAMES, "acc7": "acc7_round"}
"""Every other name that is understood → the metric's own."""

BEFORE = "_uncalibrated"
"""Ends the name of a metric of the probabilities before they were calibrated."""

_OF_PROBABILITIES = ("ece", "ece_mass", "brier", "nll", "aurc")

LOWER_IS_BETTER = frozenset(
    {"mae", "loss", "eer", "ge2e_eer", "min_dcf", *_OF_PROBABILITIES}
    | {f"{name}{BEFORE}" for name in _OF_PROBABILITIES}
)
"""The metrics of which less is better; of every other, more is."""


def canonical_name(metric: str) -> str:
    """The metric's own name, for any name that is understood; others as they are."""
    return ALIASES.get(metric, metric)
