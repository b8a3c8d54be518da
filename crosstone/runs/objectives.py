"""What a recipe asks of a family: the heads, and the objectives that train them."""

from typing import Any, Literal

from accelerate import PartialState
from safetensors import SafetensorError
from safetensors.torch import load_file

from crosstone.data.batch import Target
from crosstone.data.codebook import Codebook
from crosstone.errors import ConfigError
from crosstone.models import CrossModalModel, HeadSpec, TaskModel
from crosstone.nn.encoders import AudioEncoder
from crosstone.objectives import (
    MaskedAudio,
    MaskedFrames,
    MaskedText,
    ModalityDropout,
    Objective,
    Objectives,
    Orthogonality,
    Supervised,
)
from crosstone.runs.recipe import Recipe

_KINDS: dict[str, Literal["classification", "regression", "speakers"]] = {
    "classification": "classification",
    "regression": "regression",
    "verification": "speakers",
}
"""Head of each task."""


def heads_of(
    recipe: Recipe, backbone: CrossModalModel, target: Target | None, codebook: Codebook | None
) -> dict[str, HeadSpec]:
    """The heads that a recipe's objectives need on a family."""
    asked, norm_eps = recipe.objectives, getattr(backbone.config, "norm_eps", 1e-5)
    heads = {}
    if asked.masked_text is not None:
        heads["text_tokens"] = HeadSpec(
            kind="tokens", style=asked.masked_text.head, norm_eps=norm_eps
        )
    if asked.masked_audio is not None and codebook is not None:
        heads["audio_codes"] = HeadSpec(
            kind="codes",
            num_codes=len(codebook.centres),
            codebook=codebook.hash,
            projection=asked.masked_audio.projection,
            temperature=asked.masked_audio.temperature,
        )
    if asked.masked_frames is not None:
        heads["audio_frames"] = HeadSpec(kind="frames", norm_eps=norm_eps)
    if target is not None:
        assert recipe.protocol is not None
        kind = "one_vs_rest" if recipe.criterion == "one_vs_rest" else _KINDS[recipe.protocol.task]
        heads[target.name] = HeadSpec(
            kind=kind, labels=target.labels, bias=getattr(backbone.config, "head", "") != "code"
        )
    return heads


def fill_heads(recipe: Recipe, model: TaskModel) -> None:
    """Put weights that a recipe names into the head they belong to.

    Raises ConfigError where they do not fit it.
    """
    spec = recipe.objectives.masked_audio
    if spec is None or spec.init is None:
        return
    try:
        weights = load_file(spec.init)
        missing, unexpected = model.heads["audio_codes"].load_state_dict(weights, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"objectives.masked_audio.init: {spec.init}: {reason}") from error
    wrong = [*(f"missing {k}" for k in missing if k != "mask_vector")]
    wrong += [f"unexpected {k}" for k in unexpected]
    if wrong:
        raise ConfigError(
            f"objectives.masked_audio.init: {spec.init}: expected what `crosstone import "
            f"hubert-head` writes, found {', '.join(wrong)}"
        )


def objectives_of(recipe: Recipe, model: TaskModel, tokenizer: Any) -> Objectives:
    """What a recipe asks of a model."""
    asked, backbone = recipe.objectives, model.backbone
    objectives: list[Objective] = []
    if (dropped := asked.modality_dropout) is not None:
        objectives.append(ModalityDropout(audio=dropped.audio, text=dropped.text))
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
    if asked.masked_frames is not None:
        encoder = backbone.audio_encoder
        if not isinstance(encoder, AudioEncoder):
            raise ConfigError("objectives.masked_frames: needs a family that hears")
        frames = asked.masked_frames
        objectives.append(
            MaskedFrames(
                head="audio_frames",
                num_frames=encoder.num_frames,
                min_samples=encoder.min_samples,
                probability=frames.probability,
                min_span=frames.min_span,
                max_span=frames.max_span,
                style=frames.style,
                weight=frames.weight,
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
        term = Orthogonality(
            pairs=backbone.orthogonal_pairs,
            form=backbone.orthogonality,
            alpha=asked.orthogonality.alpha,
            text=asked.orthogonality.text,
        )
        if term.alpha > 0:
            term.check(backbone)
            objectives.append(term)
    return Objectives(objectives)
