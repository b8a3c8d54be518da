"""Every model class is exported: its graph answers as torch does, alone and side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crosstone.data.text import train_tokenizer
from crosstone.inference import Predictor
from crosstone.inference.export import export_onnx
from crosstone.inference.export.runner import Runner
from crosstone.models import FAMILIES, HeadSpec
from crosstone.models.builtin import BUILTIN_AUDIO, BUILTIN_TEXT
from crosstone.models.task import build_task

WORDS = "come in and close the door"
SHORTER = {"num_layers": 1, "audio_layers": 1, "num_convolutions": 1}
"""Of what a family is small by, where it has it: the graph of one layer says what that of two does,
and is traced in half the time."""
IN_TEST_EXPORT = ("cmt", "shallow")
EXPORTED = ("ctal", "jbls", "cma", "mult", "two-stream", "single-stream")
"""Those of one modality are parts of these, which are asked for each alone too."""


def predictor_of(name: str) -> Predictor:
    """A family with a head that says something of each utterance, on the smallest towers."""
    family, tokenizer = FAMILIES[name], None
    config: dict[str, Any] = dict(family.small)
    config |= {k: v for k, v in SHORTER.items() if hasattr(family.model.config_class, k)}
    if family.hears:
        config["audio_config"] = BUILTIN_AUDIO[family.audio_tower]()
    if family.reads:
        tokenizer = train_tokenizer([WORDS, "it is late", "no"] * 4, 300)
        config["text_config"] = BUILTIN_TEXT[family.text_tower](vocab_size=len(tokenizer))
    torch.manual_seed(0)
    for tower in ("audio_config", "text_config"):
        if getattr(config.get(tower), "num_hidden_layers", 0) > 1:
            config[tower].num_hidden_layers = 1
    backbone = family.model(family.model.config_class(**config))
    heads = {"mood": HeadSpec(kind="classification", labels=("calm", "glad", "tense"))}
    model = build_task(backbone, heads, heard=["audio", "audio+text", "text"]).eval()
    model.heads["mood"].weight.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    return Predictor(model, tokenizer)


def test_no_model_class_is_left_out() -> None:
    tried = {FAMILIES[name].model for name in (*IN_TEST_EXPORT, *EXPORTED)}
    assert tried == {family.model for family in FAMILIES.values()}


@pytest.mark.parametrize("name", EXPORTED)
def test_a_family_is_exported(name: str, tmp_path: Path) -> None:
    predictor = predictor_of(name)
    made = export_onnx(predictor, tmp_path / "out")
    assert made.num_clips == 12
    assert made.difference.is_rounding
    assert made.difference.logits < 2e-4
    runner = Runner(tmp_path / "out", threads=1)
    rng = np.random.default_rng(1)
    for seconds, words in ((0.06, None), (1.7, WORDS), (0.0, WORDS)):
        sound = (0.2 * rng.standard_normal(int(16_000 * seconds))).astype(np.float32)
        asked: dict[str, Any] = {"text": words}
        asked |= {"audio": sound, "sampling_rate": 16_000} if seconds else {}
        found, expected = runner.predict(**asked), predictor.predict(**asked)
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
        assert found["used"] == list(expected.used)
