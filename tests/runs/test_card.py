"""A card says what a model has seen, how its numbers were made and what it is not for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from crosstone.data.corpus import Corpus
from crosstone.errors import CheckpointError, ConfigError, CorpusError
from crosstone.runs.card import write_card
from crosstone.runs.evaluate import evaluate
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run


@pytest.fixture
def run_set(noise_corpus: Callable[..., Path], tmp_path: Path) -> Path:
    recipe = load_recipe(
        "twokey-finetune",
        [
            f"data.corpus={noise_corpus()}",
            "protocol.split=null",
            "training.batch_size=8",
            "training.steps=1",
            "model.family=audio",
            "model.audio_encoder=logmel-mini",
            "final_model=true",
        ],
    )
    return run(recipe, tmp_path / "run")


def test_a_card_of_a_run_set(run_set: Path) -> None:
    path = write_card(run_set, licence="apache-2.0")
    assert path == run_set / "model" / "README.md"
    card = ModelCard.load(path)
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "crosstone")
    assert card.data.datasets == ["noise"]
    (result,) = card.data.eval_results
    assert (result.metric_type, result.dataset_name) == ("ua", "noise")
    assert 0 <= result.metric_value <= 1
    assert "- `emotion`: one of glad and sad." in card.text
    assert "trained on audio alone" in card.text
    assert "| finetune | noise | 24 | 4 | 4 | not stated |" in card.text
    assert "| noise: holdout | UA |" in card.text
    assert "one hold-out, no group on both sides" in card.text
    assert "weights of the last epoch" in card.text
    assert "nothing was left to score it on" in card.text
    assert 'model.predict("call.wav"))' in card.text
    assert "decisions about a person" in card.text


def test_the_model_of_a_fold_finds_the_scores_of_its_own_run(run_set: Path) -> None:
    path = write_card(run_set / "fold-0-seed-0")
    assert "| noise: holdout | UA |" in path.read_text()
    assert "nothing was left to score it on" not in path.read_text()


def test_the_folds_scores_are_told_from_the_model_s_own(run_set: Path, tmp_path: Path) -> None:
    corpus = Corpus.open(tmp_path / "noise")
    evaluate(run_set, corpus, tmp_path / "whole")
    evaluate(run_set / "fold-0-seed-0", corpus, tmp_path / "of_fold")
    names = [
        json.loads((tmp_path / f / "run.json").read_text())["name"] for f in ("whole", "of_fold")
    ]
    title = json.loads((run_set / "run.json").read_text())["name"]
    assert names == [title, f"{title}, fold-0-seed-0"]
    card = write_card(run_set, runs=[tmp_path / "whole", run_set]).read_text()
    assert f"# {title}\n" in card
    assert "| noise: whole corpus, seen in training | UA |" in card
    assert "nothing was left to score it on" in card
    alone = write_card(run_set, runs=[tmp_path / "whole"], force=True).read_text()
    assert "nothing was left to score it on" not in alone


def test_a_card_is_never_overwritten_unasked(run_set: Path) -> None:
    path = write_card(run_set)
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"README\.md: a card stands here; replace it with"):
        write_card(run_set)
    assert path.read_text() == "mine"
    write_card(run_set, force=True)
    assert path.read_text().startswith("---\n")


def test_what_has_no_scores_or_no_model_is_said(run_set: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no scores\.json; give a run set or an evaluation"):
        write_card(run_set, runs=[tmp_path])
    with pytest.raises(CheckpointError, match="no model here"):
        write_card(tmp_path / "nothing")
