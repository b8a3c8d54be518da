"""From a recipe to a model, its tokenizer and its objectives."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import PartialState
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig

from crosstone.data.batch import Target
from crosstone.data.codebook import Codebook
from crosstone.data.corpus import Corpus
from crosstone.data.text import load_tokenizer, train_tokenizer
from crosstone.errors import ConfigError
from crosstone.models import FAMILIES, CrossModalModel, HeadSpec, TaskModel
from crosstone.models.cmt import PRESETS
from crosstone.models.task import build_task, load_backbone, read_task_config
from crosstone.models.towers import (
    BUILTIN_TEXT,
    audio_tower,
    from_encoders,
    text_tower,
)
from crosstone.nn.encoders import AudioEncoder
from crosstone.objectives import (
    MaskedAudio,
    MaskedText,
    Objective,
    Objectives,
    Orthogonality,
    Supervised,
)
from crosstone.runs.codes import stages_of_codebook
from crosstone.runs.provenance import Stage, stages_of_encoders, stages_of_model
from crosstone.runs.recipe import SOFT, ModelSpec, Recipe

_HEARS = ("cmt", "audio", "shallow")
_READS = ("cmt", "text", "shallow")
_KINDS: dict[str, Literal["classification", "regression", "speakers"]] = {
    "classification": "classification",
    "regression": "regression",
    "verification": "speakers",
}
"""Head of each task."""


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


def assemble(recipe: Recipe, corpus: Corpus, init: Path | None, seed: int) -> Assembly:
    """Build everything a run trains; `corpus` is the training side, whose texts a new tokenizer
    may see and whose labels name the classes.

    Raises ConfigError where the parts do not go together, CheckpointError where they do not load.
    """
    torch.manual_seed(seed)
    spec = recipe.model
    tokenizer = _tokenizer(spec, corpus, init) if spec.family in _READS else None
    codebook = None
    if recipe.objectives.masked_audio is not None:
        codebook = Codebook.load(recipe.objectives.masked_audio.codebook)
    target = find_target(recipe, corpus)
    heads = _heads(recipe, target, codebook)
    backbone = _backbone(recipe, tokenizer, init)
    takes = tuple(n for n, f in (("audio", _HEARS), ("text", _READS)) if recipe.model.family in f)
    if backbone.modalities != takes:
        raise ConfigError(
            f"model.init: family '{recipe.model.family}' takes {' and '.join(takes)}, found a "
            f"model of {' and '.join(backbone.modalities)}; correct model.family"
        )
    model = build_task(backbone, heads)
    if init is not None:
        load_backbone(model, init)
    return Assembly(
        model,
        tokenizer,
        _objectives(recipe, model, tokenizer),
        target,
        codebook,
        earlier_stages(recipe, init),
    )


def earlier_stages(recipe: Recipe, init: Path | None) -> list[Stage]:
    """What the stages before this one have seen, those of its encoders and of its codebook
    included."""
    spec, masked = recipe.model, recipe.objectives.masked_audio
    if init is not None:
        stages = stages_of_model(init)
    else:
        stages = stages_of_encoders([spec.audio_encoder, spec.text_encoder])
    made = stages_of_codebook(Codebook.load(masked.codebook)) if masked is not None else []
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


def _tokenizer(spec: ModelSpec, corpus: Corpus, init: Path | None) -> Any:
    if spec.tokenizer is not None:
        return load_tokenizer(spec.tokenizer)
    if init is not None:
        return load_tokenizer(init)
    if spec.text_encoder in BUILTIN_TEXT:
        return train_tokenizer(_texts(corpus), spec.vocab_size)
    if spec.text_encoder is None:
        raise ConfigError(
            f"model: family '{spec.family}' reads, so it needs model.text_encoder or model.init"
        )
    return load_tokenizer(spec.text_encoder)


def _texts(corpus: Corpus) -> Iterable[str]:
    return (utterance.text for utterance in corpus if utterance.text)


def _backbone(recipe: Recipe, tokenizer: Any, init: Path | None) -> CrossModalModel:
    spec = recipe.model
    family = FAMILIES[spec.family]
    fields: dict[str, Any] = {**_freezes(recipe), **PRESETS.get(spec.preset or "", {})}
    if spec.preset is not None and spec.preset not in PRESETS:
        raise ConfigError(f"model.preset: expected {', '.join(PRESETS)}, found '{spec.preset}'")
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
            assert isinstance(earlier, PreTrainedConfig)
            inherited = {k: getattr(earlier, k) for k in _own_fields(family) if hasattr(earlier, k)}
            return family(family.config_class(**{**inherited, **fields}))
        for name, needed in (("audio_encoder", _HEARS), ("text_encoder", _READS)):
            if spec.family in needed and getattr(spec, name) is None:
                raise ConfigError(f"model: family '{spec.family}' needs model.{name} or model.init")
        audio = audio_tower(spec.audio_encoder or "") if spec.family in _HEARS else None
        text = None
        if spec.family in _READS:
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
    if recipe.stage != "finetune" and recipe.model.family == "cmt":
        return {"freeze_audio": "all", "freeze_text": "all"}
    if recipe.stage != "finetune":
        return {"freeze_audio": "none", "freeze_text": "none"}
    return {"freeze_audio": "convolutions", "freeze_text": "none"}


def _heads(recipe: Recipe, target: Target | None, codebook: Codebook | None) -> dict[str, HeadSpec]:
    asked = recipe.objectives
    heads = {}
    if asked.masked_text is not None:
        heads["text_tokens"] = HeadSpec(kind="tokens", style=asked.masked_text.head)
    if asked.masked_audio is not None and codebook is not None:
        heads["audio_codes"] = HeadSpec(
            kind="codes",
            num_codes=len(codebook.centres),
            codebook=codebook.hash,
            projection=asked.masked_audio.projection,
            temperature=asked.masked_audio.temperature,
        )
    if target is not None:
        assert recipe.protocol is not None
        heads[target.name] = HeadSpec(kind=_KINDS[recipe.protocol.task], labels=target.labels)
    return heads


def _objectives(recipe: Recipe, model: TaskModel, tokenizer: Any) -> Objectives:
    asked, backbone = recipe.objectives, model.backbone
    objectives: list[Objective] = []
    if asked.masked_text is not None:
        if tokenizer is None or tokenizer.mask_token_id is None:
            raise ConfigError("objectives.masked_text: needs a text encoder whose tokenizer masks")
        objectives.append(
            MaskedText(
                head="text_tokens",
                level=backbone.mask_level,
                vocab_size=len(tokenizer),
                special_ids=frozenset(tokenizer.all_special_ids),
                probability=asked.masked_text.probability,
                weight=asked.masked_text.weight,
            )
        )
    if asked.masked_audio is not None:
        encoder = backbone.audio_encoder
        if not isinstance(encoder, AudioEncoder):
            raise ConfigError("objectives.masked_audio: needs a family that hears")
        spec = asked.masked_audio
        objectives.append(
            MaskedAudio(
                head="audio_codes",
                num_frames=encoder.num_frames,
                min_samples=encoder.min_samples,
                start_probability=spec.start_probability,
                span=spec.span,
                min_spans=spec.min_spans,
                weight=spec.weight,
            )
        )
    if asked.supervised is not None and recipe.protocol is not None:
        assert recipe.criterion is not None
        if recipe.criterion == "ccc" and (found := PartialState().num_processes) > 1:
            raise ConfigError(
                "objectives.supervised.criterion=ccc is a statistic of the whole batch, so it "
                f"expects one process, found {found}; start one, or choose mse"
            )
        objectives.append(
            Supervised(
                head=recipe.protocol.target,
                criterion=recipe.criterion,
                weight=asked.supervised.weight,
                smoothing=asked.supervised.smoothing,
            )
        )
    if asked.orthogonality is not None:
        term = Orthogonality(alpha=asked.orthogonality.alpha, text=asked.orthogonality.text)
        if term.alpha > 0:
            term.check(backbone)
            objectives.append(term)
    return Objectives(objectives)
