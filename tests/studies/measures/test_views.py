"""The cosine of two views, over what each fold tests."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosstone.data.batch import collate
from crosstone.data.text import load_tokenizer
from crosstone.errors import ConfigError
from crosstone.models.checkpoint import load_task
from crosstone.protocols import plan_folds
from crosstone.reports.page import Table
from crosstone.runs.corpora import open_corpus
from crosstone.runs.items import items_for
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.views import show_cosines, view_cosine

Train = Callable[..., tuple[Path, Recipe]]


def test_mean_cosine_of_the_tested(
    noise_corpus: Callable[..., Path], train: Train, tmp_path: Path
) -> None:
    run_set, recipe = train(noise_corpus(16), "protocol.kind=grouped-kfold", "protocol.folds=2")
    out = tmp_path / "measured"
    out.mkdir()
    view_cosine(run_set, recipe, out)
    found = json.loads((out / "measure.json").read_text(encoding="utf-8"))
    assert list(found["folds"]) == ["audio_mean · text_mean", "audio_mean · text_first"]
    assert recipe.protocol is not None
    plan = plan_folds(open_corpus(recipe)[0], recipe.protocol)
    for fold in plan.folds:
        place = run_set / f"fold-{fold.index}-seed-3" / "model"
        model = load_task(place).eval()
        items = items_for(model, load_tokenizer(place), plan.corpus.select(fold.test))
        by_hand = []
        for row in range(len(items)):
            with torch.inference_mode():
                views = model(**collate([items[row]]).inputs()).backbone.views
            audio, text = views["audio_mean"][0].double(), views["text_mean"][0].double()
            by_hand.append(abs(float(audio @ text / audio.norm() / text.norm())))
        own = found["folds"]["audio_mean · text_mean"][fold.index]
        assert own == pytest.approx(sum(by_hand) / len(by_hand), abs=1e-5)
    both = found["folds"]["audio_mean · text_mean"]
    assert found["cosine"]["audio_mean · text_mean"] == pytest.approx(sum(both) / 2)


def test_one_modality_has_no_two_views(
    noise_corpus: Callable[..., Path], train: Train, tmp_path: Path
) -> None:
    alone = ("model.family=text", "model.audio_encoder=null", "model.config={}")
    run_set, recipe = train(noise_corpus(16), *alone, recipe="twokey-finetune")
    with pytest.raises(ConfigError, match="expected a model of audio and text, found one of text"):
        view_cosine(run_set, recipe, tmp_path)


def test_a_line_for_each_system() -> None:
    pair = "audio_mean · text_mean"
    one = {"folds": {pair: [0.1, 0.3]}, "cosine": {pair: 0.2}}
    two = {"folds": {}, "cosine": {}}
    (table,) = show_cosines("m", {"α = 0": [one], "other": [two]}).blocks
    assert isinstance(table, Table)
    assert table.columns == ("system", "audio mean · text mean")
    rows = [[(cell.text, cell.aside) for cell in row.cells] for row in table.rows]
    assert rows == [
        [("α = 0", ""), ("0.200", "0.100–0.300")],
        [("other", ""), ("–", "")],
    ]
