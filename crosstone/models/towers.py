"""The one door through which encoders enter a family: built-in, from a folder, or from the hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    PreTrainedConfig,
)

from crosstone.errors import CheckpointError
from crosstone.models.base import CrossModalModel
from crosstone.models.builtin import BUILTIN_AUDIO, BUILTIN_TEXT
from crosstone.models.checkpoint import load_task
from crosstone.models.task import TaskConfig
from crosstone.nn.speech import SpeechConfig


@dataclass(frozen=True)
class Tower:
    """An encoder's config, its weights (None: random), and what its waveforms need."""

    config: PreTrainedConfig
    weights: Mapping[str, Tensor] | None
    normalize: bool = False
    sampling_rate: int = 16_000


def audio_tower(source: Path | str) -> Tower:
    """A speech encoder by built-in name, crosstone folder or run, Hugging Face folder or hub id."""
    if str(source) in BUILTIN_AUDIO:
        return Tower(BUILTIN_AUDIO[str(source)](), None)
    source = _located(source)
    config = _config(source)
    if isinstance(config, TaskConfig):
        backbone = load_task(source).backbone
        if backbone.audio_encoder is None:
            raise CheckpointError(f"{source}: expected a model that hears, found one that reads")
        return Tower(
            backbone.config.audio_config,
            backbone.audio_encoder.model.state_dict(),
            backbone.config.normalize_audio,
            backbone.config.sampling_rate,
        )
    if not (isinstance(config, SpeechConfig) or hasattr(config, "conv_kernel")):
        raise CheckpointError(
            f"{source}: expected a speech encoder that takes a waveform (HuBERT, wav2vec 2.0, "
            f"WavLM, data2vec-audio), found '{config.model_type}'"
        )
    normalize, rate = _preparation(source, config)
    return Tower(config, _pretrained(source).state_dict(), normalize, rate)


def text_tower(source: Path | str, vocab_size: int = 0) -> Tower:
    """A text encoder by the same four names; vocab_size is for the built-in ones."""
    if str(source) in BUILTIN_TEXT:
        return Tower(BUILTIN_TEXT[str(source)](vocab_size=vocab_size), None)
    source = _located(source)
    config = _config(source)
    if isinstance(config, TaskConfig):
        backbone = load_task(source).backbone
        if backbone.text_encoder is None:
            raise CheckpointError(f"{source}: expected a model that reads, found one that hears")
        return Tower(backbone.config.text_config, backbone.text_encoder.model.state_dict())
    model = _pretrained(source, add_pooling_layer=False)
    return Tower(config, model.state_dict())


def from_encoders(
    family: type[CrossModalModel],
    *,
    audio: Tower | None = None,
    text: Tower | None = None,
    **fields: Any,
) -> CrossModalModel:
    """A family on these towers, their weights in place, everything above them fresh.

    fields: those of the family's config.
    """
    if audio is not None:
        fields = {
            "normalize_audio": audio.normalize,
            "sampling_rate": audio.sampling_rate,
            **fields,
        }
    config = family.config_class(
        audio_config=audio.config if audio else None,
        text_config=text.config if text else None,
        **fields,
    )
    model = family(config)
    for tower, encoder in ((audio, model.audio_encoder), (text, model.text_encoder)):
        if tower is not None and tower.weights is not None and encoder is not None:
            encoder.model.load_state_dict(tower.weights)
    return model


def encoder_folder(source: Path | str) -> tuple[TaskConfig, Path] | None:
    """Config and folder of an encoder that is a crosstone model; None for any other."""
    if str(source) in BUILTIN_AUDIO or str(source) in BUILTIN_TEXT:
        return None
    located = _located(source)
    config = _config(located)
    return (config, Path(located)) if isinstance(config, TaskConfig) else None


def max_tokens(config: PreTrainedConfig) -> int:
    """Tokens that a text encoder takes, special ones included.

    RoBERTa counts its positions from pad_token_id + 1, so two of them are never used.
    """
    positions = int(config.max_position_embeddings)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        return positions - 2
    return positions


def _located(source: Path | str) -> Path | str:
    """A run folder means the model inside it; a hub id is left alone."""
    inside = Path(source) / "model"
    return inside if (inside / "config.json").is_file() else source


def _config(source: Path | str) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        known = ", ".join((*BUILTIN_AUDIO, *BUILTIN_TEXT))
        raise CheckpointError(
            f"{source}: no encoder can be loaded from here ({reason}); give a folder with "
            f"config.json, a hub id, or a built-in one: {known}"
        ) from error


def _pretrained(source: Path | str, **options: Any) -> Any:
    try:
        return AutoModel.from_pretrained(source, **options)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{source}: its weights cannot be loaded: {error}") from error


def _preparation(source: Path | str, config: PreTrainedConfig) -> tuple[bool, int]:
    """Whether waveforms are normalised and at what rate, from the encoder's own extractor.

    Without one the layer-norm style is taken to want it, the group-norm style not, as in fairseq.
    """
    if isinstance(config, SpeechConfig):
        return False, config.sampling_rate
    try:
        extractor = AutoFeatureExtractor.from_pretrained(source)
    except (OSError, ValueError, KeyError):
        return config.feat_extract_norm == "layer", 16_000
    return bool(extractor.do_normalize), int(extractor.sampling_rate)
