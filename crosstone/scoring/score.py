"""predictions.jsonl in, scores.json out: every number of a table starts here."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError
from crosstone.files import write_text
from crosstone.metrics import (
    LOWER_IS_BETTER,
    MMSA_NAMES,
    Interval,
    Sample,
    TrialSample,
    canonical_name,
    confusion_matrix,
    predicted_classes,
)
from crosstone.scoring.clusters import MIN_SPEAKERS, Clusters, Unit, choose_clusters
from crosstone.scoring.embeddings import ge2e_by_run
from crosstone.scoring.measures import PER_CLASS, measure
from crosstone.scoring.predictions import Predictions, read_predictions
from crosstone.scoring.trials import Trials, read_trials

_FIRST = {"classification": "ua", "regression": "mae", "verification": "eer"}


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
    """(C, C) pooled counts, rows targets; None where there are no classes."""
    runs: tuple[tuple[int, int, int], ...]
    """(fold, seed, rows) of each run."""
    clusters: Clusters
    predictions: Predictions | Trials
    sample: Sample | TrialSample
    level: float
    replicates: int
    seed: int
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order of the confusion matrix; empty where there are none."""
        return self.predictions.labels

    @property
    def num_items(self) -> int:
        """How many distinct utterances (or trials) were scored."""
        return len(set(self.predictions.ids))

    def spread(self, metric: str) -> dict[str, float]:
        """Standard deviation of a metric over folds and over seeds, each the mean over the other.

        NaN for the only fold or the only seed.
        """
        table: dict[tuple[int, int], float] = {
            run[:2]: value for run, value in zip(self.runs, self.metrics[metric].runs, strict=True)
        }
        out = {}
        for name, place in (("sd_folds", 0), ("sd_seeds", 1)):
            names = sorted({key[place] for key in table})
            means = [np.mean([v for k, v in table.items() if k[place] == name]) for name in names]
            several = len(means) > 1 and bool(np.isfinite(means).all())
            out[name] = float(np.std(means, ddof=1)) if several else math.nan
        return out

    def as_dict(self) -> dict[str, Any]:
        """The content of scores.json: plain JSON values, null for what is undefined."""
        protocol = self.facts.get("protocol") or {}
        corpus = self.facts.get("corpus") or {}
        known = set(self.metrics)
        document = {
            "name": self.facts.get("name"),
            "family": self.facts.get("family"),
            "corpus": corpus or None,
            "ceilings": corpus.get("ceilings"),
            "protocol": protocol or None,
            "selection": protocol.get("selection"),
            "scored": protocol.get("scored") or "test",
            "transductive": protocol.get("transductive"),
            "task": self.predictions.task,
            "items": self.num_items,
            "rows": len(self.predictions.ids),
            "headline": {"metric": self.headline, **_numbers(self.metrics[self.headline])},
            "metrics": {
                name: {**_numbers(metric), **self.spread(name)}
                for name, metric in self.metrics.items()
            },
            "aliases": dict(MMSA_NAMES) if known.issuperset(MMSA_NAMES.values()) else {},
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
                "method": "percentile bootstrap over clusters and seeds",
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
        content: dict[str, Any] = plain(document)
        return content

    def write(self, path: Path) -> Path:
        """Puts scores.json at `path`, whole or not at all."""
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(path, text + "\n")
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
    predictions: Predictions | Trials
    if _holds_trials(path):
        predictions = read_trials(path, split=split)
    else:
        predictions = read_predictions(path, labels=protocol.get("labels") or None, split=split)
    scores = score_columns(
        predictions,
        source,
        facts,
        unit=unit,
        replicates=replicates,
        level=level,
        seed=seed,
    )
    asked = protocol.get("ge2e_seed")
    return scores if asked is None else _with_ge2e(scores, path.parent, int(asked))


def _with_ge2e(scores: Scores, folder: Path, seed: int) -> Scores:
    """The same with `ge2e_eer` beside, as a mean over runs without an interval."""
    rates, note = ge2e_by_run(folder, [run[:2] for run in scores.runs], seed)
    metrics = dict(scores.metrics)
    if rates:
        mean, none = float(np.mean(rates)), Interval(math.nan, math.nan, math.nan)
        bare = Interval(mean, math.nan, math.nan)
        metrics["ge2e_eer"] = Metric(mean=bare, pooled=none, runs=tuple(rates))
    return replace(scores, metrics=metrics, notes=(*scores.notes, note))


def score_columns(
    predictions: Predictions | Trials,
    source: Path,
    facts: Mapping[str, Any],
    *,
    unit: Unit | None = None,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    each_class: bool = False,
) -> Scores:
    """Scores of predictions that were read from `source`, with what run.json says of them.

    each_class: metrics of each class get intervals too (`measure`). Raises CorpusError where the
    asked unit is unknown for some rows, and for a headline that the task does not have.
    """
    protocol = facts.get("protocol") or {}
    clusters = choose_clusters(predictions, source, asked=unit, declared=protocol.get("unit"))
    measured = measure(
        predictions,
        clusters,
        replicates=replicates,
        level=level,
        seed=seed,
        each_class=each_class,
    )
    headline = canonical_name(protocol.get("headline") or _FIRST[predictions.task])
    if headline not in measured.estimates:
        raise CorpusError(
            f"{source}: run.json: expected a headline among {', '.join(measured.estimates)}, found "
            f"{headline!r}; name one that this task has"
        )
    confusion = None
    if isinstance(predictions, Predictions) and predictions.labels:
        predicted = predicted_classes(predictions.outputs)
        confusion = confusion_matrix(predictions.target, predicted, len(predictions.labels))
    notes = list(measured.notes)
    if isinstance(predictions, Trials) and clusters.by == "item":
        notes.append(clusters.why)
    elif clusters.count < MIN_SPEAKERS:
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
                runs=tuple(run[name] for run in measured.per_run),
            )
            for name, estimate in measured.estimates.items()
        },
        classes={} if confusion is None else _classes(predictions.labels, confusion),
        confusion=confusion,
        runs=tuple(
            (int(fold), int(run_seed), int((measured.run_of_row == u).sum()))
            for u, (fold, run_seed) in enumerate(measured.run_keys)
        ),
        clusters=clusters,
        predictions=predictions,
        sample=measured.sample,
        level=level,
        replicates=replicates,
        seed=seed,
        notes=tuple(notes),
    )


def _holds_trials(path: Path) -> bool:
    """True if the first line names an enrolled and a test utterance."""
    if not path.is_file():
        return False
    with path.open("rb") as lines:
        first = next((line for line in lines if line.strip()), b"")
    return b'"enrol"' in first and b'"id"' not in first


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


def _classes(
    labels: tuple[str, ...], confusion: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    columns = {"support": confusion.sum(axis=1)}
    columns |= {name: function(confusion) for name, function in PER_CLASS.items()}
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


def plain(value: Any) -> Any:
    """The same tree with NaN and infinity as None, which is how JSON says undefined."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
