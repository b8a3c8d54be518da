"""What a model keeps of its score where it hears or reads less, or reads what was misheard."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crosstone.data.batch import Items, Target
from crosstone.files import write_lines, write_text
from crosstone.inference.predictor import Predictor
from crosstone.metrics import Interval
from crosstone.runs.conditions import Altered, conditions_of
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.runs.run import Progress
from crosstone.scoring.pairing import pair_scores
from crosstone.scoring.score import Scores, plain, score_predictions

ROBUSTNESS = "robustness.json"
"""File of an evaluation, beside scores.json; its conditions stand in the folder of that name."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One line of the table."""

    name: str
    items: int
    value: Interval
    difference: Interval | None
    """From the whole, on the same utterances and the same draws; None for the whole itself."""
    word_error: float | None
    """What was found, where words were misheard."""
    snr: float | None
    """In dB, where there was noise."""


def robustness(
    predictor: Predictor,
    items: Items,
    target: Target,
    facts: Mapping[str, Any],
    out: Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Condition]:
    """Score a model on the same utterances under each condition that it accepts: with both
    modalities, with either alone, with words in which errors were drawn, and in noise.

    facts: run.json of the evaluation. Each condition is left in `out`/robustness as an evaluation
    of its own, and all of them in robustness.json.
    """
    altered = conditions_of(predictor, items, seed)
    scored = [
        _score(predictor, each, target, facts, out / "robustness" / _folder(each.name), progress)
        for each in altered
    ]
    whole = scored[0]
    conditions = [
        _condition(each, scores, None if scores is whole else whole)
        for each, scores in zip(altered, scored, strict=True)
    ]
    kinds = [each.name for each in altered]
    document = {
        "metric": whole.headline,
        "level": whole.level,
        "by": whole.clusters.by,
        "clusters": whole.clusters.count,
        "left_out": len(items) - len(altered[0].view),
        "never_alone": [kind for kind in altered[0].name.split("+") if kind not in kinds],
        "seed": seed,
        "conditions": [plain(asdict(condition)) for condition in conditions],
    }
    write_text(out / ROBUSTNESS, json.dumps(document, indent=2))
    return conditions


def _score(
    predictor: Predictor,
    altered: Altered,
    target: Target,
    facts: Mapping[str, Any],
    folder: Path,
    progress: Progress | None,
) -> Scores:
    name, view = altered.name, altered.view
    tick: Callable[[int, int], None] | None = None
    if progress is not None:
        tick = lambda done, total: progress(name, done, total)  # noqa: E731
    calibration = predictor.promises.calibration
    found = predict_items(predictor.model, view, target, tick, calibration)
    folder.mkdir(parents=True, exist_ok=True)
    split = facts["protocol"]["scored"]
    lines = prediction_lines(found, view.corpus, target, 0, 0, split=split)
    write_lines(folder / "predictions.jsonl", lines)
    own = {**facts, "name": f"{facts['name']}: {name}", "condition": name}
    write_text(folder / "run.json", json.dumps(own, indent=2))
    scores = score_predictions(folder)
    scores.write(folder / "scores.json")
    return scores


def _condition(altered: Altered, scores: Scores, whole: Scores | None) -> Condition:
    difference = None
    if whole is not None:
        pair = pair_scores(scores, whole, (altered.name, "both"))
        drawn = pair.replicates()[scores.headline]
        difference = drawn.estimate(scores.level).mean
    return Condition(
        name=altered.name,
        items=scores.num_items,
        value=scores.metrics[scores.headline].mean,
        difference=difference,
        word_error=altered.word_error,
        snr=altered.snr,
    )


def _folder(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.replace("%", ""))
