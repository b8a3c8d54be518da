"""A model that was trained on one corpus, asked about others."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstone.data.corpus import Corpus
from crosstone.files import write_text
from crosstone.metrics import Interval
from crosstone.protocols import labelled_view
from crosstone.reports.page import Cell, Table, TableRow
from crosstone.reports.wording import METRICS, bracket, number
from crosstone.runs.evaluate import evaluate
from crosstone.runs.recipe import Recipe
from crosstone.scoring.score import Scores, plain, score_predictions
from crosstone.studies.labels import shared_labels
from crosstone.studies.measures.answers import leave_answers
from crosstone.studies.shown import Shown
from crosstone.studies.study import ARROW


def transfer(
    run_set: Path, recipe: Recipe, folder: Path, *, beside: Mapping[str, Path] | None = None
) -> None:
    """Answers on the corpora `beside`, by name, of the model that was trained on all of its own,
    and measure.json with the score on each and on its own, there by the folds.

    Labels are read as `labels.shared_labels` declares, where it does; of a corpus with a partition
    of its own that names a labelled part, that part.
    """
    found = {"": _told(score_predictions(run_set))}
    for name, place in (beside or {}).items():
        asked = folder / f"on {name}"
        shutil.rmtree(asked, ignore_errors=True)
        evaluate(run_set, _labelled(Corpus.open(place)), asked)
        text = (asked / "predictions.jsonl").read_text(encoding="utf-8")
        lines = [{**json.loads(line), "seed": recipe.seeds[0]} for line in text.splitlines()]
        facts = json.loads((asked / "run.json").read_text(encoding="utf-8"))
        shutil.rmtree(asked)
        found[name] = _told(leave_answers(folder, name, lines, {**facts, "seconds": 0.0}))
    write_text(folder / "measure.json", json.dumps({"on": plain(found)}, indent=2))


def _labelled(corpus: Corpus) -> Corpus:
    spec = shared_labels(corpus.name)
    if spec is not None:
        return labelled_view(corpus, spec).corpus
    if "labelled" in set(corpus.splits):
        return corpus.where(lambda utterance: utterance.split == "labelled")
    return corpus


def _told(scores: Scores) -> dict[str, Any]:
    mean = scores.metrics[scores.headline].mean
    return {
        "metric": scores.headline,
        "value": mean.value,
        "low": mean.low,
        "high": mean.high,
        "items": scores.num_items,
    }


def show_transfer(name: str, measures: Mapping[str, Sequence[Mapping[str, Any]]]) -> Shown:
    """For each kind of system a matrix: a line for what it was trained on, a column for what it was
    tested on."""
    lines: dict[str, dict[str, Sequence[Mapping[str, Any]]]] = {}
    for system, found in measures.items():
        before, _, tested = system.rpartition(ARROW)
        if before.endswith(f", {tested}"):  # those that were trained elsewhere measured the same
            lines.setdefault(before.removesuffix(f", {tested}"), {})[tested] = found
    return Shown(tuple(_matrix(listener, rows) for listener, rows in lines.items()))


def _matrix(listener: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    metric = next(iter(rows.values()))[0]["on"][""]["metric"]
    return Table(
        f"{listener}: {METRICS[metric]} by what it was trained on (lines) and tested on (columns), "
        "mean over seeds, with the mean of their intervals; on its own corpus (§) tested by the "
        "folds, elsewhere trained on all of its own.",
        ("trained on", *rows),
        tuple(
            TableRow(
                (
                    Cell(trained),
                    *(_cell(found, "" if tested == trained else tested) for tested in rows),
                )
            )
            for trained, found in rows.items()
        ),
    )


def _cell(found: Sequence[Mapping[str, Any]], tested: str) -> Cell:
    value, low, high = (
        sum(_known(each["on"][tested][key]) for each in found) / len(found)
        for key in ("value", "low", "high")
    )
    own = "" if tested else " §"
    return Cell(number(value) + own, bracket(Interval(value, low, high)))


def _known(value: float | None) -> float:
    return float("nan") if value is None else value
