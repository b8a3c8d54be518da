"""`crosstone explain`: JSON, a page and a picture, and a sentence for what cannot be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from crosstone.data.text import train_tokenizer
from crosstone.models import BaselineConfig, BaselineModel, CMTModel, HeadSpec
from crosstone.models.task import build_task

TEXT = "the day was bad"
Make = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_cmt: Callable[..., CMTModel]) -> Make:
    """`folder(kind)`: a model of both modalities, or with `text` alone one that reads."""

    def make(kind: str = "classification", *, text: bool = False) -> Path:
        tokenizer = train_tokenizer([TEXT], 300)
        labels = ("glad", "sad") if kind == "classification" else ()
        backbone: Any = make_cmt()
        config = backbone.config.text_config
        config.vocab_size = len(tokenizer)
        torch.manual_seed(0)
        if text:
            backbone = BaselineModel(BaselineConfig(text_config=config))
        else:
            backbone = CMTModel(backbone.config)
        heads = {"mood": HeadSpec(kind=kind, labels=labels)}  # type: ignore[arg-type]
        model = build_task(backbone, heads, heard=["text" if text else "audio+text"])
        model.save_pretrained(tmp_path / "model")
        tokenizer.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return make


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    samples = np.random.default_rng(0).normal(0, 0.1, 8000)
    soundfile.write(tmp_path / "clip.wav", samples, 16_000)
    return tmp_path / "clip.wav"


QUICK = ("--randomised", "0", "--window", "0.25")


def test_a_folder_of_three_files(crosstone: Any, folder: Make, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "why"
    asked = ("--text", TEXT, "--label", "sad", "--attention", "--out", out, *QUICK)
    done = crosstone("explain", folder(), clip, *asked)
    assert done.code == 0, done.err
    assert "the log odds of sad against the other classes" in done.out
    document = json.loads((out / "explanation.json").read_text())
    assert [w["word"] for w in document["words"]] == TEXT.split()
    assert len(document["stretches"]) == 2
    assert {a["stream"] for a in document["attention"]} == {"audio", "text"}
    assert document["completeness"]["is_complete"]
    assert "Why sad: clip.wav" in (out / "explanation.html").read_text()
    assert (out / "explanation.png").read_bytes().startswith(b"\x89PNG")


def test_json_on_standard_output_and_words_from_the_cues_beside(
    crosstone: Any, folder: Make, clip: Path
) -> None:
    clip.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nthe day was bad\n")
    done = crosstone("explain", folder(), clip, *QUICK)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert [w["start"] for w in document["words"]] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert document["label"] == document["answer"]["label"]
    cues = clip.with_suffix(".srt").rename(clip.with_name("other.srt"))
    done = crosstone("explain", folder(), clip, "--cues", cues, *QUICK)
    assert json.loads(done.out)["words"] == document["words"]
    done = crosstone("explain", folder(), clip, "--cues", cues, "--text", "something else", *QUICK)
    assert done.code == 2
    assert "expected cues that say the words of the text" in done.err


def test_words_alone_and_a_value(crosstone: Any, folder: Make, tmp_path: Path) -> None:
    out = tmp_path / "why"
    model = folder("regression", text=True)
    done = crosstone("explain", model, "--text", TEXT, "--out", out, *QUICK)
    assert done.code == 0, done.err
    assert "the value of mood" in done.out
    document = json.loads((out / "explanation.json").read_text())
    assert document["used"] == ["text"]
    assert document["stretches"] == document["modalities"] == []
    done = crosstone("explain", model, "--text", TEXT, "--label", "sad")
    assert done.code == 2
    assert "mood is a value and has no labels, found 'sad'" in done.err


@pytest.mark.parametrize(
    "asked,said",
    [
        ((), "explain: expected a recording, --text or --cues, found none of them"),
        (("CLIP",), "add a transcript (--text)"),
        (("--text", TEXT), "add a recording"),
        (("missing.wav", "--text", TEXT), "missing.wav"),
        (("CLIP", "--text", TEXT, "--label", "angry"), "expected one of glad, sad, found 'angry'"),
        (("CLIP", "--text", TEXT, "--window", "0.001"), "expected window to be at least 0.02"),
        (("CLIP", "--cues", "CLIP"), "clip.wav"),
        (("CLIP", "--text", "bad " * 80), "expected texts of at most 38 tokens"),
        (("CLIP", "--text", TEXT, "--head", "other"), "expected a head other"),
    ],
)
def test_what_cannot_be_explained(
    crosstone: Any, folder: Make, clip: Path, asked: tuple[str, ...], said: str
) -> None:
    model = folder()
    done = crosstone("explain", model, *(clip if a == "CLIP" else a for a in asked))
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
