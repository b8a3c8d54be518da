"""The systems of a study as run sets: the seeds of each, which are steps, pooled in one folder."""

import json
from pathlib import Path
from typing import Any

from crosstone.errors import CheckpointError
from crosstone.files import write_lines, write_text
from crosstone.runs.epochs import lines_by_rule
from crosstone.scoring.score import score_predictions
from crosstone.studies.plan import Plan
from crosstone.studies.study import System, slug
from crosstone.studies.tuning import chosen_runs


def pool_arms(plan: Plan, root: Path) -> dict[str, Path]:
    """Name of a system → its run set of all seeds, below the study's folder.

    Scored anew from the predictions of its steps. Raises CheckpointError where the seeds of a
    system answered other questions.
    """
    return {
        system.name: _pool(
            system,
            _places(plan, system, root),
            [
                tuple(step.output(root) for step in steps)
                for steps in plan.tried.get(system.name, ())
            ],
            arm_folder(plan, root, system.name),
        )
        for system in plan.systems
    }


def arm_folder(plan: Plan, root: Path, name: str) -> Path:
    """Where a system's run set stands."""
    return study_folder(plan, root) / "systems" / slug(name)


def study_folder(plan: Plan, root: Path) -> Path:
    """Where a study stands below the root."""
    kind = "-quick" if plan.ground.quick else ""
    kind += f"-budget-{plan.budget}" if plan.budget > 1 else ""
    kind += "-part" if plan.is_part else ""
    kind += f"-{plan.mark}" if plan.mark else ""
    return root / f"{plan.study.name}-{plan.ground.name}{kind}"


def _places(plan: Plan, system: System, root: Path) -> list[Path]:
    """Where the answers of a system stand, a folder for each seed."""
    if not system.under:
        return [step.output(root) for step in plan.trained[system.name]]
    asked = plan.study.measures[0]
    steps = [step for step in plan.measured[system.name] if step.measure == asked]
    return [step.folder(root) / slug(system.under) for step in steps]


def _pool(system: System, places: list[Path], tried: list[tuple[Path, ...]], folder: Path) -> Path:
    """tried: for each seed the run sets of its settings, of which each fold takes one."""
    facts = [json.loads((place / "run.json").read_text(encoding="utf-8")) for place in places]
    hashes = {fact["corpus"]["hash"] for fact in facts}
    if len(hashes) > 1:
        raise CheckpointError(
            f"{folder}: expected the seeds of '{system.name}' on one corpus, found {len(hashes)}: "
            f"{', '.join(map(str, places))}; remove the odd one"
        )
    pooled = {**facts[0], "name": system.name, "seconds": sum(fact["seconds"] for fact in facts)}
    lines: list[dict[str, Any]] = []
    metric = pooled["protocol"]["headline"]
    if system.rule is not None:
        for place in places:
            lines += lines_by_rule(place, system.rule, metric)
    else:
        for place in [run for run_sets in tried for run in chosen_runs(run_sets, metric)] or places:
            text = (place / "predictions.jsonl").read_text(encoding="utf-8")
            lines += [json.loads(line) for line in text.splitlines()]
    if tried:
        pooled["settings_tried"] = len(tried[0])
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
