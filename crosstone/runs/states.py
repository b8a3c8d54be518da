"""Which encoders' states a recipe may keep, and what tells them from others."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from crosstone.config import build
from crosstone.data.cache import StateStore
from crosstone.errors import ConfigError
from crosstone.models import BUILTIN_AUDIO, BUILTIN_TEXT, CrossModalModel, TaskModel
from crosstone.nn.encoders import Encoder
from crosstone.runs.recipe import RECIPE, DataSpec, Recipe

_PASSING = ("architectures", "dtype", "transformers_version")
"""Fields of an encoder's config that say where it has been, not what it makes."""
_EXAMPLE = (
    "crosstone cache twokey-cmt data.corpus=CORPUS model.init=PRETRAINED "
    "model.config.freeze_audio=all model.config.freeze_text=all"
)


def open_states(recipe: Recipe, model: TaskModel) -> dict[str, StateStore]:
    """The states by modality that a recipe reads instead of running encoders; none where it names
    no cache. Raises ConfigError where it names one and no encoder stands still."""
    if recipe.data.encoder_cache is None:
        return {}
    root = Path(recipe.data.encoder_cache)
    return {
        modality: StateStore(root, states_made_by(recipe.data, model.backbone, modality))
        for modality in frozen_towers(recipe, model.backbone)
    }


def open_states_of(folder: Path, model: TaskModel) -> Mapping[str, StateStore]:
    """By modality, the states that the recipe which left a model folder read of its frozen
    encoders; none where no recipe that names a cache stands beside it."""
    path = folder.parent / RECIPE
    tree = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    if not isinstance(tree, dict) or not (tree.get("data") or {}).get("encoder_cache"):
        return {}
    data = build(DataSpec, tree["data"], str(path))
    root, towers = Path(data.encoder_cache or ""), ("audio", "text")
    return {
        modality: StateStore(root, states_made_by(data, model.backbone, modality))
        for modality in towers
        if (tower := tower_of(model.backbone, modality)) is not None and tower.is_frozen
    }


def frozen_towers(recipe: Recipe, backbone: CrossModalModel) -> tuple[str, ...]:
    """The modalities whose encoder gives the same states in every epoch of a recipe.

    Raises ConfigError that says of each encoder why it does not, where none does.
    """
    found, reasons = [], []
    for modality in ("audio", "text"):
        if tower_of(backbone, modality) is not None:
            reason = _reason_against(recipe, backbone, modality)
            found += [modality] if reason is None else []
            reasons += [reason] if reason is not None else []
    if not found:
        raise ConfigError(
            "a cache keeps what frozen encoders make: expected one that is frozen, found "
            f"{'; '.join(reasons) or 'a model without encoders'}; freeze what an earlier stage has "
            f"trained, as in `{_EXAMPLE}`"
        )
    return tuple(found)


def tower_of(backbone: CrossModalModel, modality: str) -> Encoder | None:
    """The encoder of a modality."""
    return backbone.audio_encoder if modality == "audio" else backbone.text_encoder


def states_made_by(data: DataSpec, backbone: CrossModalModel, modality: str) -> dict[str, Any]:
    """All that decides the states of a modality but what is heard or read."""
    tower = tower_of(backbone, modality)
    assert tower is not None
    made_by: dict[str, Any] = {
        "modality": modality,
        "encoder": _encoder_hash(tower),
        "layer": getattr(backbone.config, f"{modality}_layer"),
        "width": backbone.feature_width if modality == "audio" else backbone.token_width,
        "dtype": data.cache_precision,
    }
    if modality == "audio":
        made_by |= {
            "normalize": backbone.config.normalize_audio,
            "sampling_rate": backbone.config.sampling_rate,
            "hear_seconds": data.hear_seconds,
        }
    return made_by


def _reason_against(recipe: Recipe, backbone: CrossModalModel, modality: str) -> str | None:
    """Why the states of an encoder cannot be kept; None where they can."""
    tower, spec, asked = tower_of(backbone, modality), recipe.model, recipe.objectives
    assert tower is not None
    field = f"freeze_{modality}"
    if not tower.is_frozen:
        return (
            f"{modality} encoder trained (model.config.{field}={tower.freeze}, which could be all)"
        )
    is_masked = asked.masked_text if modality == "text" else asked.masked_audio
    if is_masked is not None and backbone.mask_level == "inputs":
        return f"{modality} encoder that hears or reads masked inputs (mask_level=inputs)"
    builtin = {"audio": BUILTIN_AUDIO, "text": BUILTIN_TEXT}[modality]
    name = getattr(spec, f"{modality}_encoder")
    if spec.init is None and name in builtin and any(True for _ in tower.parameters()):
        return (
            f"{modality} encoder '{name}' with random weights (name the model folder of a stage "
            "that trained it)"
        )
    return None


def _encoder_hash(tower: Encoder) -> str:
    """Sixteen hex digits of an encoder's config and weights."""
    fields = {
        name: value
        for name, value in tower.model.config.to_dict().items()
        if not name.startswith("_") and name not in _PASSING
    }
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode())
    for name, tensor in sorted(tower.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
