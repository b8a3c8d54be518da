"""What a run has trained on, by its own record."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.data.corpus import Corpus
from crosstone.models import JBLSConfig, JBLSModel
from crosstone.models.checkpoint import read_task_config
from crosstone.models.task import build_task
from crosstone.nn.speechbert import tiny_speechbert
from crosstone.runs.items import items_for
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

TINY = ["model.family=text", "model.text_encoder=roberta-tiny", "model.vocab_size=280"]
FOLDS = ["protocol.split=null", "protocol.kind=grouped-kfold", "protocol.folds=2"]


def test_no_fold_trains_on_what_it_tests(noise_corpus: Callable[..., Path], tmp_path: Path) -> None:
    asked = [f"data.corpus={noise_corpus()}", *TINY, *FOLDS, "training.steps=1"]
    out = run(load_recipe("twokey-finetune", asked), tmp_path / "run")
    for fold in (0, 1):
        folder = out / f"fold-{fold}-seed-0"
        lines = (folder / "predictions.jsonl").read_text().splitlines()
        tested = {json.loads(line)["speaker"] for line in lines}
        seen = (read_task_config(folder / "model").history or [])[-1]
        assert len(tested) == 2
        assert not tested & set(seen["speakers"])
        assert seen["utterances"] + len(lines) == 24


@pytest.mark.parametrize("transductive", [False, True])
def test_adaptation_sees_the_test_side_only_when_asked(
    noise_corpus: Callable[..., Path], tmp_path: Path, transductive: bool
) -> None:
    asked = [
        f"data.corpus={noise_corpus()}",
        *TINY,
        *FOLDS,
        "training.steps=1",
        f"data.transductive={str(transductive).lower()}",
    ]
    recipe = load_recipe("twokey-text-tower", ["stage=adapt", "data.split=null", *asked])
    out = run(recipe, tmp_path / "run")
    seen = (read_task_config(out / "fold-0-seed-0" / "model").history or [])[-1]
    assert len(seen["speakers"]) == (4 if transductive else 2)
    assert seen["transductive"] is transductive


def test_recordings_that_an_encoder_cuts_are_counted(
    noise_corpus: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """20 frames of 20 ms and the first one's width are 0.459 s; 9 of 24 are longer."""
    config = tiny_speechbert()
    config.bert_config.max_position_embeddings = 24
    model = build_task(JBLSModel(JBLSConfig(audio_config=config)), {})
    items_for(model, None, Corpus.open(noise_corpus()))
    assert "noise: 9 of 24 recordings lose their end" in caplog.text
