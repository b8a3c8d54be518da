"""What a study would take on this machine: runs, and hours of one core."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.runs.recipe import Recipe
from crosstone.studies.grounds import Ground, Paper
from crosstone.studies.plan import plan_study
from crosstone.studies.register import named_study
from crosstone.studies.steps import Given, Made, Step, Trained

SMALL_SECONDS = {
    **{"audio": 0.05, "text": 0.015, "shallow": 0.06, "cmt": 0.095, "mockingjay": 0.08},
    **{"ctal": 0.11, "two-stream": 0.1, "single-stream": 0.1, "mult": 0.12},
    **{"jbls": 0.25, "jbls-audio": 0.25, "jbls-text": 0.03},
    **{"cma": 0.09, "cma-audio": 0.06, "cma-text": 0.03},
}
"""Family → seconds of a step of its small recipe, 32 utterances of 2 s, on one core that reaches
REFERENCE_GFLOPS."""
REFERENCE_GFLOPS = 100.0
PARAMETERS = {
    **{"cmt": 8.0e8, "audio": 3.2e8, "text": 3.5e8, "shallow": 6.7e8, "ctal": 1.3e8},
    **{"two-stream": 1.3e8, "single-stream": 1.3e8, "mockingjay": 5.3e7, "mult": 4e5},
    **{"jbls": 5.3e8, "jbls-audio": 1.7e8, "jbls-text": 3.5e8},
    **{"cma": 4.3e8, "cma-audio": 3.2e8, "cma-text": 1.1e8},
}
"""Family → parameters at its paper's size, as `crosstone models` counts them."""
PLACES = 250
"""Frames and tokens of an utterance of 4 s, each of which takes every parameter forwards once and
backwards twice."""
OTHER_SECONDS = 20.0
"""Of a corpus, a codebook or a measurement, small here."""


def costs_of(names: Sequence[str], ground: Ground, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """For each study what it shows, its systems, steps and runs, and about how many hours of one
    core they take, from the steps of its recipes and the speed of this machine; JSON values.

    why_not: why nothing of it can be trained on this ground, else "".
    """
    gflops, is_small = core_gflops(), not isinstance(ground, Paper)
    found = []
    for name in names:
        study = named_study(name)
        entry: dict[str, Any] = {
            **{"name": name, "shows": study.shows, "source": study.source, "why_not": ""},
            **{"systems": 0, "steps": 0, "runs": 0, "hours": 0.0},
        }
        try:
            plan = plan_study(study, ground, seeds)
        except ConfigError as error:
            entry["why_not"] = str(error)
        else:
            steps = plan.steps
            runs = [step for step in steps if isinstance(step, Trained)]
            entry |= {
                "systems": len(plan.systems),
                "steps": len(steps),
                "runs": sum(_folds(step.described, step) for step in runs),
                "hours": sum(_seconds(step, is_small, gflops) for step in steps) / 3600,
            }
        found.append(entry)
    return found


def core_gflops() -> float:
    """The best of five products of matrices, in 10⁹ operations in a second of one core, whatever
    else the machine does."""
    one = np.random.default_rng(0).standard_normal((512, 512), dtype=np.float32)
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        one @ one
        best = min(best, time.process_time() - begun)
    return 2 * 512**3 / best / 1e9


def _seconds(step: Step, is_small: bool, gflops: float) -> float:
    if not isinstance(step, Trained):
        return OTHER_SECONDS
    recipe = step.described
    family, batch = recipe.model.family, recipe.training.batch_size or 32
    if is_small:
        each = SMALL_SECONDS[family] * batch / 32 * REFERENCE_GFLOPS / gflops
    else:
        each = 6 * PARAMETERS[family] * PLACES * batch / (gflops * 1e9)
    steps = recipe.training.steps
    if steps is None:
        steps = (recipe.training.epochs or 1) * -(-_utterances(step) // batch)
    return each * steps * _folds(recipe, step)


def _utterances(step: Trained) -> int:
    corpus = dict(step.given)["data.corpus"]
    return int(corpus.options["labelled"]) if isinstance(corpus, Made) else len(_opened(corpus))


def _folds(recipe: Recipe, step: Trained) -> int:
    """How many runs a run set of one seed is."""
    if recipe.protocol is None or recipe.protocol.kind in ("holdout", "predefined", "trials"):
        return 1
    if recipe.protocol.kind == "grouped-kfold":
        return recipe.protocol.folds
    corpus = _opened(dict(step.given)["data.corpus"])
    return len(set(corpus.groups if recipe.protocol.unit == "group" else corpus.speakers))


def _opened(corpus: Step) -> Corpus:
    assert isinstance(corpus, Given)  # what is made on the spot is tested by parts
    return Corpus.open(corpus.path)
