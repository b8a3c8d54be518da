"""What is measured of predictions of each task, and how sure each number is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosstone.metrics import (
    Estimate,
    Interval,
    Sample,
    TrialSample,
    bootstrap,
    bootstrap_trials,
    calibration_scores,
    calibration_statistics,
    classification,
    classification_scores,
    classification_statistics,
    ece,
    predicted_classes,
    regression_scores,
    regression_statistics,
    risk_coverage,
    trial_scores,
)
from crosstone.metrics.intervals import ScoreFunction
from crosstone.metrics.names import BEFORE
from crosstone.scoring.clusters import Clusters
from crosstone.scoring.predictions import Predictions
from crosstone.scoring.trials import Trials

Floats = NDArray[np.float64]

UNSCALED = ("mae", "pearson", "ccc")
"""What is left of the regression metrics where targets are not on the scale [-3, 3]."""

PER_CLASS: Mapping[str, Callable[[Floats], Floats]] = {
    "recall": classification.class_recall,
    "precision": classification.class_precision,
    "f1": classification.class_f1,
    "accuracy": classification.class_accuracy,
    "weighted_f1": classification.class_weighted_f1,
}
"""What is said of each class: accuracy and weighted_f1 against the rest, of the arg-max."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measured:
    """All numbers of one system, and what a paired comparison draws from."""

    sample: Sample | TrialSample
    run_keys: NDArray[np.int64]
    """(runs, 2) the fold and seed of each run."""
    run_of_row: NDArray[np.int64]
    estimates: Mapping[str, Estimate]
    per_run: Sequence[Mapping[str, float]]
    notes: tuple[str, ...]


def measure(
    predictions: Predictions | Trials,
    clusters: Clusters,
    *,
    replicates: int,
    level: float,
    seed: int,
    each_class: bool = False,
) -> Measured:
    """Every metric of the predictions' task, as mean over runs and pooled, with its interval.

    each_class: also `PER_CLASS` under names such as `recall:happy`. `ece_mass` and `aurc` are no
    sums over items and get no interval.
    """
    keys = np.stack([predictions.folds, predictions.seeds], axis=1)
    run_keys, run_of_row = np.unique(keys, axis=0, return_inverse=True)
    run_of_row = run_of_row.ravel()
    if isinstance(predictions, Trials):
        sample = _trial_sample(predictions)
        known = clusters.by == "speaker"
        estimates = bootstrap_trials(
            sample, replicates=replicates if known else 0, level=level, seed=seed
        )
        return Measured(
            sample=sample,
            run_keys=run_keys,
            run_of_row=run_of_row,
            estimates=estimates,
            per_run=trial_scores(sample),
            notes=(),
        )
    statistics, scores, notes = statistics_of(predictions)
    rows = Sample(statistics, clusters.names, predictions.folds, predictions.seeds)
    every = _with_classes(scores, predictions.labels) if each_class else scores
    estimates = bootstrap(rows, every, replicates=replicates, level=level, seed=seed)
    parts = [run_of_row == u for u in range(len(run_keys))]
    per_run = [
        {name: float(value) for name, value in every(statistics[part].sum(axis=0)).items()}
        for part in parts
    ]
    if predictions.labels and predictions.is_graded:
        ranked = [_ranked_metrics(predictions, part) for part in parts]
        pooled = _ranked_metrics(predictions, np.ones(len(run_of_row), dtype=np.bool_))
        for name, value in pooled.items():
            mean = float(np.mean([run[name] for run in ranked]))
            estimates[name] = Estimate(_bare(mean), _bare(value))
        per_run = [{**run, **more} for run, more in zip(per_run, ranked, strict=True)]
    return Measured(
        sample=rows,
        run_keys=run_keys,
        run_of_row=run_of_row,
        estimates=estimates,
        per_run=per_run,
        notes=(*notes, *_absences(predictions, run_keys, parts)),
    )


def statistics_of(predictions: Predictions) -> tuple[Floats, ScoreFunction, list[str]]:
    """Additive statistics of each row, what makes metrics of their sums, and what must be said."""
    if predictions.labels:
        return _of_classes(predictions)
    table = regression_statistics(predictions.target, predictions.outputs)
    low, high = predictions.target.min(), predictions.target.max()
    if -3 <= low < 0 and high <= 3:
        return table, regression_scores, []

    def unscaled(sums: Floats) -> dict[str, Floats]:
        return {name: regression_scores(sums)[name] for name in UNSCALED}

    note = (
        "acc7, acc5 and acc2 are left out: they are defined on the scale [-3, 3], and the "
        f"targets run from {low:g} to {high:g}"
    )
    return table, unscaled, [note]


def _of_classes(predictions: Predictions) -> tuple[Floats, ScoreFunction, list[str]]:
    num_classes = len(predictions.labels)
    predicted = predicted_classes(predictions.outputs)
    table = classification_statistics(predictions.target, predicted, num_classes)
    if not predictions.is_graded:
        return table, classification_scores, []
    target = predictions.target
    calibration = calibration_statistics(target, predictions.outputs)
    tables, width = [table, calibration], num_classes**2
    if predictions.uncalibrated is not None:
        tables.append(calibration_statistics(target, predictions.uncalibrated))

    def scores(sums: Floats) -> dict[str, Floats]:
        out = dict(classification_scores(sums[..., :width]))
        for k, suffix in zip(range(1, len(tables)), ("", BEFORE), strict=False):
            begin = width + (k - 1) * calibration.shape[1]
            found = calibration_scores(sums[..., begin : begin + calibration.shape[1]])
            out |= {f"{name}{suffix}": value for name, value in found.items()}
        return out

    impossible = int((predictions.outputs[np.arange(len(target)), target] == 0).sum())
    notes = [
        f"nll is infinite: {impossible} of {len(target)} predictions gave their target "
        "probability 0"
    ] * bool(impossible)
    return np.concatenate(tables, axis=1), scores, notes


def _with_classes(scores: ScoreFunction, labels: tuple[str, ...]) -> ScoreFunction:
    def every(sums: Floats) -> dict[str, Floats]:
        size = len(labels)
        confusion = sums[..., : size**2].reshape(*sums.shape[:-1], size, size)
        out = dict(scores(sums))
        for name, function in PER_CLASS.items():
            values = function(confusion)
            out.update({f"{name}:{label}": values[..., c] for c, label in enumerate(labels)})
        return out

    return every if labels else scores


def _ranked_metrics(predictions: Predictions, rows: NDArray[np.bool_]) -> dict[str, float]:
    target, out = predictions.target[rows], {}
    for suffix, outputs in (("", predictions.outputs), (BEFORE, predictions.uncalibrated)):
        if outputs is not None:
            out[f"ece_mass{suffix}"] = ece(target, outputs[rows], binning="mass")
            out[f"aurc{suffix}"] = risk_coverage(target, outputs[rows]).aurc
    return out


def _trial_sample(trials: Trials) -> TrialSample:
    """The trials with their speakers, or, where some are unknown, with two that stand for them."""
    if None in trials.speakers:
        enrol = np.full(len(trials.ids), "one")
        test = np.where(trials.target, "one", "other")
    else:
        enrol = np.array(trials.enrol_speakers, dtype=np.str_)
        test = np.array(trials.test_speakers, dtype=np.str_)
    return TrialSample(trials.target, trials.scores, enrol, test, trials.folds, trials.seeds)


def _absences(
    predictions: Predictions,
    run_keys: NDArray[np.int64],
    parts: Sequence[NDArray[np.bool_]],
) -> list[str]:
    """A sentence for each run in which a class has no target, since UA then averages fewer."""
    size = len(predictions.labels)
    notes = []
    for (fold, seed), part in zip(run_keys, parts, strict=True) if size else ():
        support = np.bincount(predictions.target[part], minlength=size)
        absent = [predictions.labels[c] for c in np.flatnonzero(support == 0)]
        if absent:
            notes.append(
                f"fold {fold}, seed {seed} holds no {', '.join(absent)}: its UA is the mean over "
                f"the other {size - len(absent)} classes"
            )
    return notes


def _bare(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"))
