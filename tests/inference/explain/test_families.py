"""Integrated gradients are complete in every family, and attention has its words and its time."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from crosstone.data.text import train_tokenizer
from crosstone.inference.explain import Explanation, Settings
from crosstone.inference.predictor import Predictor
from crosstone.models import HeadSpec
from crosstone.models.families import FAMILIES
from crosstone.models.task import build_task
from crosstone.models.towers import audio_tower, from_encoders, text_tower

WORDS = "so it was a good , bad day"
TOKENIZER = train_tokenizer([WORDS] * 9, 300)


def predictor_of(name: str, *, audio: str = "", **fields: Any) -> Predictor:
    family = FAMILIES[name]
    torch.manual_seed(0)
    backbone = from_encoders(
        family.model,
        audio=audio_tower(audio or family.audio_tower) if family.hears else None,
        text=text_tower(family.text_tower, len(TOKENIZER)) if family.reads else None,
        **{**family.small, **fields},
    )
    heads = {"mood": HeadSpec(kind="classification", labels=("calm", "glad", "sad"))}
    model = build_task(backbone, heads, heard=["+".join(family.modalities)])
    return Predictor(model, TOKENIZER if family.reads else None)


def explained(name: str, **fields: Any) -> Explanation:
    family, predictor = FAMILIES[name], predictor_of(name, **fields)
    model = predictor.model
    wanted = [p.requires_grad for p in model.parameters()]
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    found = predictor.explain(
        samples if family.hears else None,
        sampling_rate=16_000,
        text=WORDS if family.reads else None,
        attention=True,
        settings=Settings(randomised=0, draws=1),
    )
    assert [p.requires_grad for p in model.parameters()] == wanted
    assert all(p.grad is None for p in model.parameters())
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_are_complete(name: str) -> None:
    """They add up, in words and stretches, to the score less that of the baseline."""
    found = explained(name)
    told = found.completeness
    assert told.is_complete
    assert abs(told.residual) <= told.tolerance
    summed = sum(e.gradients for e in (*found.words, *found.stretches))
    assert summed == pytest.approx(told.total, abs=1e-6)
    assert told.total - told.residual == pytest.approx(found.score - told.baseline, abs=1e-5)
    assert len(found.words) == (8 if FAMILIES[name].reads else 0)
    assert len(found.stretches) == (5 if FAMILIES[name].hears else 0)


@pytest.mark.parametrize("audio", ["hubert-tiny", "speechbert-tiny"])
def test_other_encoders_are_entered_before_their_blocks(audio: str) -> None:
    assert explained("cmt", audio=audio).completeness.is_complete


def test_gradients_pass_frozen_encoders_and_leave_them_frozen() -> None:
    free, frozen = (explained("cmt", freeze_audio=how, freeze_text=how) for how in ("none", "all"))
    for a, b in zip(free.words, frozen.words, strict=True):
        assert a.gradients == pytest.approx(b.gradients, abs=1e-6)
    for c, d in zip(free.stretches, frozen.stretches, strict=True):
        assert c.gradients == pytest.approx(d.gradients, abs=1e-6)
    assert any(abs(word.gradients) > 1e-4 for word in frozen.words)


@pytest.mark.parametrize("name", ["cmt", "ctal", "cma", "mult", "two-stream"])
def test_attention_is_merged_into_words_and_time(name: str) -> None:
    found = explained(name).attention
    assert {a.stream for a in found} == ({"audio"} if name == "ctal" else {"text", "audio"})
    for attention in found:
        assert attention.weights.shape == (8, 5)
        if attention.stream == "text":
            assert attention.weights.sum(1) == pytest.approx(np.ones(8), abs=1e-5)
        else:
            assert (attention.weights.sum(0) < 1).all()


def test_streams_that_look_as_a_whole_have_one_row_or_column() -> None:
    by_stream = {a.stream: a.weights for a in explained("jbls", fusion="co-attention").attention}
    assert by_stream["text"].shape == (1, 5)
    assert by_stream["text"].sum() == pytest.approx(1, abs=1e-5)
    assert by_stream["audio"].shape == (8, 1)


def test_families_without_such_weights_show_none() -> None:
    assert explained("shallow").attention == ()


def test_gradients_pass_recurrent_layers_in_training_alone() -> None:
    """As cuDNN asks; other devices go back in either mode, and nothing else leaves eval mode."""
    predictor = predictor_of("cma")
    modes: set[tuple[bool, str, bool]] = set()
    for module in predictor.model.modules():
        if not list(module.children()):
            module.register_forward_pre_hook(
                lambda m, _: modes.add((torch.is_grad_enabled(), type(m).__name__, m.training))
            )
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    settings = Settings(randomised=0, draws=1, steps=2)
    predictor.explain(samples, sampling_rate=16_000, text="a good day", settings=settings)
    assert {(grad, kind) for grad, kind, training in modes if training} == {(True, "LSTM")}
    assert (True, "LSTM", False) not in modes
    assert (False, "LSTM", False) in modes


class _SinglePrecision(TorchFunctionMode):
    """As on a device without float64: what was not brought to the CPU cannot become double."""

    def __init__(self) -> None:
        super().__init__()
        self.brought: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.double:
            assert any(args[0] is tensor for tensor in self.brought)
        found = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            self.brought.append(found)
        return found


def test_a_device_without_doubles_explains() -> None:
    with _SinglePrecision() as mode:
        assert explained("cmt").completeness.is_complete
    assert mode.brought
