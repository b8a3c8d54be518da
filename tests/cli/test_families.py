"""Every family through every verb: it is pretrained, adapted, fine-tuned, evaluated and asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from crosstone.data.corpora import CORPORA
from crosstone.data.corpus import Corpus
from crosstone.models import FAMILIES
from crosstone.models.checkpoint import load_task

SHORT = ("training.batch_size=16", "training.log_every=1", "optim.warmup=0")
ALONE = {"jbls-audio": "jbls", "jbls-text": "jbls", "cma-audio": "cma", "cma-text": "cma"}
"""Families of one tower, by the recipe of which they are a half."""
IN_TEST_STAGES = ("cmt", "audio", "text", "shallow")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 labelled utterances, 120 of which are tested, 100 unlabelled and 200 texts."""
    folder = tmp_path_factory.mktemp("corpora") / "twokey"
    CORPORA["twokey"](
        folder,
        folder,
        law="quadrants",
        labelled=600,
        unlabelled=100,
        text_only=200,
        speakers=60,
        unlabelled_speakers=10,
    )
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in lines(run / "log.jsonl") if line["event"] == "step"]


def recipe_of(name: str) -> list[str]:
    """Name of the family's small recipe, and overrides that make it the family's own."""
    recipe = f"twokey-{ALONE.get(name, name)}"
    if name not in ALONE:
        return [recipe]
    absent = "audio" if name.endswith("text") else "text"
    return [recipe, f"model.family={name}", f"model.{absent}_encoder=null"]


@pytest.mark.parametrize("name", [n for n in FAMILIES if n not in IN_TEST_STAGES])
def test_a_family_learns_is_asked_and_comes_back(
    crosstone: Any, spoken: Path, tmp_path: Path, name: str
) -> None:
    out, family = tmp_path / "run", FAMILIES[name]
    asked = (*recipe_of(name), f"data.corpus={spoken}", *SHORT, "training.steps=100")
    done = crosstone("finetune", *asked, "--out", out)
    assert done.code == 0, done.err
    scores = json.loads((out / "scores.json").read_text())
    assert scores["metrics"]["wa"]["value"] > 0.32  # chance is .25; 39 of 120 by it in 1 of 25
    found = losses(out / "fold-0-seed-0")
    assert sum(found[-10:]) < sum(found[:10])

    run = out / "fold-0-seed-0"
    labelled = ("--corpus", spoken, "--split", "labelled")
    done = crosstone("evaluate", run, *labelled, "--out", tmp_path / "again")
    assert done.code == 0, done.err
    again = {x["id"]: x["probabilities"] for x in lines(tmp_path / "again" / "predictions.jsonl")}
    for line in lines(out / "predictions.jsonl"):
        for label, probability in line["probabilities"].items():
            assert again[line["id"]][label] == pytest.approx(probability, abs=1e-5)

    utterance = Corpus.open(spoken).where(lambda u: u.split == "labelled")[0]
    heard = [spoken / str(utterance.audio)] if family.hears else []
    read = ["--text", utterance.text] if family.reads else []
    done = crosstone("predict", run, *heard, *read)
    assert done.code == 0, done.err
    assert json.loads(done.out)["used"] == list(family.modalities)

    model = load_task(run / "model")
    assert (model.config.pauses is not None) == family.hears
    model.backbone.save_pretrained(tmp_path / "backbone")
    backbone = AutoModel.from_pretrained(tmp_path / "backbone").eval()
    torch.manual_seed(0)
    given = {"audio": torch.randn(2, 16_000), "text": torch.randint(5, 200, (2, 9))}
    inputs = {k: v for k, v in given.items() if k in family.modalities}
    inputs |= {f"{k}_mask": torch.ones_like(v, dtype=torch.bool) for k, v in inputs.items()}
    with torch.no_grad():
        torch.testing.assert_close(backbone(**inputs).pooled, model.backbone(**inputs).pooled)


@pytest.mark.parametrize("name", ["ctal", "two-stream", "single-stream", "mockingjay"])
def test_what_its_paper_pretrains_is_pretrained_and_adapted(
    crosstone: Any, spoken: Path, tmp_path: Path, name: str
) -> None:
    data = f"data.corpus={spoken}"
    short = (*SHORT, "training.steps=60")
    pre, ada = tmp_path / "pre", tmp_path / "ada"
    done = crosstone("pretrain", f"twokey-{name}-pretrain", data, *short, "--out", pre)
    assert done.code == 0, done.err
    found = losses(pre)
    assert sum(found[-8:]) < 0.98 * sum(found[:8])

    held_out = "protocol={kind: holdout, unit: group, split: labelled, target: emotion}"
    start = (f"model.init={pre}", "model.audio_encoder=null", "model.text_encoder=null")
    adapt = ("stage=adapt", held_out, "data.split=null", "training.steps=2", *start)
    done = crosstone("adapt", f"twokey-{name}-pretrain", data, *SHORT, *adapt, "--out", ada)
    assert done.code == 0, done.err
    done = crosstone(
        *("finetune", "twokey-finetune", data, *SHORT, "training.steps=20"),
        *(f"model.family={name}", f"model.init={ada}", "--out", tmp_path / "fine"),
    )
    assert done.code == 0, done.err
    history = load_task(tmp_path / "fine" / "fold-0-seed-0" / "model").config.history
    assert [entry["stage"] for entry in history or []] == ["pretrain", "adapt", "finetune"]
