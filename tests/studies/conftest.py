"""Answers of made systems, as a study pools them."""

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from crosstone.studies.plan import Plan

LABELS = ("calm", "cross")
MakeArm = Callable[..., Path]


@pytest.fixture
def confused() -> Callable[[Plan], list[tuple[str, str]]]:
    """The pairs of a plan's systems that are trained alike without being one training."""

    def found(plan: Plan) -> list[tuple[str, str]]:
        return [
            (one.name, other.name)
            for one, other in combinations(plan.systems, 2)
            if plan.trained[one.name][0].key == plan.trained[other.name][0].key
            and not one.shares_training(other)
        ]

    return found


@pytest.fixture
def make_arm(tmp_path: Path) -> MakeArm:
    """A run set of some speakers with 20 utterances each, in two folds."""

    def make(
        name: str,
        right: Sequence[int],
        *,
        folder: Path | str = "",
        seeds: Sequence[int] = (0,),
        value: bool = False,
        corpus: dict[str, Any] | None = None,
        **protocol: Any,
    ) -> Path:
        """right: of each speaker, how many of the 20 are right (value: how many lie near)."""
        place = tmp_path / (folder or name)
        place.mkdir(parents=True, exist_ok=True)
        lines: list[dict[str, Any]] = []
        for seed in seeds:
            for speaker, hits in enumerate(right):
                for k in range(20):
                    hit = (7 * k + seed) % 20 < hits
                    line: dict[str, Any] = {
                        "id": f"u{speaker}-{k}",
                        "group": f"s{speaker}",
                        "speaker": f"p{speaker}",
                        "fold": speaker % 2,
                        "seed": seed,
                        "split": "test",
                    }
                    if value:
                        target = -2.0 + 0.2 * k
                        line |= {"target": target, "value": target + (0.1 if hit else 0.9)}
                    else:
                        said = LABELS[k % 2 if hit else 1 - k % 2]
                        chances = {label: 0.9 if label == said else 0.1 for label in LABELS}
                        line |= {"target": LABELS[k % 2], "probabilities": chances}
                    lines.append(line)
        text = "\n".join(map(json.dumps, lines))
        (place / "predictions.jsonl").write_text(text, encoding="utf-8")
        facts = {
            "name": name,
            "corpus": {"name": "made", "hash": "ab12" * 4, **(corpus or {})},
            "protocol": {
                "name": "grouped-kfold",
                "kind": "grouped-kfold",
                "folds": 2,
                "unit": "speaker",
                "selection": "nested",
                "target": "sentiment" if value else "emotion",
                "headline": "mae" if value else "ua",
                "task": "regression" if value else "classification",
                "labels": [] if value else LABELS,
                **protocol,
            },
            "seconds": 2.0,
        }
        (place / "run.json").write_text(json.dumps(facts), encoding="utf-8")
        return place

    return make
