"""What a measure leaves that a system is scored by: answers under a condition."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crosstone.files import write_lines, write_text
from crosstone.scoring.score import Scores, score_predictions
from crosstone.studies.study import slug


def leave_answers(
    folder: Path, condition: str, lines: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]
) -> Scores:
    """The scores of these lines of predictions, left in a folder of the measure's by the name of
    their condition, where `System.under` finds it; facts: run.json of the run set."""
    place = folder / slug(condition)
    place.mkdir(parents=True, exist_ok=True)
    write_lines(place / "predictions.jsonl", lines)
    write_text(place / "run.json", json.dumps({**facts, "condition": condition}, indent=2))
    return score_predictions(place)
