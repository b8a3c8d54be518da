"""The verb export: what it takes for each form, and a model with what int8 loses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from crosstone.inference.export.runner import Runner
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.logmel import LogMelConfig


@pytest.fixture
def listener(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LogMelConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    heads = {"mood": HeadSpec(kind="classification", labels=("glad", "sad"))}
    model = build_task(BaselineModel(BaselineConfig(audio_config=config)), heads, heard=["audio"])
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_is_exported_checked_and_weighed(
    crosstone: Any, listener: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, whatever else there is: here a device that answers nothing."""
    place = "crosstone.inference.predictor.device_of"
    monkeypatch.setattr(place, lambda asked: torch.device(asked or "meta"))
    rng, rows = np.random.default_rng(0), ["audio,mood,speaker"]
    for i in range(12):
        sound = 0.3 * np.sin(np.arange(4000 + 900 * i) / (5 + i))
        sound += 0.01 * rng.standard_normal(len(sound))
        soundfile.write(tmp_path / f"{i}.wav", sound, 16_000)
        rows.append(f"{i}.wav,{('glad', 'sad')[i % 2]},s{i // 2}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    corpus = tmp_path / "corpus"
    assert crosstone("prepare", "table", tmp_path / "table.csv", "--out", corpus).code == 0

    out = tmp_path / "onnx"
    asked = ("export", listener, "--to", "onnx", "--out", out, "--int8")
    refused = crosstone(*asked)
    assert refused.code == 2
    assert "--corpus" in refused.err
    assert not out.exists()

    done = crosstone(*asked, "--corpus", corpus)
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert "largest difference from torch" in first
    assert "(probabilities " in first
    assert "(probabilities " in second
    assert first.endswith("over 12 clips")
    assert "int8 on 12 utterances of table: wa " in second
    loss = json.loads((out / "config.json").read_text())["int8"]
    assert (loss["num_utterances"], loss["num_seen"]) == (12, 0)
    assert set(loss["before"]) == set(loss["after"]) == {"wa", "ua"}
    said = crosstone("predict", listener, tmp_path / "3.wav", "--device", "cpu").out
    predicted = json.loads(said)
    answer = Runner(out, threads=1).predict(tmp_path / "3.wav")
    assert answer["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-5)


def test_each_form_says_what_it_does_not_take(
    crosstone: Any, listener: Path, tmp_path: Path
) -> None:
    done = crosstone("export", tmp_path, "--to", "lhotse", "--out", "cuts.jsonl", "--int8")
    assert done.code == 2
    assert "which are of a model" in " ".join(done.err.split())
    done = crosstone("export", listener, "--to", "onnx", "--out", tmp_path / "o", "--abstain", 0.9)
    assert done.code == 2
    assert "carries no calibration" in done.err
    done = crosstone("export", tmp_path / "no", "--to", "onnx", "--out", tmp_path / "out")
    assert done.code == 2
    assert "no model here" in done.err
    done = crosstone("export", listener, "--to", "pickle", "--out", tmp_path / "out")
    assert done.code == 2
