"""Every dropout that a family's config names falls on something, in training alone."""

import dataclasses
from typing import Any

import pytest
import torch

from crosstone.models import FAMILIES, CrossModalModel
from crosstone.models.towers import audio_tower, from_encoders, text_tower

NEEDS = {"jbls": {"fusion": "co-attention", "fusion_heads": 2}}
"""What a family must be for all its fields to act."""


def dropouts(name: str) -> list[str]:
    fields = dataclasses.fields(FAMILIES[name].model.config_class)
    return [field.name for field in fields if "dropout" in field.name]


def built(name: str, **fields: Any) -> CrossModalModel:
    torch.manual_seed(0)
    family = FAMILIES[name]
    audio = audio_tower("mel-160" if family.audio_tower.startswith("mel") else "logmel-mini")
    text = text_tower(family.text_tower.replace("tiny", "mini"), 50)
    none = dict.fromkeys(dropouts(name), 0.0)
    own = {**family.small, **NEEDS.get(name, {}), **none, **fields}
    return from_encoders(
        family.model,
        audio=audio if family.hears else None,
        text=text if family.reads else None,
        **own,
    ).train()


ALONE = ("jbls-audio", "jbls-text", "cma-text")
"""Families of one tower, of whose fields some are about two or about the other."""
CASES = [(name, field) for name in FAMILIES if name not in ALONE for field in dropouts(name)]


@pytest.mark.parametrize("name,field", CASES)
def test_each_dropout_acts_alone(name: str, field: str) -> None:
    torch.manual_seed(1)
    given = {"audio": torch.randn(2, 8000), "text": torch.randint(5, 50, (2, 6))}
    given = {k: v for k, v in given.items() if k in FAMILIES[name].modalities}
    given |= {f"{k}_mask": torch.ones_like(v, dtype=torch.bool) for k, v in given.items()}
    without, dropped = built(name), built(name, **{field: 0.5})
    with torch.no_grad():
        assert torch.equal(without(**given).pooled, without(**given).pooled)
        assert not torch.equal(dropped(**given).pooled, dropped(**given).pooled)
        dropped.eval()
        assert torch.equal(dropped(**given).pooled, dropped(**given).pooled)
