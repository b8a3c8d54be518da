"""Where a model answers, and how precisely."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import crosstone
from crosstone.data.batch import Item
from crosstone.errors import CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.placement import device_of
from crosstone.models import FAMILIES, CMTConfig, CMTModel, HeadSpec
from crosstone.models.task import TaskModel, build_task
from crosstone.models.towers import audio_tower, from_encoders, text_tower


@pytest.fixture
def model(tiny_configs: Mapping[str, Any]) -> TaskModel:
    torch.manual_seed(0)
    backbone = CMTModel(CMTConfig(**tiny_configs, num_layers=1))
    heads = {"emotion": HeadSpec(kind="classification", labels=("ang", "hap", "sad"))}
    return build_task(backbone, heads, heard=["audio+text"]).eval()


def clips(count: int) -> list[Item]:
    torch.manual_seed(1)
    return [
        Item(
            id=str(k),
            audio=torch.randn(4000 + 800 * k).numpy() / 10,
            text=torch.tensor([0, *range(5, 7 + k), 2]).numpy(),
        )
        for k in range(count)
    ]


def chances(predictor: Predictor) -> torch.Tensor:
    hears, reads = predictor.hears, predictor.model.backbone.text_encoder is not None
    items = [Item(c.id, c.audio if hears else None, c.text if reads else None) for c in clips(3)]
    found = [list((p.probabilities or {}).values()) for p in predictor.answers(items)]
    return torch.tensor(found)


def test_bf16_is_autocast_whose_weights_were_rounded_once(model: TaskModel) -> None:
    plain = Predictor(deepcopy(model))
    with torch.autocast("cpu", torch.bfloat16):
        cast = chances(plain)
    halved = Predictor(model, precision="bf16")
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert {m.weight.dtype for m in linear} == {torch.bfloat16}
    assert model.backbone.text_encoder.embeddings.dtype == torch.float32  # type: ignore[union-attr]
    torch.testing.assert_close(chances(halved), cast, rtol=0, atol=0)
    torch.testing.assert_close(chances(halved), chances(plain), rtol=0, atol=0.02)
    assert not torch.equal(chances(halved), chances(plain))


def predictor_of(name: str) -> Predictor:
    """A family on its smallest towers, with a head that says something of each utterance."""
    family = FAMILIES[name]
    torch.manual_seed(0)
    backbone = from_encoders(
        family.model,
        audio=audio_tower(family.audio_tower) if family.hears else None,
        text=text_tower(family.text_tower, 60) if family.reads else None,
        **family.small,
    )
    heads = {"emotion": HeadSpec(kind="classification", labels=("ang", "hap", "sad"))}
    model = build_task(backbone, heads, heard=["+".join(family.modalities)]).eval()
    model.heads["emotion"].weight.data.normal_(0, 0.2)
    return Predictor(model, head="emotion")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_answers_in_bf16(name: str) -> None:
    plain = predictor_of(name)
    halved = Predictor(deepcopy(plain.model), precision="bf16")
    torch.testing.assert_close(chances(halved), chances(plain), rtol=0, atol=0.05)


def test_codes_are_of_the_precision_that_a_tokenizer_has() -> None:
    model = predictor_of("jbls-audio").model
    tokenizer = model.backbone.audio_encoder.model.tokenizer
    sound = torch.from_numpy(clips(1)[0].audio)[None]
    before = tokenizer(sound)
    Predictor(model, precision="bf16")
    with torch.autocast("cpu", torch.bfloat16):
        after = tokenizer(sound)
    assert torch.equal(before.codes, after.codes)
    assert torch.equal(before.features, after.features)
    assert tokenizer.convolutions[0].weight.dtype == torch.float32


def test_a_device_that_is_not_here_is_refused(tmp_path: Path) -> None:
    assert device_of("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_of(None).type == expected
    for asked in ("tpu3", "cuda:99"):
        with pytest.raises(
            CrosstoneError, match=rf"^device: expected cpu, .* found '{asked}'; leave"
        ):
            crosstone.load(str(tmp_path), device=asked)
