"""What a study was, in study.json: all that its page needs besides the folders of its steps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.config import build, to_tree
from crosstone.errors import CheckpointError
from crosstone.files import write_text
from crosstone.studies.arms import arm_folder
from crosstone.studies.grounds import Paper
from crosstone.studies.plan import DONE, Plan
from crosstone.studies.study import Study

RECORD = "study.json"
"""File of a study's folder; folders in it are relative to the root above."""


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step, and what it took."""

    title: str
    kind: str
    folder: str
    seconds: float
    crosstone: str
    """Version that did it."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A study that was run."""

    study: Study
    ground: str
    is_paper: bool
    """Whether it stands on a paper's own corpus with its own encoders."""
    quick: bool
    seeds: tuple[int, ...]
    command: str
    """What runs it again."""
    systems: Mapping[str, str]
    """Name of a system that was trained → its run set of all seeds."""
    measured: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Measure → name of a system → the folder of each seed."""
    left_out: Mapping[str, str]
    """Name of a system that was not trained → why."""
    steps: tuple[StepRecord, ...]


def record_of(plan: Plan, root: Path, *, command: str) -> Record:
    """The record of a plan whose steps are done; CheckpointError where one is not."""
    measured: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, steps in plan.measured.items():
        for step in steps:
            seeds = measured.setdefault(step.measure, {})
            seeds[name] = (*seeds.get(name, ()), _below(root, step.folder(root)))
    return Record(
        study=plan.study,
        ground=plan.ground.name,
        is_paper=isinstance(plan.ground, Paper),
        quick=plan.ground.quick,
        seeds=plan.seeds,
        command=command,
        systems={s.name: _below(root, arm_folder(plan, root, s.name)) for s in plan.systems},
        measured=measured,
        left_out=dict(plan.left_out),
        steps=tuple(_step(step.title, step.kind, step.folder(root), root) for step in plan.steps),
    )


def write_record(record: Record, folder: Path) -> Path:
    """Puts study.json into the study's folder, which it gives."""
    write_text(folder / RECORD, json.dumps(to_tree(record), indent=2, ensure_ascii=False))
    return folder


def read_record(folder: Path) -> Record:
    """study.json of a study's folder.

    Raises CheckpointError where it is missing or no record, ConfigError where it is another
    version's.
    """
    path = folder / RECORD
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: expected {RECORD}, found none; name a folder that `crosstone study` wrote"
        )
    return build(Record, _tree(path), f"{path}: run the study again, what is done stays done")


def _step(title: str, kind: str, folder: Path, root: Path) -> StepRecord:
    done = folder / DONE
    if not done.is_file():
        raise CheckpointError(
            f"{folder}: expected {DONE} of '{title}', found none; run `crosstone study` to its end"
        )
    said = _tree(done)
    return StepRecord(
        title=title,
        kind=kind,
        folder=_below(root, folder),
        seconds=float(said["seconds"]),
        crosstone=str(said["crosstone"]),
    )


def _tree(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: expected JSON, found {error}; run `crosstone study` again"
        ) from error
    if not isinstance(tree, dict):
        raise CheckpointError(
            f"{path}: expected a JSON object, found a {type(tree).__name__}; run `crosstone study` "
            "again"
        )
    return tree


def _below(root: Path, folder: Path) -> str:
    return folder.relative_to(root).as_posix()
