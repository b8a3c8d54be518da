"""Every family through every verb: it is pretrained, adapted, fine-tuned, evaluated and asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from crosstone.data.corpus import Corpus
from crosstone.models import FAMILIES
from crosstone.models.task import load_task

SHORT = ("training.batch_size=8", "training.log_every=1", "optim.lr=2e-3", "optim.warmup=0")
LONGER = {"cma-text": 160, "jbls-text": 160, "jbls-audio": 120}
"""Steps of those that need more than the others on 160 utterances."""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in lines(run / "log.jsonl") if line["event"] == "step"]


def parts(name: str) -> list[str]:
    """Overrides that choose a family on its small towers."""
    family = FAMILIES[name]
    return [
        f"model.family={name}",
        f"model.config={json.dumps(dict(family.small))}",
        f"model.audio_encoder={family.audio_tower if family.hears else 'null'}",
        f"model.text_encoder={family.text_tower if family.reads else 'null'}",
        "model.vocab_size=300",
    ]


@pytest.mark.parametrize(
    "name", [n for n in FAMILIES if n not in ("cmt", "audio", "text", "shallow")]
)
def test_a_family_learns_is_asked_and_comes_back(
    crosstone: Any, twokey: Path, tmp_path: Path, name: str
) -> None:
    """The four others are in test_stages."""
    out = tmp_path / "run"
    steps = f"training.steps={LONGER.get(name, 60)}"
    asked = ("finetune", "twokey-finetune", f"data.corpus={twokey}", *parts(name), *SHORT, steps)
    done = crosstone(*asked, "--out", out)
    assert done.code == 0, done.err
    scores = json.loads((out / "scores.json").read_text())
    assert scores["metrics"]["wa"]["value"] > 0.26  # chance is .25
    found = losses(out / "fold-0-seed-0")
    assert sum(found[-10:]) < sum(found[:10])

    run = out / "fold-0-seed-0"
    done = crosstone(
        "evaluate", run, "--corpus", twokey, "--split", "labelled", "--out", tmp_path / "ev"
    )
    assert done.code == 0, done.err
    again = {
        line["id"]: line["probabilities"] for line in lines(tmp_path / "ev" / "predictions.jsonl")
    }
    for line in lines(out / "predictions.jsonl"):
        for label, probability in line["probabilities"].items():
            assert again[line["id"]][label] == pytest.approx(probability, abs=1e-5)

    utterance = Corpus.open(twokey).where(lambda u: u.split == "labelled")[0]
    recording = twokey / str(utterance.audio)
    heard = [recording] if FAMILIES[name].hears else []
    read = ["--text", utterance.text] if FAMILIES[name].reads else []
    done = crosstone("predict", run, *heard, *read)
    assert done.code == 0, done.err
    assert json.loads(done.out)["used"] == list(FAMILIES[name].modalities)

    model = load_task(run / "model")
    model.backbone.save_pretrained(tmp_path / "backbone")
    backbone = AutoModel.from_pretrained(tmp_path / "backbone").eval()
    torch.manual_seed(0)
    given = {"audio": torch.randn(2, 16_000), "text": torch.randint(5, 200, (2, 9))}
    inputs = {k: v for k, v in given.items() if k in FAMILIES[name].modalities}
    inputs |= {f"{k}_mask": torch.ones_like(v, dtype=torch.bool) for k, v in inputs.items()}
    with torch.no_grad():
        torch.testing.assert_close(backbone(**inputs).pooled, model.backbone(**inputs).pooled)


@pytest.mark.parametrize("name", ["ctal", "two-stream", "single-stream", "mockingjay"])
def test_what_its_paper_pretrains_is_pretrained_and_adapted(
    crosstone: Any, twokey: Path, tmp_path: Path, name: str
) -> None:
    data = f"data.corpus={twokey}"
    short = (*SHORT, "training.steps=30", "model.vocab_size=300")
    pre, ada = tmp_path / "pre", tmp_path / "ada"
    done = crosstone("pretrain", f"twokey-{name}-pretrain", data, *short, "--out", pre)
    assert done.code == 0, done.err
    found = losses(pre)
    assert sum(found[-8:]) < 0.95 * sum(found[:8])

    held_out = "protocol={kind: holdout, unit: group, split: labelled, target: emotion}"
    start = (f"model.init={pre}", "model.audio_encoder=null", "model.text_encoder=null")
    adapt = ("stage=adapt", held_out, "data.split=null", "training.steps=2", *start)
    done = crosstone("adapt", f"twokey-{name}-pretrain", data, *SHORT, *adapt, "--out", ada)
    assert done.code == 0, done.err
    done = crosstone(
        *("finetune", "twokey-finetune", data, *SHORT, "training.steps=40"),
        *(f"model.family={name}", f"model.init={ada}", "--out", tmp_path / "fine"),
    )
    assert done.code == 0, done.err
    history = load_task(tmp_path / "fine" / "fold-0-seed-0" / "model").config.history
    assert [entry["stage"] for entry in history or []] == ["pretrain", "adapt", "finetune"]
