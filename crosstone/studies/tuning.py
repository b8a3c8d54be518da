"""A budget of settings for every system alike, of which each fold takes the one that validates."""

import dataclasses
from pathlib import Path

import numpy as np

from crosstone.errors import CheckpointError, ConfigError
from crosstone.metrics import LOWER_IS_BETTER
from crosstone.studies.plan import Plan
from crosstone.studies.steps import Trained
from crosstone.studies.study import Study, System
from crosstone.training import read_log

DRAWS = 0
"""Seed of the settings: the same for every system of every study."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is multiplied in a recipe."""

    rate: float
    """Of the learning rate."""
    length: float
    """Of the steps or epochs."""


def settings(budget: int) -> tuple[Setting, ...]:
    """So many settings; the first is the recipe's own, the others are drawn: rates from a fifth to
    five times, evenly in their logarithm, and lengths from a half to twice."""
    rng = np.random.default_rng(DRAWS)
    drawn = [
        Setting(round(float(5 ** rng.uniform(-1, 1)), 3), round(float(2 ** rng.uniform(-1, 1)), 3))
        for _ in range(budget - 1)
    ]
    return (Setting(1.0, 1.0), *drawn)


def with_budget(plan: Plan, budget: int) -> Plan:
    """The plan with every tuned system tried in `budget` settings, on the same validation units.

    Every one of them then chooses its epoch by validation too, and what is measured is measured of
    the first setting. Raises ConfigError where no system can be tuned.
    """
    if budget == 1:
        return plan
    study = _validating(plan.study)
    tried: dict[str, tuple[tuple[Trained, ...], ...]] = {}
    trained, measured = dict(plan.trained), dict(plan.measured)
    for system in plan.systems:
        if not system.tuned or system.rule is not None or system.under:
            continue
        seeds = [
            tuple(_at(plan, study, system, seed, setting) for setting in settings(budget))
            for seed in plan.seeds
        ]
        tried[system.name] = tuple(seeds)
        trained[system.name] = tuple(steps[0] for steps in seeds)
        first = dict(zip((s.key for s in plan.trained[system.name]), seeds, strict=True))
        measured[system.name] = tuple(
            dataclasses.replace(step, of=first[step.of.key][0]) for step in measured[system.name]
        )
    if not tried:
        raise ConfigError(f"study {study.name}: --budget expects a tuned system, found none")
    return dataclasses.replace(plan, study=study, trained=trained, measured=measured, tried=tried)


def chosen_runs(run_sets: tuple[Path, ...], metric: str) -> list[Path]:
    """For each fold and seed, the run of the run set that validates best there.

    Raises CheckpointError where a run left no validation score.
    """
    names = sorted(path.name for path in run_sets[0].glob("fold-*-seed-*"))
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return [
        max((place / name for place in run_sets), key=lambda run: sign * _validated(run, metric))
        for name in names
    ]


def _validated(run: Path, metric: str) -> float:
    scores = [
        line["valid"][metric]
        for line in read_log(run / "log.jsonl")
        if line["event"] == "epoch" and metric in (line.get("valid") or {})
    ]
    if not scores:
        raise CheckpointError(f"{run}: expected validation of '{metric}' in its log, found none")
    return float(min(scores) if metric in LOWER_IS_BETTER else max(scores))


def _at(plan: Plan, study: Study, system: System, seed: int, setting: Setting) -> Trained:
    own = plan.ground.finetuned(study, system, seed).described
    training, rate = own.training, own.optim.lr * setting.rate
    length = (
        f"training.steps={max(1, round((training.steps or 0) * setting.length))}"
        if training.steps is not None
        else f"training.epochs={max(1, round((training.epochs or 0) * setting.length))}"
    )
    laid = (*system.finetuning, f"optim.lr={rate:.4g}", length)
    return plan.ground.finetuned(study, dataclasses.replace(system, finetuning=laid), seed)


def _validating(study: Study) -> Study:
    """The study with a protocol that validates on the training side."""
    if any(part.startswith("protocol.selection=") for part in study.protocol):
        return study
    return dataclasses.replace(study, protocol=(*study.protocol, "protocol.selection=best_valid"))
