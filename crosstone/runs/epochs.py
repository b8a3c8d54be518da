"""What every epoch of a run answers, kept so that selection rules are compared on one training."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from crosstone.data.batch import Items
from crosstone.errors import CheckpointError
from crosstone.files import write_lines
from crosstone.metrics import (
    LOWER_IS_BETTER,
    classification_scores,
    classification_statistics,
    regression_scores,
    regression_statistics,
)
from crosstone.protocols import Fold
from crosstone.runs.assembly import Assembly
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.training.spec import Probe

Rule = Literal["last", "nested", "best_test"]
RULES: tuple[Rule, ...] = ("last", "nested", "best_test")
"""The last epoch; the best on the validation side; the best on the very items that are scored."""
ANSWERS = "answers"
"""Folder of a run: epoch-N.jsonl, the lines of both sides told apart by their key split."""


def keep_answers(
    assembly: Assembly, fold: Fold, seed: int, folder: Path, sides: Mapping[str, Items]
) -> Probe:
    """What `fit` calls after every epoch to leave its answers in `folder`/answers; sides: test, and
    valid where there is one."""
    assert assembly.target is not None
    target = assembly.target

    def record(model: nn.Module, epoch: int) -> dict[str, float]:
        lines: list[dict[str, Any]] = []
        for split, items in sides.items():
            answers = predict_items(model, items, target)
            lines += prediction_lines(answers, items.corpus, target, fold.index, seed, split=split)
        place = folder / ANSWERS
        place.mkdir(exist_ok=True)
        write_lines(place / f"epoch-{epoch:04d}.jsonl", lines)
        return {}

    return record


def lines_by_rule(run_set: Path, rule: Rule, metric: str) -> list[dict[str, Any]]:
    """The test lines of every run of a set, each of the epoch that a rule takes there.

    Raises CheckpointError where a run kept no answers, or none of the side that the rule looks at.
    """
    lines: list[dict[str, Any]] = []
    for folder in sorted(run_set.glob("fold-*-seed-*")):
        epochs = [_read(path) for path in sorted((folder / ANSWERS).glob("epoch-*.jsonl"))]
        if not epochs:
            raise CheckpointError(
                f"{folder}: expected the answers of its epochs, found none; train it with "
                "keep_answers=true"
            )
        lines += [line for line in _chosen(epochs, rule, metric, folder) if line["split"] == "test"]
    return lines


def score_lines(lines: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The metrics of lines of predictions.jsonl, of classes or of values."""
    if "probabilities" not in lines[0]:
        truth = np.array([line["target"] for line in lines], dtype=np.float64)
        values = np.array([line["value"] for line in lines], dtype=np.float64)
        table = regression_statistics(truth, values).sum(0)
        return {name: float(value) for name, value in regression_scores(table).items()}
    labels = list(lines[0]["probabilities"])
    expected = [labels.index(line["target"]) for line in lines]
    guessed = [labels.index(max(labels, key=line["probabilities"].get)) for line in lines]
    table = classification_statistics(expected, guessed, len(labels)).sum(0)
    return {name: float(value) for name, value in classification_scores(table).items()}


def _chosen(
    epochs: Sequence[list[dict[str, Any]]], rule: Rule, metric: str, folder: Path
) -> list[dict[str, Any]]:
    if rule == "last":
        return epochs[-1]
    side = "test" if rule == "best_test" else "valid"
    scored = []
    for lines in epochs:
        asked = [line for line in lines if line["split"] == side]
        if not asked:
            raise CheckpointError(
                f"{folder}: rule {rule} expects answers on the {side} side, found none; train it "
                "with a protocol that validates, as protocol.selection=nested"
            )
        scored.append(score_lines(asked)[metric])
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return epochs[int(np.argmax(sign * np.array(scored)))]


def _read(path: Path) -> list[dict[str, Any]]:
    return list(_lines(path))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
