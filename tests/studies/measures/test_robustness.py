"""Robustness of a study's system: the answers under each condition, of all that its folds test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crosstone.reports.page import Table
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.robustness import robustness, show_robustness
from crosstone.studies.robustness import ROBUSTNESS
from crosstone.studies.study import slug


def _lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_each_condition_is_answered_where_its_systems_look(
    noise_corpus: Callable[..., Path],
    train: Callable[..., tuple[Path, Recipe]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the CPU where the recipe keeps to it."""
    place = "crosstone.inference.predictor.device_of"
    monkeypatch.setattr(place, lambda asked: torch.device(asked or "meta"))
    folds = ("protocol.kind=grouped-kfold", "protocol.folds=2", "training.cpu=true")
    run_set, recipe = train(noise_corpus(16), *folds, recipe="twokey-robust")
    robustness(run_set, recipe, tmp_path / "measured")
    found = json.loads((tmp_path / "measured" / "measure.json").read_text(encoding="utf-8"))
    systems = [s for s in ROBUSTNESS.systems if s.name.startswith("CMT, modality dropout")]
    assert {s.under for s in systems} - {""} == set(found["score"]) - {"audio+text"}
    for system in systems:
        if system.under:
            place = tmp_path / "measured" / slug(system.under)
            assert [(x["id"], x["fold"], x["seed"]) for x in _lines(place)] == [
                (x["id"], x["fold"], 3) for x in _lines(run_set)
            ]
            facts = json.loads((place / "run.json").read_text(encoding="utf-8"))
            assert facts["condition"] == system.under
            assert "seconds" in facts
    whole = {x["id"]: x["probabilities"] for x in _lines(tmp_path / "measured" / "audio-text")}
    for line in _lines(run_set):
        assert max(abs(whole[line["id"]][k] - v) for k, v in line["probabilities"].items()) < 1e-4
    assert list(found["word error"]) == [f"misheard {rate}%" for rate in (5, 10, 20, 30, 40)]


def test_a_line_for_each_condition() -> None:
    one = {"score": {"audio+text": 0.8, "misheard 5%": 0.7}, "word error": {"misheard 5%": 0.049}}
    two = {"score": {"audio": 0.5}, "word error": {}}
    measures = {"CMT": [one, one], "CMT: misheard 5%": [one, one], "audio only": [two, two]}
    (table,) = show_robustness("measured0", measures).blocks
    assert isinstance(table, Table)
    assert table.columns == ("Condition", "CMT", "audio only", "word error found")
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert rows == [
        ["audio+text", "0.800", "–", "–"],
        ["misheard 5%", "0.700", "–", "4.9 %"],
        ["audio", "–", "0.500", "–"],
    ]
