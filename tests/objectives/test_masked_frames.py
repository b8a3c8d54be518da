"""Masked frames: the described statistics, the fates, the loss by hand."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.batch import Batch, Item, collate
from crosstone.models import CrossModalOutput, TaskOutput
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.objectives import MaskedFrames, Part
from crosstone.objectives.masked_frames import Draw, draw_overlapping, draw_segments
from crosstone.sequence import Sequence

Drawing = Callable[[np.random.Generator, int, int, float], Draw]


def many(draw: Drawing, length: int, draws: int = 2000) -> list[Draw]:
    found = []
    for seed in range(draws):
        rng = np.random.default_rng((seed, length))
        found.append(draw(rng, length, int(rng.integers(20, 51)), 0.15))
    return found


def shares(drawn: list[Draw]) -> tuple[float, float]:
    """Share of the frames that is masked, and of the utterances in which nothing is."""
    fractions = np.array([positions.mean() for positions, _ in drawn])
    return float(fractions.mean()), float((fractions == 0).mean())


@pytest.mark.parametrize(
    "length,fraction,empty",
    [
        (60, 0.0, 1.0),
        (100, 0.087, 0.65),
        (166, 0.200, 0.04),
        (200, 0.181, 0.0),
        (400, 0.139, 0.0),
        (800, 0.139, 0.0),
        (1600, 0.141, 0.0),
        (2999, 0.141, 0.0),
    ],
)
def test_code_has_the_recorded_shares(length: int, fraction: float, empty: float) -> None:
    """The fact sheet's table, measured on the released code with a seed of its own."""
    drawn = many(draw_overlapping, length, 2000 if length < 800 else 500)
    found = shares(drawn)
    assert found[0] == pytest.approx(fraction, abs=0.01)
    assert found[1] == pytest.approx(empty, abs=0.035)
    assert not any(positions[-1] for positions, _ in drawn)


@pytest.mark.parametrize("length", [10, 30, 60, 100, 166, 400, 1600])
def test_paper_masks_the_same_share_at_every_length(length: int) -> None:
    fraction, _ = shares(many(draw_segments, length))
    assert fraction == pytest.approx(0.15, abs=0.03 if length < 100 else 0.012)


def test_paper_rounds_by_chance() -> None:
    """100 frames in segments of 25: 0.6 of a segment, so 60 % of utterances have one of 25."""
    drawn = [draw_segments(np.random.default_rng(i), 100, 25, 0.15)[0] for i in range(2000)]
    sizes = np.array([positions.sum() for positions in drawn])
    assert set(sizes) == {0, 25}
    assert (sizes == 25).mean() == pytest.approx(0.6, abs=0.035)
    starts = [int(np.flatnonzero(p)[0]) for p in drawn if p.any()]
    assert set(starts) == {0, 25, 50, 75}


def fates(drawn: list[Draw]) -> dict[str, float]:
    """Share of the masked frames that is zeroed, moved and kept."""
    zeroed = moved = kept = 0
    for positions, replacement in drawn:
        masked = replacement[positions]
        own = np.flatnonzero(positions)
        zeroed += int((masked == LEARNED).sum())
        kept += int((masked == own).sum())
        moved += int(((masked != own) & (masked != LEARNED)).sum())
    total = zeroed + moved + kept
    return {"zeroed": zeroed / total, "moved": moved / total, "kept": kept / total}


@pytest.mark.parametrize("draw", [draw_segments, draw_overlapping])
def test_fates_are_eighty_ten_ten(draw: Drawing) -> None:
    found = fates(many(draw, 1600, 500))
    assert found["zeroed"] == pytest.approx(0.8, abs=0.025)
    assert found["moved"] == pytest.approx(0.1, abs=0.02)
    assert found["kept"] == pytest.approx(0.1, abs=0.02)


def test_a_segment_of_the_paper_has_one_fate_and_the_frames_of_a_span_have_many() -> None:
    def kinds(draw: Drawing) -> list[int]:
        found = []
        for seed in range(200):
            positions, replacement = draw(np.random.default_rng(seed), 300, 30, 0.1)
            own = np.flatnonzero(positions)
            masked = replacement[own]
            assert len(own) == 30
            found.append(len(set(np.where(masked == LEARNED, 0, np.where(masked == own, 1, 2)))))
        return found

    assert set(kinds(draw_segments)) == {1}
    assert np.mean(kinds(draw_overlapping)) > 2.5


def test_what_replaces_a_segment_comes_from_outside_it() -> None:
    seen = 0
    for seed in range(500):
        positions, replacement = draw_segments(np.random.default_rng(seed), 100, 25, 0.15)
        own, moved = np.flatnonzero(positions), replacement[positions]
        if len(own) and (moved != LEARNED).all() and (moved != own).any():
            seen += 1
            assert not set(own) & set(moved)
            assert len(set(moved)) == 25
    assert seen > 10


@settings(deadline=None, max_examples=80)
@given(
    length=st.integers(1, 120),
    span=st.integers(1, 50),
    probability=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
def test_both_fit_any_length(length: int, span: int, probability: float, seed: int) -> None:
    for draw in (draw_segments, draw_overlapping):
        positions, replacement = draw(np.random.default_rng(seed), length, span, probability)
        assert positions.shape == replacement.shape == (length,)
        assert replacement.min() >= LEARNED
        assert replacement.max() < length


def audio_batch(samples: list[int]) -> Batch:
    rng = np.random.default_rng(0)
    items = [
        Item(f"u{i}", rng.normal(size=n).astype(np.float32), None) for i, n in enumerate(samples)
    ]
    return collate(items)


def objective(**fields: object) -> MaskedFrames:
    given = {"num_frames": lambda n: n // 100 + 1, "min_span": 5, "max_span": 9, **fields}
    return MaskedFrames(head="audio_frames", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["paper", "code"])
def test_neighbours_and_padding_do_not_change_an_utterance(style: str) -> None:
    batch = audio_batch([9000, 4000, 6000])
    asked = objective(style=style)
    together = asked.corrupt(batch, seed=3, epoch=1).corruption["audio"]
    assert together.positions.shape == (3, 91)
    assert batch.audio is not None
    for row, (name, samples) in enumerate((("u0", 9000), ("u1", 4000), ("u2", 6000))):
        item = Item(name, batch.audio.values[row, :samples].numpy(), None)
        alone = asked.corrupt(collate([item]), seed=3, epoch=1).corruption["audio"]
        length = samples // 100 + 1
        assert torch.equal(together.positions[row, :length], alone.positions[0])
        assert torch.equal(together.replacement[row, :length], alone.replacement[0])
        assert not together.positions[row, length:].any()
    other = asked.corrupt(batch, seed=3, epoch=2).corruption["audio"]
    assert not torch.equal(other.positions, together.positions)


def test_an_utterance_without_sound_is_left_alone() -> None:
    silent = Item("u1", None, np.array([0, 5, 2]))
    batch = audio_batch([9000])
    assert batch.audio is not None
    mixed = collate([Item("u0", batch.audio.values[0].numpy(), None), silent])
    corruption = objective(probability=1.0).corrupt(mixed, seed=0, epoch=0).corruption["audio"]
    assert corruption.positions[0].all()
    assert not corruption.positions[1].any()
    words = collate([silent])
    assert objective().corrupt(words, seed=0, epoch=0) is words
    assert objective().counts(words) == {"audio_frames": 0.0}


def answer(features: torch.Tensor | None, found: torch.Tensor) -> TaskOutput:
    sequence = None
    if features is not None:
        sequence = Sequence(features, torch.ones(features.shape[:2], dtype=torch.bool))
    backbone = CrossModalOutput(
        audio=None, text=None, pooled=torch.ones(1, 1, requires_grad=True), views={}
    )
    backbone.features = sequence
    return TaskOutput(backbone, {"audio_frames": found})


def test_the_loss_by_hand_is_the_mean_over_all_values() -> None:
    features = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    positions = torch.tensor([[True, False, True]])
    corruption = Corruption(positions, torch.full((1, 3), LEARNED))
    batch = dataclasses.replace(audio_batch([200]), corruption={"audio": corruption})
    found = torch.tensor([[1.0, 3.0], [2.0, 8.0]])
    part = objective(weight=2.0)(answer(features, found), batch).parts["audio_frames"]
    assert objective().counts(batch) == {"audio_frames": 2.0}
    assert part == Part(torch.tensor((0 + 1 + 3 + 2) / 2), 2.0, 2.0)


def test_nothing_masked_is_a_loss_of_nothing() -> None:
    part = objective()(answer(None, torch.zeros(0, 2)), audio_batch([200])).parts["audio_frames"]
    part.sum.backward()
    assert (part.sum.item(), part.count) == (0.0, 0.0)
