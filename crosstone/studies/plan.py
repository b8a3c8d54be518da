"""A study on a ground: its steps in order, each once, and which of them each system is."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crosstone.errors import ConfigError
from crosstone.studies.grounds.base import Ground
from crosstone.studies.steps import Given, Measured, Step, Trained
from crosstone.studies.study import Study, System


@dataclass(frozen=True)
class Plan:
    """What a study does."""

    study: Study
    ground: Ground
    seeds: tuple[int, ...]
    trained: Mapping[str, tuple[Trained, ...]]
    """Name of a system → its run sets, a seed each."""
    measured: Mapping[str, tuple[Measured, ...]]
    """Name of a system → what is measured of them."""
    left_out: Mapping[str, str]
    """Name of a system → why it is not trained on this ground."""
    tried: Mapping[str, tuple[tuple[Trained, ...], ...]] = field(default_factory=dict)
    """Name of a system that is tuned → for each seed, a run set for each setting."""

    is_part: bool = False
    """Whether only some of the systems were asked for."""

    @property
    def mark(self) -> str:
        """What tells this plan's folder from those of other systems, corpora and options; empty
        for a whole study on what is made on the spot. More seeds have the same."""
        if not self.is_part and self.ground.is_made:
            return ""
        keys = sorted((name, steps[0].key) for name, steps in self.trained.items())
        return hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:6]

    @property
    def budget(self) -> int:
        """How many settings each tuned system is tried in."""
        return max((len(seeds[0]) for seeds in self.tried.values()), default=1)

    @property
    def systems(self) -> tuple[System, ...]:
        """Those that are trained."""
        return tuple(system for system in self.study.systems if system.name in self.trained)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step once, after all that it needs."""
        last: list[Step] = [step for steps in self.trained.values() for step in steps]
        last += [step for seeds in self.tried.values() for steps in seeds for step in steps]
        last += [step for steps in self.measured.values() for step in steps]
        return ordered(last)

    def levels(self) -> list[tuple[Step, ...]]:
        """The steps in waves: those of a wave need only what earlier waves do."""
        depth: dict[str, int] = {}
        for step in self.steps:
            depth[step.key] = 1 + max(
                (depth[need.key] for need in step.needs if need.key in depth), default=-1
            )
        waves = range(max(depth.values(), default=-1) + 1)
        return [tuple(s for s in self.steps if depth[s.key] == wave) for wave in waves]

    def at(self, task: str) -> Step:
        """The step that `--dry-run` numbers so; ConfigError that says how many there are."""
        levels = self.levels()
        wave, _, number = task.partition(".")
        if wave.isdigit() and number.isdigit() and int(wave) < len(levels):
            steps = levels[int(wave)]
            if int(number) < len(steps):
                return steps[int(number)]
        sizes = ", ".join(f"{w}.0 to {w}.{len(steps) - 1}" for w, steps in enumerate(levels))
        raise ConfigError(f"study: --task: expected one of {sizes}, found '{task}'")


def plan_study(
    study: Study, ground: Ground, seeds: Sequence[int], *, only: Sequence[str] = ()
) -> Plan:
    """Every run of a study, or of the systems named in `only`.

    Raises ConfigError where the ground can train none of them, and for a name that is none.
    """
    study = ground.fitted(study)
    names = [system.name for system in study.systems]
    if unknown := [name for name in only if name not in names]:
        raise ConfigError(
            f"study {study.name}: expected systems among {', '.join(names)}, found "
            f"{', '.join(unknown)}"
        )
    left_out = {s.name: why for s in study.systems if (why := ground.lacks(s))}
    left_out |= {name: "not asked for" for name in names if only and name not in only}
    systems = [system for system in study.systems if system.name not in left_out]
    if not systems:
        said = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise ConfigError(f"study {study.name}: nothing of it can be trained here ({said})")
    trained = {
        system.name: tuple(ground.finetuned(study, system, seed) for seed in seeds)
        for system in systems
    }
    measured = {
        system.name: tuple(
            Measured(f"{kind} of {step.title}", kind, step, beside=ground.elsewhere(system))
            for kind in (*study.measures, *system.measures)
            for step in trained[system.name]
        )
        for system in systems
    }
    return Plan(study, ground, tuple(seeds), trained, measured, left_out, is_part=bool(only))


def ordered(last: Iterable[Step]) -> tuple[Step, ...]:
    """Steps and all that they need, each once, needs first; corpora that are given left out."""
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.key in found or isinstance(step, Given):
            return
        for need in step.needs:
            visit(need)
        found[step.key] = step

    for step in last:
        visit(step)
    return tuple(found.values())


def is_done(step: Step, root: Path) -> bool:
    """Whether a step has left all that it leaves."""
    return isinstance(step, Given) or (step.folder(root) / DONE).is_file()


DONE = "step.json"
"""File that a step leaves last."""
