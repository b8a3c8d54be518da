"""What is masked and by what: the described statistics, and independence of everything else."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.hubert.modeling_hubert import _compute_mask_indices

from crosstone.data.batch import IGNORED, Batch, Item, collate
from crosstone.models import CMTModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.masking import LEARNED
from crosstone.objectives import MaskedAudio, MaskedFrames, MaskedText, Objectives
from crosstone.objectives.masked_audio import draw_spans
from crosstone.sequence import Sequence as Padded

SPECIAL = frozenset({0, 1, 2, 3, 4})


def text_batch(lengths: list[int]) -> Batch:
    rng = np.random.default_rng(0)
    rows = [np.concatenate([[0], rng.integers(5, 60, n), [2]]) for n in lengths]
    return collate([Item(f"u{i}", None, row) for i, row in enumerate(rows)])


def objective(level: str, **fields: float) -> MaskedText:
    return MaskedText(head="text_tokens", level=level, vocab_size=60, special_ids=SPECIAL, **fields)


@pytest.mark.parametrize("level", ["outputs", "inputs"])
def test_text_masks_have_robertas_shares(level: str) -> None:
    batch = text_batch([50] * 400)
    masked = objective(level).corrupt(batch, seed=0, epoch=1)
    corruption = masked.corruption["text"]
    chosen = corruption.positions
    assert chosen.float().sum() / (400 * 50) == pytest.approx(0.15, abs=0.01)
    assert not chosen[:, 0].any()
    assert not (chosen & ((batch.text.values == 2) | ~batch.text.mask)).any()
    replacement = corruption.replacement[chosen]
    own = (torch.arange(52).expand(400, -1) if level == "outputs" else batch.text.values)[chosen]
    learned = (replacement == LEARNED).float().mean()
    kept = (replacement == own).float().mean()
    assert learned == pytest.approx(0.8, abs=0.03)
    assert kept == pytest.approx(0.1, abs=0.03)
    if level == "outputs":  # another real place of the same item, never a special one
        moved = replacement[(replacement != LEARNED) & (replacement != own)]
        assert moved.min() >= 1
        assert moved.max() <= 50
    else:
        moved = replacement[replacement != LEARNED]
        assert not set(moved.tolist()) & SPECIAL


def test_spans_have_the_recorded_statistics() -> None:
    """p = 0.075, span 10: 54 % of 500 frames, the fact sheet's .542 ± .031."""
    fractions = [
        draw_spans(np.random.default_rng(i), 500, 0.075, 10, 2).mean() for i in range(2000)
    ]
    assert np.mean(fractions) == pytest.approx(0.542, abs=0.003)
    assert np.std(fractions) == pytest.approx(0.031, abs=0.003)
    reference = _compute_mask_indices((500, 500), mask_prob=0.75, mask_length=10, min_masks=2)
    assert np.mean(fractions) == pytest.approx(reference.mean(), abs=0.008)


@settings(deadline=None, max_examples=60)
@given(length=st.integers(0, 60), span=st.integers(1, 12), seed=st.integers(0, 1000))
def test_spans_fit_any_length(length: int, span: int, seed: int) -> None:
    masked = draw_spans(np.random.default_rng(seed), length, 0.075, span, 2)
    assert masked.shape == (length,)
    if length >= 2:
        assert 0 < masked.sum() < length


def audio_batch(samples: list[int], strides: int = 100) -> Batch:
    rng = np.random.default_rng(0)
    items = [
        Item(
            f"u{i}",
            rng.normal(0, 0.1, n).astype(np.float32),
            None,
            codes=rng.integers(0, 9, n // strides),
        )
        for i, n in enumerate(samples)
    ]
    return collate(items)


def masked_audio() -> MaskedAudio:
    return MaskedAudio(head="audio_codes", num_frames=lambda samples: samples // 100)


def test_neighbours_change_no_mask() -> None:
    """Keyed by (seed, epoch, utterance id), each objective by itself."""
    both = Objectives([objective("outputs"), masked_audio()])
    rng = np.random.default_rng(1)
    items = [
        Item(
            f"u{i}",
            rng.normal(0, 0.1, n).astype(np.float32),
            np.array([0, *rng.integers(5, 60, n // 500), 2]),
            codes=rng.integers(0, 9, n // 100),
        )
        for i, n in enumerate([5000, 9000, 3000])
    ]
    together = both.corrupt(collate(items), seed=3, epoch=2)
    for row, item in enumerate(items):
        alone = both.corrupt(collate([item]), seed=3, epoch=2)
        for name, corruption in alone.corruption.items():
            width = corruption.positions.shape[1]
            found = together.corruption[name]
            assert torch.equal(found.positions[row, :width], corruption.positions[0])
            assert not found.positions[row, width:].any()
            assert torch.equal(found.replacement[row, :width], corruption.replacement[0])
    again = both.corrupt(collate(items), seed=3, epoch=2)
    other = both.corrupt(collate(items), seed=3, epoch=3)
    for name in ("audio", "text"):
        assert torch.equal(again.corruption[name].positions, together.corruption[name].positions)
        assert not torch.equal(
            other.corruption[name].positions, together.corruption[name].positions
        )


def test_padding_and_unlabelled_frames_are_never_masked() -> None:
    batch = audio_batch([5000, 2000])
    assert batch.codes is not None
    assert (batch.codes[1, 20:] == IGNORED).all()
    corruption = masked_audio().corrupt(batch, seed=0, epoch=1).corruption["audio"]
    assert corruption.positions.shape == (2, 50)
    assert not corruption.positions[1, 20:].any()
    assert corruption.positions[1].any()


def test_states_are_masked_as_their_waveforms_are() -> None:
    batch = audio_batch([5000, 2050, 30])
    assert batch.audio is not None
    states = Padded.pad([torch.ones(n, 4) for n in (50, 20, 1)])
    cached = dataclasses.replace(batch, audio=states)
    frames = MaskedFrames(
        head="audio_frames", num_frames=lambda n: n // 100, min_samples=100, probability=0.5
    )
    codes = dataclasses.replace(masked_audio(), min_samples=100)
    for objective in (codes, frames):
        found, wanted = (objective.corrupt(b, seed=0, epoch=1) for b in (cached, batch))
        for name in ("positions", "replacement"):
            assert torch.equal(
                getattr(found.corruption["audio"], name), getattr(wanted.corruption["audio"], name)
            )


def test_counts_are_known_before_the_forward_pass(
    make_cmt: Callable[..., CMTModel],
) -> None:
    heads = {
        "text_tokens": HeadSpec(kind="tokens"),
        "audio_codes": HeadSpec(kind="codes", num_codes=9, projection=8),
    }
    model = build_task(make_cmt(), heads)
    encoder = model.backbone.audio_encoder
    both = Objectives(
        [objective("outputs"), MaskedAudio(head="audio_codes", num_frames=encoder.num_frames)]
    )
    rng = np.random.default_rng(0)
    items = [
        Item(
            f"u{i}",
            rng.normal(0, 0.1, n).astype(np.float32),
            np.array([0, *rng.integers(5, 60, 20), 2]),
            codes=rng.integers(0, 9, n // 640),
        )
        for i, n in enumerate([12_000, 9000])
    ]
    batch = both.corrupt(collate(items), seed=0, epoch=1)
    parts = both(model(**batch.inputs()), batch).parts
    assert {name: part.count for name, part in parts.items()} == both.counts(batch)
    assert all(part.count > 0 and part.sum > 0 for part in parts.values())
    sum(part.sum / part.count for part in parts.values()).backward()
    assert model.heads["audio_codes"].mask_vector.grad.abs().sum() > 0
    assert model.heads["text_tokens"].mask_vector.grad.abs().sum() > 0


def test_nothing_to_mask_counts_nothing() -> None:
    batch = text_batch([5, 5])
    assert masked_audio().counts(masked_audio().corrupt(batch, seed=0, epoch=1)) == {
        "audio_codes": 0.0
    }
