"""The shares of a layer pooler, read from the models of a run set."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crosstone.errors import CheckpointError
from crosstone.models import CMTModel
from crosstone.models.headspec import HeadSpec
from crosstone.models.task import TaskModel, build_task
from crosstone.reports.page import Table
from crosstone.runs.recipe import load_recipe
from crosstone.studies.measures.layers import layer_weights, show_layers

RECIPE = load_recipe("twokey-cmt")


def task(backbone: CMTModel) -> TaskModel:
    return build_task(backbone, {"emotion": HeadSpec(kind="classification", labels=("a", "b"))})


def test_shares_of_each_fold_and_their_mean(
    make_cmt: Callable[..., CMTModel], tmp_path: Path
) -> None:
    for fold, scores in enumerate([(0.0, 0.0), (math.log(3), 0.0)]):
        model = task(make_cmt(audio_output="pooler"))
        model.backbone.layer_pooler.scores.data = torch.tensor(scores)
        model.save_pretrained(tmp_path / f"fold-{fold}-seed-7" / "model")
    out = tmp_path / "measured"
    out.mkdir()
    layer_weights(tmp_path, RECIPE, out)
    found = json.loads((out / "measure.json").read_text(encoding="utf-8"))
    assert found["folds"] == [pytest.approx([0.5, 0.5]), pytest.approx([0.75, 0.25])]
    assert found["weights"] == pytest.approx([0.625, 0.375])


def test_a_model_without_pooler_is_named(make_cmt: Callable[..., CMTModel], tmp_path: Path) -> None:
    task(make_cmt()).save_pretrained(tmp_path / "fold-0-seed-0" / "model")
    with pytest.raises(CheckpointError, match="expected a model with a layer pooler, found none"):
        layer_weights(tmp_path, RECIPE, tmp_path)


def test_the_table_sets_the_papers_beside_four_layers() -> None:
    def table(*folds: list[float]) -> list[list[tuple[str, str]]]:
        measure: dict[str, Any] = {"weights": [], "folds": list(folds)}
        (block,) = show_layers("m", {"pooler": [measure]}).blocks
        assert isinstance(block, Table)
        return [[(cell.text, cell.aside) for cell in row.cells] for row in block.rows]

    (line,) = table([0.5, 0.5], [0.75, 0.25])
    assert line == [
        ("pooler", "2 folds and seeds"),
        ("0.625", "0.500–0.750"),
        ("0.375", "0.250–0.500"),
    ]
    printed = table([0.25] * 4)[1]
    assert [text for text, _ in printed] == [
        "CMT-4 on CMU-MOSEI",
        "0.175",
        "0.438",
        "0.277",
        "0.109",
    ]
