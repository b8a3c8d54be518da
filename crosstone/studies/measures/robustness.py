"""What trained systems keep of their score with less to hear or read, misheard, and in noise."""

import json
from pathlib import Path
from typing import Any

from crosstone.data.batch import Target
from crosstone.files import write_text
from crosstone.inference.predictor import Predictor
from crosstone.protocols import plan_folds
from crosstone.runs.conditions import conditions_of
from crosstone.runs.corpora import open_corpus
from crosstone.runs.items import items_to_evaluate
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.answers import leave_answers
from crosstone.studies.measures.runs import runs_of


def robustness(run_set: Path, recipe: Recipe, folder: Path) -> None:
    """Answers under every condition that the system accepts, of what each fold tests, and
    measure.json with the score of each and the word error that was found.

    What is misheard, and the noise, are the same for all systems and seeds; voices that babble are
    of the fold's test side.
    """
    assert recipe.protocol is not None
    plan = plan_folds(open_corpus(recipe)[0], recipe.protocol)
    tests = {fold.index: plan.corpus.select(fold.test) for fold in plan.folds}
    lines: dict[str, list[dict[str, Any]]] = {}
    errors: dict[str, list[float]] = {}
    for run in runs_of(run_set):
        predictor = Predictor.load(run.folder)
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
