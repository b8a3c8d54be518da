"""A learned vector for a modality that is not there, in every family that takes two."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from crosstone.models import FAMILIES, HeadSpec
from crosstone.models.base import CrossModalModel
from crosstone.models.checkpoint import load_backbone, load_task
from crosstone.models.task import build_task
from crosstone.models.towers import audio_tower, from_encoders, text_tower
from crosstone.nn.absence import AbsentTokens
from crosstone.sequence import Sequence

BOTH = [name for name, family in FAMILIES.items() if len(family.modalities) == 2]


def build(name: str, **fields: Any) -> CrossModalModel:
    torch.manual_seed(0)
    family = FAMILIES[name]
    audio, text = audio_tower(family.audio_tower), text_tower(family.text_tower, 60)
    return from_encoders(family.model, audio=audio, text=text, **{**family.small, **fields}).eval()


def inputs() -> dict[str, torch.Tensor]:
    """Three items: both, audio alone, text alone."""
    torch.manual_seed(1)
    audio_mask = torch.arange(16_000) < torch.tensor([[16_000], [12_000], [0]])
    text_mask = torch.arange(7) < torch.tensor([[7], [0], [5]])
    return {
        "audio": torch.randn(3, 16_000) * audio_mask,
        "audio_mask": audio_mask,
        "text": torch.randint(5, 60, (3, 7)),
        "text_mask": text_mask,
    }


def alone(row: int, *names: str) -> dict[str, torch.Tensor]:
    """One item with these modalities; the others are not given at all."""
    whole = inputs()
    return {k: v[row : row + 1] for k, v in whole.items() if k.split("_")[0] in names}


def test_a_row_without_real_places_gets_the_vector() -> None:
    tokens = AbsentTokens(2, 3)
    tokens.audio.data = torch.tensor([5.0, 6.0])
    states = Sequence(torch.ones(2, 3, 2), torch.tensor([[True, True, False], [False] * 3]))
    found = tokens.stand_in(states, tokens.audio)
    assert found.mask.tolist() == [[True, True, False], [True, False, False]]
    assert found.values[1, 0].tolist() == [5, 6]
    torch.testing.assert_close(found.values[0], states.values[0])


@pytest.mark.parametrize("name", BOTH)
def test_a_family_without_them_is_as_it_was(name: str) -> None:
    plain, with_tokens = build(name), build(name, absent_tokens=True)
    assert not [key for key in plain.state_dict() if key.startswith("absent")]
    added = sum(p.numel() for p in with_tokens.parameters()) - sum(
        p.numel() for p in plain.parameters()
    )
    assert added == plain.feature_width + plain.token_width


@pytest.mark.parametrize("name", BOTH)
def test_neighbours_change_nothing_and_the_vector_counts(name: str, tmp_path: Path) -> None:
    model = build(name, absent_tokens=True, initializer_range=0.2)
    assert model.absent is not None
    assert model.absent.audio.std() > 0
    with torch.no_grad():
        together = model(**inputs()).pooled
        for row, names in ((0, ("audio", "text")), (1, ("audio",)), (2, ("text",))):
            found = model(**alone(row, *names)).pooled[0]
            torch.testing.assert_close(found, together[row], atol=2e-5, rtol=1e-4)
        model.absent.text.data += 1
        moved = (model(**inputs()).pooled - together).abs().amax(1)
    assert (moved > 1e-4).tolist() == [False, True, False]
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(**inputs()).pooled, model(**inputs()).pooled)


@pytest.mark.parametrize("name", BOTH)
def test_the_vectors_learn_where_something_is_missing(name: str) -> None:
    model = build(name, absent_tokens=True, initializer_range=0.2)
    assert model.absent is not None
    model(**alone(1, "audio")).pooled.square().sum().backward()
    assert model.absent.text.grad is not None
    assert model.absent.text.grad.abs().max() > 0


def test_an_earlier_stage_without_them_is_taken_over(tmp_path: Path) -> None:
    heads = {"emotion": HeadSpec(kind="classification", labels=("ang", "hap"))}
    build_task(build("shallow"), heads).save_pretrained(tmp_path / "old")
    model = build_task(build("shallow", absent_tokens=True), heads)
    load_backbone(model, tmp_path / "old")
    model.save_pretrained(tmp_path / "new")
    again = load_task(tmp_path / "new")
    assert again.backbone.config.absent_tokens
    torch.testing.assert_close(again.state_dict(), model.state_dict())


def test_one_modality_needs_none() -> None:
    with pytest.raises(ValueError, match="absent_tokens: expected a model of audio and text"):
        from_encoders(FAMILIES["audio"].model, audio=audio_tower("logmel-tiny"), absent_tokens=True)
