"""What trained systems keep of their score with less to hear or read, misheard, and in noise."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstone.data.batch import Target
from crosstone.files import write_text
from crosstone.inference.predictor import Predictor
from crosstone.protocols import plan_folds
from crosstone.reports.page import Cell, Table, TableRow
from crosstone.reports.wording import number, percent
from crosstone.runs.conditions import conditions_of
from crosstone.runs.corpora import open_corpus
from crosstone.runs.items import items_to_evaluate
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.answers import leave_answers
from crosstone.studies.measures.runs import runs_of
from crosstone.studies.shown import Shown


def robustness(run_set: Path, recipe: Recipe, folder: Path) -> None:
    """Answers under every condition that the system accepts, of what each fold tests, and
    measure.json with the score of each and the word error that was found.

    What is misheard, and the noise, are the same for all systems and seeds; voices that babble are
    of the fold's test side.
    """
    assert recipe.protocol is not None
    device = "cpu" if recipe.training.cpu else None
    plan = plan_folds(open_corpus(recipe)[0], recipe.protocol)
    tests = {fold.index: plan.corpus.select(fold.test) for fold in plan.folds}
    lines: dict[str, list[dict[str, Any]]] = {}
    errors: dict[str, list[float]] = {}
    for run in runs_of(run_set):
        predictor = Predictor.load(run.folder, device=device)
        target = Target(predictor.head, predictor.spec.labels)
        items = items_to_evaluate(
            predictor.model,
            predictor.tokenizer,
            tests[run.fold],
            run.folder / "model",
            targets=[target],
            max_seconds=recipe.data.max_seconds,
        )
        for altered in conditions_of(predictor, items, seed=0):
            found = predict_items(predictor.model, altered.view, target)
            lines.setdefault(altered.name, []).extend(
                prediction_lines(
                    found,
                    altered.view.corpus,
                    target,
                    run.fold,
                    run.seed,
                    split=recipe.protocol.scored,
                )
            )
            if altered.word_error is not None:
                errors.setdefault(altered.name, []).append(altered.word_error)
    facts = json.loads((run_set / "run.json").read_text(encoding="utf-8"))
    scores = {name: leave_answers(folder, name, each, facts) for name, each in lines.items()}
    document = {
        "score": {n: s.metrics[s.headline].mean.value for n, s in scores.items()},
        "word error": {name: sum(found) / len(found) for name, found in errors.items()},
    }
    write_text(folder / "measure.json", json.dumps(document, indent=2))


def show_robustness(name: str, measures: Mapping[str, Sequence[Mapping[str, Any]]]) -> Shown:
    """A line for each condition, a column for each system, and the word error that was found."""
    systems: dict[str, Sequence[Mapping[str, Any]]] = {}
    for system, found in measures.items():  # one that is scored under a condition measured the same
        if found not in systems.values():
            systems[system] = found
    scores = {system: [each["score"] for each in found] for system, found in systems.items()}
    conditions = dict.fromkeys(c for found in scores.values() for each in found for c in each)
    errors = {c: e for found in systems.values() for c, e in found[0]["word error"].items()}
    rows = tuple(
        TableRow(
            (
                Cell(condition),
                *(
                    Cell(number(_mean([each[condition] for each in found])))
                    if condition in found[0]
                    else Cell("–")
                    for found in scores.values()
                ),
                Cell(percent(round(errors[condition], 3)) if condition in errors else "–"),
            )
        )
        for condition in conditions
    )
    caption = (
        "The score of each system under each condition that it accepts, mean over seeds, the same "
        "utterances in every line; noise of an utterance is the same for all systems."
    )
    return Shown((Table(caption, ("Condition", *scores, "word error found"), rows),))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
