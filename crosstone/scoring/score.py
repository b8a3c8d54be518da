"""predictions.jsonl in, scores.json out: every number of a table starts here."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError
from crosstone.metrics import (
    LOWER_IS_BETTER,
    Interval,
    Sample,
    bootstrap,
    classification,
    classification_scores,
    classification_statistics,
    predicted_classes,
    regression_scores,
    regression_statistics,
)
from crosstone.metrics.intervals import ScoreFunction
from crosstone.scoring.clusters import MIN_SPEAKERS, Clusters, Unit, choose_clusters
from crosstone.scoring.predictions import Predictions, read_predictions


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric of one system: the mean over runs and the pooled value, each with its interval."""

    mean: Interval
    pooled: Interval
    runs: tuple[float, ...]
    """The value of each (fold, seed), in the order of `Scores.runs`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scores:
    """All numbers of one system, with what is needed to read them."""

    source: Path
    facts: Mapping[str, Any]
    """run.json as it was written; empty where there is none."""
    headline: str
    metrics: Mapping[str, Metric]
    classes: Mapping[str, Mapping[str, float]]
    """Per label: support, recall, precision, f1; accuracy and weighted_f1 against the rest."""
    confusion: NDArray[np.float64] | None
    """(C, C) pooled counts, rows targets; None for regression."""
    runs: tuple[tuple[int, int, int], ...]
    """(fold, seed, rows) of each run."""
    clusters: Clusters
    predictions: Predictions
    sample: Sample
    level: float
    replicates: int
    seed: int
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order of the confusion matrix; empty for regression."""
        return self.predictions.labels

    @property
    def num_items(self) -> int:
        """How many distinct utterances were scored."""
        return len(set(self.predictions.ids))

    def as_dict(self) -> dict[str, Any]:
        """The content of scores.json: plain JSON values, null for what is undefined."""
        protocol = self.facts.get("protocol") or {}
        corpus = self.facts.get("corpus") or {}
        document = {
            "name": self.facts.get("name"),
            "family": self.facts.get("family"),
            "corpus": corpus or None,
            "ceilings": corpus.get("ceilings"),
            "protocol": protocol or None,
            "selection": protocol.get("selection"),
            "scored": protocol.get("scored") or "test",
            "transductive": protocol.get("transductive"),
            "task": "classification" if self.labels else "regression",
            "items": self.num_items,
            "rows": len(self.predictions.ids),
            "headline": {"metric": self.headline, **_numbers(self.metrics[self.headline])},
            "metrics": {name: _numbers(metric) for name, metric in self.metrics.items()},
            "runs": [
                {
                    "fold": fold,
                    "seed": seed,
                    "items": rows,
                    **{name: metric.runs[i] for name, metric in self.metrics.items()},
                }
                for i, (fold, seed, rows) in enumerate(self.runs)
            ],
            "intervals": {
                "method": "percentile bootstrap over clusters",
                "by": self.clusters.by,
                "clusters": self.clusters.count,
                "why": self.clusters.why,
                "level": self.level,
                "replicates": self.replicates,
                "seed": self.seed,
            },
            "lower_is_better": self.headline in LOWER_IS_BETTER,
            "notes": list(self.notes),
            "predictions_sha256": self.predictions.sha256,
        }
        if self.confusion is not None:
            document["classes"] = {label: dict(values) for label, values in self.classes.items()}
            document["confusion"] = {
                "labels": list(self.labels),
                "counts": self.confusion.astype(int).tolist(),
            }
        plain: dict[str, Any] = _plain(document)
        return plain

    def write(self, path: Path) -> Path:
        """Puts scores.json at `path`, whole or not at all."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        try:
            temporary.write_text(text + "\n", encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path


def score_predictions(
    source: Path | str,
    *,
    unit: Unit | None = None,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    split: str | None = None,
) -> Scores:
    """Scores of a predictions file, or of the run set or single run whose folder is given.

    The headline is the mean over folds and seeds; the pooled value takes all rows at once. unit:
    what the bootstrap draws; by default speakers where all are known and at least 20, otherwise the
    unit named by run.json, otherwise groups, otherwise items. split: by default what run.json calls
    the scored side, else "test". Raises CorpusError with every fault of the file, and where the
    asked unit is unknown for some rows.
    """
    source = Path(source)
    path = source / "predictions.jsonl" if source.is_dir() else source
    facts = read_facts(path.parent)
    protocol = facts.get("protocol") or {}
    split = split or str(protocol.get("scored") or "test")
    predictions = read_predictions(path, labels=protocol.get("labels") or None, split=split)
    clusters = choose_clusters(predictions, path, asked=unit, declared=protocol.get("unit"))
    keys = np.stack([predictions.folds, predictions.seeds], axis=1)
    run_keys, run_of_row = np.unique(keys, axis=0, return_inverse=True)
    run_of_row = run_of_row.ravel()
    statistics, scores, notes = _statistics(predictions)
    sample = Sample(statistics, clusters.names, run_of_row)
    estimates = bootstrap(sample, scores, replicates=replicates, level=level, seed=seed)
    per_run = [scores(statistics[run_of_row == u].sum(axis=0)) for u in range(len(run_keys))]
    headline = protocol.get("headline") or ("ua" if predictions.is_classification else "mae")
    if headline not in estimates:
        raise CorpusError(
            f"{path.parent / 'run.json'}: expected a headline among {', '.join(estimates)}, found "
            f"{headline!r}; name one that this task has"
        )
    confusion = None
    if predictions.is_classification:
        num_classes = len(predictions.labels)
        confusion = statistics.sum(axis=0).reshape(num_classes, num_classes)
        notes += _absences(predictions, statistics, run_keys, run_of_row)
    if clusters.count < MIN_SPEAKERS:
        notes.append(
            f"{clusters.count} clusters ({clusters.by}) are few: a percentile interval of fewer "
            f"than {MIN_SPEAKERS} is too narrow"
        )
    return Scores(
        source=source,
        facts=facts,
        headline=headline,
        metrics={
            name: Metric(
                mean=estimate.mean,
                pooled=estimate.pooled,
                runs=tuple(float(values[name]) for values in per_run),
            )
            for name, estimate in estimates.items()
        },
        classes={} if confusion is None else _classes(predictions.labels, confusion),
        confusion=confusion,
        runs=tuple(
            (int(fold), int(run_seed), int((run_of_row == u).sum()))
            for u, (fold, run_seed) in enumerate(run_keys)
        ),
        clusters=clusters,
        predictions=predictions,
        sample=sample,
        level=level,
        replicates=replicates,
        seed=seed,
        notes=tuple(notes),
    )


def score_function(predictions: Predictions) -> ScoreFunction:
    """The function that turns summed statistics of these predictions into metrics."""
    return _statistics(predictions)[1]


def read_facts(folder: Path) -> dict[str, Any]:
    """run.json of a run set, found from its folder or from one of its fold folders; {} if none.

    Raises CorpusError where it is not a JSON object.
    """
    candidates = [folder / "run.json"]
    if folder.resolve().name.startswith("fold-"):
        candidates.append(folder.resolve().parent / "run.json")
    for path in candidates:
        if path.is_file():
            try:
                facts = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise CorpusError(
                    f"{path}: expected a JSON object, found {error}; run `crosstone finetune` again"
                ) from error
            if not isinstance(facts, dict):
                raise CorpusError(
                    f"{path}: expected a JSON object, found a {type(facts).__name__}; "
                    "run `crosstone finetune` again"
                )
            return facts
    return {}


def _statistics(
    predictions: Predictions,
) -> tuple[NDArray[np.float64], ScoreFunction, list[str]]:
    if predictions.is_classification:
        predicted = predicted_classes(predictions.outputs)
        table = classification_statistics(predictions.target, predicted, len(predictions.labels))
        return table, classification_scores, []
    table = regression_statistics(predictions.target, predictions.outputs)
    low, high = predictions.target.min(), predictions.target.max()
    if -3 <= low < 0 and high <= 3:
        return table, regression_scores, []

    def unscaled(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {name: regression_scores(sums)[name] for name in ("mae", "pearson")}

    return (
        table,
        unscaled,
        [
            f"acc7, acc5 and acc2 are left out: they are defined on the scale [-3, 3], and the "
            f"targets run from {low:g} to {high:g}"
        ],
    )


def _absences(
    predictions: Predictions,
    statistics: NDArray[np.float64],
    run_keys: NDArray[np.int64],
    run_of_row: NDArray[np.int64],
) -> list[str]:
    """A sentence for each run in which a class has no target, since UA then averages fewer."""
    num_classes = len(predictions.labels)
    notes = []
    for u, (fold, seed) in enumerate(run_keys):
        confusion = statistics[run_of_row == u].sum(axis=0).reshape(num_classes, num_classes)
        absent = [
            label
            for label, support in zip(predictions.labels, confusion.sum(axis=1), strict=True)
            if support == 0
        ]
        if absent:
            notes.append(
                f"fold {fold}, seed {seed} holds no {', '.join(absent)}: its UA is the mean over "
                f"the other {num_classes - len(absent)} classes"
            )
    return notes


def _classes(
    labels: tuple[str, ...], confusion: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    columns = {
        "support": confusion.sum(axis=1),
        "recall": classification.class_recall(confusion),
        "precision": classification.class_precision(confusion),
        "f1": classification.class_f1(confusion),
        "accuracy": classification.class_accuracy(confusion),
        "weighted_f1": classification.class_weighted_f1(confusion),
    }
    return {
        label: {name: float(column[c]) for name, column in columns.items()}
        for c, label in enumerate(labels)
    }


def _numbers(metric: Metric) -> dict[str, float]:
    return {
        **asdict(metric.mean),
        **{
            "pooled": metric.pooled.value,
            "pooled_low": metric.pooled.low,
            "pooled_high": metric.pooled.high,
        },
    }


def _plain(value: Any) -> Any:
    """The same tree with NaN and infinity as None, which is how JSON says undefined."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
