"""What a model keeps of its score where it hears or reads less, or reads what was misheard."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crosstone.data.batch import Item, Items, Target
from crosstone.data.item_view import KINDS, ItemView, only, rows_of
from crosstone.data.misheard import misheard, word_errors
from crosstone.data.text import shortened, tokenise
from crosstone.files import write_lines, write_text
from crosstone.inference.predictor import Predictor
from crosstone.metrics import Interval
from crosstone.models.towers import max_tokens
from crosstone.objectives.base import draws
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.runs.run import Progress
from crosstone.scoring.pairing import pair_scores
from crosstone.scoring.score import Scores, plain, score_predictions

ROBUSTNESS = "robustness.json"
"""File of an evaluation, beside scores.json; its conditions stand in the folder of that name."""

RATES = (0.05, 0.1, 0.2, 0.3, 0.4)
"""Word error that is asked for."""


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
    """Score a model on the same utterances with both modalities, with either alone, and with words
    in which errors were drawn by utterance; only what it accepts.

    facts: run.json of the evaluation. Each condition is left in `out`/robustness as an evaluation
    of its own, and all of them in robustness.json.
    """
    heard = predictor.model.config.heard or []
    whole = next(kind for kind in KINDS if kind in heard and rows_of(items, kind))
    rows = rows_of(items, whole)
    views = {whole: only(items, whole, rows)}
    if whole == "audio+text":
        views |= {kind: only(items, kind, rows) for kind in ("audio", "text") if kind in heard}
    errors: dict[str, float] = {}
    if "text" in whole and predictor.tokenizer is not None:
        for rate in RATES:
            name = f"misheard {rate:.0%}"
            views[name], errors[name] = _misheard(predictor, items, views[whole], rate, seed)
    scored = {
        name: _score(
            predictor, view, target, facts, out / "robustness" / _folder(name), name, progress
        )
        for name, view in views.items()
    }
    conditions = [
        _condition(name, scores, None if name == whole else scored[whole], errors.get(name))
        for name, scores in scored.items()
    ]
    document = {
        "metric": scored[whole].headline,
        "level": scored[whole].level,
        "by": scored[whole].clusters.by,
        "clusters": scored[whole].clusters.count,
        "left_out": len(items) - len(rows),
        "seed": seed,
        "conditions": [plain(asdict(condition)) for condition in conditions],
    }
    write_text(out / ROBUSTNESS, json.dumps(document, indent=2))
    return conditions


def _misheard(
    predictor: Predictor, items: Items, view: ItemView, rate: float, seed: int
) -> tuple[ItemView, float]:
    """The view with errors in its words, and how many there are for each word."""
    own = {row: u.text or "" for row, u in zip(view.rows, view.corpus, strict=True)}
    texts = {row: text.split() for row, text in own.items()}
    spoken = [word for words in texts.values() for word in words]
    heard = {
        row: misheard(words, rate, spoken, draws(seed, 0, "misheard", items.corpus.ids[row]))
        for row, words in texts.items()
    }
    wrong = sum(word_errors(texts[row], heard[row]) for row in texts)
    said = [
        (items.corpus.ids[row], own[row] if words == texts[row] else " ".join(words))
        for row, words in heard.items()
    ]
    limit = max_tokens(predictor.model.backbone.config.text_config)
    tokens = [shortened(row, limit) for row in tokenise(predictor.tokenizer, said, None)]
    by_row = dict(zip(heard, tokens, strict=True))

    def alter(row: int, item: Item) -> Item:
        return dataclasses.replace(item, text=by_row[row], text_states=None)

    return ItemView(items, view.rows, alter), wrong / len(spoken)


def _score(
    predictor: Predictor,
    view: ItemView,
    target: Target,
    facts: Mapping[str, Any],
    folder: Path,
    name: str,
    progress: Progress | None,
) -> Scores:
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


def _condition(
    name: str, scores: Scores, whole: Scores | None, word_error: float | None
) -> Condition:
    difference = None
    if whole is not None:
        pair = pair_scores(scores, whole, (name, "both"))
        drawn = pair.replicates()[scores.headline]
        difference = drawn.estimate(scores.level).mean
    return Condition(
        name=name,
        items=scores.num_items,
        value=scores.metrics[scores.headline].mean,
        difference=difference,
        word_error=word_error,
    )


def _folder(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.replace("%", ""))
