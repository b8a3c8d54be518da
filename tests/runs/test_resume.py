"""A run set that was cut off and resumed ends as one that never stopped, bit for bit."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.runs.codes import make_codebook
from crosstone.runs.recipe import Recipe, load_recipe
from crosstone.runs.runset import run
from crosstone.training.log import VOLATILE


class CutOff(BaseException):
    """Not an Exception, so that nothing on the way tidies up."""


def recipes(folder: Path, codebook: Path) -> dict[str, Recipe]:
    common = [
        f"data.corpus={folder}",
        "model.audio_encoder=logmel-tiny",
        "model.text_encoder=roberta-tiny",
        "model.vocab_size=280",
        "training.batch_size=6",
        "training.micro_batch_size=4",
        "training.checkpoint_every=2",
        "training.log_every=1",
    ]
    fine = ["protocol.split=null", "protocol.kind=grouped-kfold", "protocol.folds=2"]
    fine += ["protocol.selection=best_valid", "training.steps=null", "training.epochs=2"]
    fine += ["objectives.modality_dropout={audio: 0.3, text: 0.3}", "calibrate=auto"]
    fine += ["model.config.absent_tokens=true"]
    masked = [f"objectives.masked_audio.codebook={codebook}", "data.split=null", "probe_every=2"]
    return {
        "pretrain": load_recipe("twokey-cmt-pretrain", [*common, *masked, "training.steps=5"]),
        "finetune": load_recipe("twokey-finetune", [*common, *fine, "final_model=true"]),
    }


def content(out: Path) -> dict[str, Any]:
    """Weights byte for byte; logs and scores without time, speed and memory."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        name = str(path.relative_to(out))
        if path.name == "log.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{k: v for k, v in x.items() if k not in VOLATILE} for x in lines]
        elif path.name == "run.json":
            facts = json.loads(path.read_text())
            found[name] = {k: v for k, v in facts.items() if k not in VOLATILE}
        else:
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_resumed_equals_uninterrupted(
    noise_corpus: Callable[..., Path], tmp_path: Path, stage: str
) -> None:
    folder = noise_corpus()
    codebook = tmp_path / "codes.safetensors"
    make_codebook(Corpus.open(folder), codebook, stride=640, num_codes=8, sample=1.0)
    recipe = recipes(folder, codebook)[stage]
    whole = run(recipe, tmp_path / "whole")
    out = tmp_path / "cut"
    cuts = 0
    for after in (1, 0, 1, 2, 1, 4, 1000):
        seen = 0

        def cut(title: str, done: int, total: int, after: int = after) -> None:
            nonlocal seen
            seen += "fold" in title or "CMT" in title or title == recipe.title
            if seen > after:
                raise CutOff

        try:
            run(recipe, out, resume=out.exists(), progress=cut)
        except CutOff:
            cuts += 1
    assert cuts >= (2 if stage == "pretrain" else 5)
    assert content(out) == content(whole)
    run(recipe, out, resume=True)
    assert content(out) == content(whole)


def test_an_adaptation_that_is_complete_is_left_alone(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    codebook = tmp_path / "codes.safetensors"
    make_codebook(Corpus.open(folder), codebook, stride=640, num_codes=8, sample=1.0)
    pretrained = run(recipes(folder, codebook)["pretrain"], tmp_path / "pre")
    # pretraining has seen every group without saying so
    asked = [
        f"data.corpus={folder}",
        f"objectives.masked_audio.codebook={codebook}",
        "protocol.split=null",
        "protocol.kind=grouped-kfold",
        "protocol.folds=2",
        "training.steps=2",
    ]
    with pytest.raises(ConfigError, match="which the stage 'pretrain'"):
        run(
            load_recipe("twokey-cmt-adapt", [*asked, f"model.init={pretrained}"]), tmp_path / "leak"
        )
    recipe = load_recipe(
        "twokey-cmt-adapt",
        [
            *asked,
            "model.audio_encoder=logmel-tiny",
            "model.text_encoder=roberta-tiny",
            "model.vocab_size=280",
        ],
    )
    out = run(recipe, tmp_path / "adapted")
    told: list[str] = []
    run(recipe, out, resume=True, progress=lambda title, done, total: told.append(title))
    assert not any("fold" in title for title in told)
    assert not list(out.rglob("checkpoints"))
    # an encoder carries what it has seen
    finetune = load_recipe(
        "twokey-finetune",
        [
            f"data.corpus={folder}",
            "protocol.split=null",
            "training.steps=1",
            f"model.audio_encoder={pretrained}",
            f"model.text_encoder={pretrained}",
        ],
    )
    with pytest.raises(ConfigError, match="which the stage 'pretrain' of an encoder"):
        run(finetune, tmp_path / "peeked")


def test_a_run_set_does_not_mix_two_corpora(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    asked = [
        f"data.corpus={folder}",
        "model.family=text",
        "model.text_encoder=roberta-tiny",
        "model.vocab_size=280",
        "protocol.split=null",
        "training.steps=1",
        "final_model=true",
    ]
    recipe = load_recipe("twokey-finetune", asked)
    out = run(recipe, tmp_path / "out")
    whole = Corpus.open(folder)
    relabelled = [
        dataclasses.replace(u, labels={"emotion": "sad" if i % 3 else "glad"})
        for i, u in enumerate(whole)
    ]
    Corpus.write(folder, name="noise", root=whole.root, source=whole.source, utterances=relabelled)
    before = content(out)
    said = r"fold-0-seed-0: began with another training side, test side than stands there now"
    with pytest.raises(ConfigError, match=said):
        run(recipe, out, resume=True)
    assert content(out) == before


def test_a_folder_is_not_taken_over(noise_corpus: Callable[..., Path], tmp_path: Path) -> None:
    recipe = load_recipe(
        "twokey-finetune",
        [
            f"data.corpus={noise_corpus()}",
            "model.family=text",
            "model.text_encoder=roberta-tiny",
            "model.vocab_size=280",
            "protocol.split=null",
            "training.steps=1",
        ],
    )
    out = run(recipe, tmp_path / "out")
    with pytest.raises(ConfigError, match="a run stands here; go on with --resume"):
        run(recipe, out)
    other = load_recipe("twokey-finetune", [f"data.corpus={tmp_path}", "seeds=[1]"])
    with pytest.raises(ConfigError, match=r"the recipe differs from .*recipe\.yaml"):
        run(other, out, resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("…")
    with pytest.raises(ConfigError, match="expected an empty or new folder"):
        run(recipe, tmp_path / "full")
