"""From a recipe to a model, its tokenizer and its objectives."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError

from crosstone.data.batch import Target
from crosstone.data.cache import StateStore
from crosstone.data.codebook import Codebook
from crosstone.data.corpora.lhotse.shards import Shar
from crosstone.data.corpus import Corpus
from crosstone.data.text import load_tokenizer, train_tokenizer, with_reading
from crosstone.errors import ConfigError
from crosstone.models import (
    BUILTIN_TEXT,
    FAMILIES,
    CrossModalConfig,
    CrossModalModel,
    TaskModel,
)
from crosstone.models.checkpoint import load_backbone, read_task_config
from crosstone.models.task import build_task
from crosstone.models.towers import audio_tower, from_encoders, text_tower
from crosstone.objectives import Objectives
from crosstone.runs.asked import SOFT
from crosstone.runs.codes import stages_of_codebook
from crosstone.runs.objectives import fill_heads, heads_of, objectives_of
from crosstone.runs.provenance import (
    Stage,
    stages_of_encoders,
    stages_of_head,
    stages_of_model,
)
from crosstone.runs.recipe import ModelSpec, Recipe
from crosstone.runs.states import open_states

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assembly:
    """What a recipe builds before it trains."""

    model: TaskModel
    tokenizer: Any
    objective: Objectives
    target: Target | None
    codebook: Codebook | None
    past: list[Stage]
    """What the stages before this one have seen, those of its encoders included."""
    states: Mapping[str, StateStore]
    """By modality, what frozen encoders made before, where the recipe names a cache."""


def assemble(recipe: Recipe, corpus: Corpus | Shar, init: Path | None, seed: int) -> Assembly:
    """Build everything a run trains; `corpus` is the training side, whose texts a new tokenizer
    may see, of a Shar a sample, and whose labels name the classes.

    Raises ConfigError where the parts do not go together, CheckpointError where they do not load.
    """
    torch.manual_seed(seed)
    spec = recipe.model
    family = FAMILIES[spec.family]
    tokenizer = _tokenizer(spec, corpus, init) if family.reads else None
    codebook = None
    if recipe.objectives.masked_audio is not None:
        codebook = Codebook.load(recipe.objectives.masked_audio.codebook)
    target = find_target(recipe, corpus) if isinstance(corpus, Corpus) else None
    backbone = _backbone(recipe, tokenizer, init)
    if backbone.modalities != family.modalities:
        raise ConfigError(
            f"model.init: family '{spec.family}' takes {' and '.join(family.modalities)}, found a "
            f"model of {' and '.join(backbone.modalities)}; correct model.family"
        )
    model = build_task(
        backbone,
        heads_of(recipe, backbone, target, codebook),
        hear_seconds=recipe.data.hear_seconds,
        cut_texts=recipe.data.cut_texts,
    )
    fill_heads(recipe, model)
    if init is not None:
        load_backbone(model, init)
    return Assembly(
        model,
        tokenizer,
        objectives_of(recipe, model, tokenizer),
        target,
        codebook,
        earlier_stages(recipe, init),
        open_states(recipe, model),
    )


def earlier_stages(recipe: Recipe, init: Path | None) -> list[Stage]:
    """What the stages before this one have seen, those of its encoders, of its codebook and of an
    imported head included."""
    spec, masked = recipe.model, recipe.objectives.masked_audio
    if init is not None:
        stages = stages_of_model(init)
    else:
        stages = stages_of_encoders([spec.audio_encoder, spec.text_encoder])
    made = stages_of_codebook(Codebook.load(masked.codebook)) if masked is not None else []
    if masked is not None and masked.init is not None:
        made += stages_of_head(masked.init)
    known = [dict(stage.facts) for stage in stages]
    return stages + [stage for stage in made if dict(stage.facts) not in known]


def find_target(recipe: Recipe, corpus: Corpus) -> Target | None:
    """The protocol's target with its classes; None for a stage without labels."""
    protocol = recipe.protocol
    if recipe.stage != "finetune" or protocol is None:
        return None
    if protocol.task == "regression":
        return Target(protocol.target)
    labels = protocol.labels or tuple(sorted(corpus.labels(protocol.target)))
    if len(labels) < 2:
        raise ConfigError(
            f"protocol.target '{protocol.target}': expected at least two classes, found "
            f"{', '.join(labels) or 'none'}; is it a value (protocol.task=regression)?"
        )
    soft = recipe.criterion in SOFT
    if soft and not any(utterance.votes.get(protocol.target) for utterance in corpus):
        raise ConfigError(
            f"objectives.supervised.criterion: {recipe.criterion} learns from votes on "
            f"'{protocol.target}', but {corpus.name} has none; choose cross_entropy"
        )
    return Target(protocol.target, labels, soft)


def _tokenizer(spec: ModelSpec, corpus: Corpus | Shar, init: Path | None) -> Any:
    source = spec.tokenizer or init or spec.text_encoder
    if source is None:
        raise ConfigError(
            f"model: family '{spec.family}' reads, so it needs model.text_encoder or model.init"
        )
    if source in BUILTIN_TEXT:
        return train_tokenizer(_texts(corpus), spec.vocab_size, spec.reading)
    return with_reading(load_tokenizer(source), spec.reading)


def _texts(corpus: Corpus | Shar) -> Iterable[str]:
    if isinstance(corpus, Shar):
        if (count := int(corpus.has_text.sum())) > len(corpus.texts):
            said = "%s: the tokenizer is trained on %d of %d texts, the first of every shard"
            _LOG.warning(said, corpus.name, len(corpus.texts), count)
        return corpus.texts
    return (utterance.text for utterance in corpus if utterance.text)


def _backbone(recipe: Recipe, tokenizer: Any, init: Path | None) -> CrossModalModel:
    spec, entry = recipe.model, FAMILIES[recipe.model.family]
    family = entry.model
    fields: dict[str, Any] = {**_freezes(recipe), **entry.presets.get(spec.preset or "", {})}
    fields |= spec.config
    if tokenizer is not None and tokenizer.mask_token_id is not None:
        fields.setdefault("mask_token_id", tokenizer.mask_token_id)
    _refuse_unknown(family, fields)
    try:
        if init is not None:
            if spec.audio_encoder or spec.text_encoder:
                raise ConfigError(
                    "model: init brings its own encoders; leave out audio_encoder and text_encoder"
                )
            earlier = read_task_config(init).backbone_config
            assert isinstance(earlier, CrossModalConfig)
            kept = _own_fields(family) - earlier.disowned(fields)
            inherited = {k: getattr(earlier, k) for k in kept if hasattr(earlier, k)}
            return family(family.config_class(**{**inherited, **fields}))
        for name, needed in (("audio_encoder", entry.hears), ("text_encoder", entry.reads)):
            if needed and getattr(spec, name) is None:
                raise ConfigError(f"model: family '{spec.family}' needs model.{name} or model.init")
        audio = audio_tower(spec.audio_encoder or "") if entry.hears else None
        text = None
        if entry.reads:
            text = text_tower(spec.text_encoder or "", len(tokenizer))
        return from_encoders(family, audio=audio, text=text, **fields)
    except (ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"model.config: {reason}") from error


def _own_fields(family: type[CrossModalModel]) -> set[str]:
    return {
        name
        for kind in family.config_class.__mro__
        if kind.__module__.startswith("crosstone.")
        for name in getattr(kind, "__annotations__", {})
        if name != "model_type"
    }


def _refuse_unknown(family: type[CrossModalModel], fields: dict[str, Any]) -> None:
    """Transformers' configs take a misspelt key in silence; we do not."""
    known = _own_fields(family)
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ConfigError(
            f"model.config: unknown {', '.join(unknown)} for {family.__name__}; it has "
            f"{', '.join(sorted(known))}"
        )


def _freezes(recipe: Recipe) -> dict[str, str]:
    """The stage's own: encoders frozen while cross-modal streams are pretrained on their outputs,
    all but the convolutions trained otherwise."""
    if recipe.stage != "finetune" and FAMILIES[recipe.model.family].frozen_in_pretraining:
        return {"freeze_audio": "all", "freeze_text": "all"}
    if recipe.stage != "finetune":
        return {"freeze_audio": "none", "freeze_text": "none"}
    return {"freeze_audio": "convolutions", "freeze_text": "none"}
