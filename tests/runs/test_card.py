"""A card says what a model has seen, how its numbers were made and what it is not for."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    (result,) = ModelCard(card).data.eval_results  # not of items that were trained on
    assert (
        result.metric_value
        == json.loads((run_set / "scores.json").read_text())["headline"]["value"]
    )
    assert "nothing was left to score it on" in card
    alone = write_card(run_set, runs=[tmp_path / "whole"], force=True).read_text()
    assert "nothing was left to score it on" not in alone


def changed(run_set: Path, **values: Any) -> Path:
    """The card of the run set with other values in its scores."""
    path = run_set / "scores.json"
    document = json.loads(path.read_text()) | values
    path.write_text(json.dumps(document))
    return write_card(run_set, force=True)


@pytest.mark.parametrize(
    "values,mark",
    [
        ({"scored": "selected on test"}, "; selected on test |"),
        ({"selection": "best_test"}, "; selected on test |"),
        ({"transductive": True}, "; adapted on the test side too |"),
    ],
)
def test_a_number_that_is_no_test_result_is_marked(
    run_set: Path, values: dict[str, Any], mark: str
) -> None:
    card = ModelCard.load(changed(run_set, **values))
    assert card.data.eval_results is None
    assert f"| noise: holdout{mark}" in card.text


def test_numbers_that_are_undefined_are_dashes(run_set: Path) -> None:
    document = json.loads((run_set / "scores.json").read_text())
    metric = document["headline"]["metric"]
    document["metrics"][metric] |= {"low": None, "high": None}
    document["intervals"]["level"] = 0.9
    text = changed(run_set, **document).read_text()
    assert re.search(r"\| noise: holdout \| UA \| \d\.\d{3} \| – \|", text)
    assert "(90 %) |" in text
    document["metrics"][metric]["value"] = document["headline"]["value"] = None
    card = ModelCard.load(changed(run_set, **document))
    assert "| noise: holdout | UA | – | – |" in card.text
    assert card.data.eval_results is None


def test_the_mean_of_several_models_is_said(run_set: Path) -> None:
    document = json.loads((run_set / "scores.json").read_text())
    changed(run_set, runs=document["runs"] * 3)
    card = ModelCard.load(write_card(run_set / "fold-0-seed-0"))
    assert "| noise: holdout; mean of 3 models | UA |" in card.text
    assert "not its own number" in card.text
    (result,) = card.data.eval_results
    assert result.metric_name == "UA, mean of 3 models"
    assert result.task_type == card.data.pipeline_tag == "audio-classification"


def test_what_is_no_classification_of_audio_is_not_called_so(run_set: Path) -> None:
    path = run_set / "model" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"heard": ["text"]}))
    assert ModelCard.load(changed(run_set)).data.pipeline_tag == "text-classification"
    heads = {"score": {"kind": "regression"}}
    path.write_text(json.dumps(config | {"heads": heads}))
    data = ModelCard.load(changed(run_set, task="regression")).data
    assert (data.pipeline_tag, data.eval_results[0].task_type) == (None, "other")


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
