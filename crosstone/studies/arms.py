"""The systems of a study as run sets: the seeds of each, which are steps, pooled in one folder."""

import json
import re
from pathlib import Path
from typing import Any

from crosstone.errors import CheckpointError
from crosstone.files import write_lines, write_text
from crosstone.runs.epochs import lines_by_rule
from crosstone.scoring.score import score_predictions
from crosstone.studies.plan import Plan
from crosstone.studies.steps import Trained
from crosstone.studies.study import System


def pool_arms(plan: Plan, root: Path) -> dict[str, Path]:
    """Name of a system → its run set of all seeds, below the study's folder.

    Scored anew from the predictions of its steps. Raises CheckpointError where the seeds of a
    system answered other questions.
    """
    return {
        system.name: _pool(
            system, plan.trained[system.name], root, arm_folder(plan, root, system.name)
        )
        for system in plan.systems
    }


def arm_folder(plan: Plan, root: Path, name: str) -> Path:
    """Where a system's run set stands."""
    slug = re.sub(r"[^a-z0-9.%]+", "-", name.lower()).strip("-")
    return study_folder(plan, root) / "systems" / slug


def study_folder(plan: Plan, root: Path) -> Path:
    """Where a study stands below the root."""
    size = "-quick" if plan.ground.quick else ""
    return root / f"{plan.study.name}-{plan.ground.name}{size}"


def _pool(system: System, steps: tuple[Trained, ...], root: Path, folder: Path) -> Path:
    places = [step.output(root) for step in steps]
    facts = [json.loads((place / "run.json").read_text(encoding="utf-8")) for place in places]
    hashes = {fact["corpus"]["hash"] for fact in facts}
    if len(hashes) > 1:
        raise CheckpointError(
            f"{folder}: expected the seeds of '{system.name}' on one corpus, found {len(hashes)}: "
            f"{', '.join(str(step.folder(root)) for step in steps)}; remove the odd one"
        )
    pooled = {**facts[0], "name": system.name, "seconds": sum(fact["seconds"] for fact in facts)}
    lines: list[dict[str, Any]] = []
    for place in places:
        if system.rule is not None:
            lines += lines_by_rule(place, system.rule, pooled["protocol"]["headline"])
        else:
            text = (place / "predictions.jsonl").read_text(encoding="utf-8")
            lines += [json.loads(line) for line in text.splitlines()]
    if system.rule is not None:
        scored = "selected on test" if system.rule == "best_test" else "test"
        lines = [{**line, "split": scored} for line in lines]
        said = {"selection": system.rule, "scored": scored}
        pooled["protocol"] = {**pooled["protocol"], **said}
    pooled["seeds"] = sorted({line["seed"] for line in lines})
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "predictions.jsonl", lines)
    write_text(folder / "run.json", json.dumps(pooled, indent=2))
    score_predictions(folder).write(folder / "scores.json")
    return folder
