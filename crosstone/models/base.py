"""What every family shares: two optional towers, plain tensors in, pooled views out."""

from dataclasses import dataclass, field
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from crosstone.nn.encoders import FREEZES, AudioEncoder, TextEncoder
from crosstone.nn.masking import Corruption
from crosstone.sequence import Sequence


@strict
class CrossModalConfig(PreTrainedConfig):
    """Which encoders a family stands on, and how it uses them."""

    audio_config: dict[str, Any] | PreTrainedConfig | None = None
    """Config of the speech encoder; None where the model does not hear."""

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    """Config of the text encoder; None where the model does not read."""

    audio_layer: int | None = None
    """Hidden state of the speech encoder that is used; None is its output."""

    text_layer: int | None = None
    """Hidden state of the text encoder that is used; None is its output."""

    normalize_audio: bool = False
    """Each waveform is brought to zero mean and unit variance before the speech encoder."""

    sampling_rate: int = 16_000
    """Samples per second that the speech encoder expects."""

    freeze_audio: str = "convolutions"
    """What of the speech encoder is not trained: none, convolutions, all."""

    freeze_text: str = "none"
    """What of the text encoder is not trained: none, all."""

    spec_augment: bool = False
    """Whether a trained speech encoder masks its own features, as its config says."""

    mask_token_id: int = 0
    """Token that stands for a masked one where token ids are masked (`mask_level: inputs`)."""

    initializer_range: float = 0.02
    """Standard deviation of the initial weights of the layers above the encoders."""

    def __post_init__(self, **kwargs: Any) -> None:
        for name in ("audio_config", "text_config"):
            nested = getattr(self, name)
            if isinstance(nested, dict):
                fields = dict(nested)
                setattr(self, name, AutoConfig.for_model(fields.pop("model_type"), **fields))
        super().__post_init__(**kwargs)

    def validate_freezes(self) -> None:
        """Raise ValueError where a freeze is unknown (called by transformers' strict configs)."""
        for name, known in (("freeze_audio", FREEZES), ("freeze_text", ("none", "all"))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )


@dataclass
class CrossModalOutput:
    """What a family makes of a batch; it never sees labels."""

    audio: Sequence | None
    """States of the audio stream, (B, T_a, D_a)."""

    text: Sequence | None
    """States of the text stream, (B, T_w, D_w)."""

    pooled: Tensor
    """One vector an item, (B, D)."""

    views: dict[str, Tensor]
    """The pooled vectors of each modality by name: audio_mean, text_mean, text_first."""

    attentions: dict[str, list[Tensor]] = field(default_factory=dict)
    """On request, by stream, each block's attention to the other, (B, H, T, S)."""


class CrossModalModel(PreTrainedModel):
    """Base of the families. A subclass sets config_class, pooled_width and forward."""

    base_model_prefix = "backbone"
    main_input_name = "audio"
    _supports_sdpa = True

    def __init__(self, config: CrossModalConfig) -> None:
        super().__init__(config)
        self.audio_encoder = (
            AudioEncoder(
                config.audio_config,
                layer=config.audio_layer,
                normalize=config.normalize_audio,
                freeze=config.freeze_audio,
                spec_augment=config.spec_augment,
            )
            if isinstance(config.audio_config, PreTrainedConfig)
            else None
        )
        self.text_encoder = (
            TextEncoder(config.text_config, layer=config.text_layer, freeze=config.freeze_text)
            if isinstance(config.text_config, PreTrainedConfig)
            else None
        )

    @property
    def pooled_width(self) -> int:
        """Width D of the pooled vector."""
        raise TypeError(f"{type(self).__name__} must define pooled_width")

    @property
    def mask_level(self) -> str:
        """Where this model applies a corruption: to its encoders' inputs, or to their outputs."""
        return str(getattr(self.config, "mask_level", "inputs"))

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the model can take: audio, text or both."""
        towers = (("audio", self.audio_encoder), ("text", self.text_encoder))
        return tuple(name for name, tower in towers if tower is not None)

    def encode_audio(
        self, audio: Tensor | None, mask: Tensor | None, masked: Corruption | None = None
    ) -> Sequence | None:
        """States of the speech encoder, (B, N) samples → (B, T, D); None without audio or tower."""
        if self.audio_encoder is None or audio is None or mask is None:
            return None
        positions = masked.positions if masked is not None else None
        states: Sequence = self.audio_encoder(Sequence(audio, mask), positions)
        return states

    def encode_text(
        self, text: Tensor | None, mask: Tensor | None, masked: Corruption | None = None
    ) -> Sequence | None:
        """States of the text encoder, (B, T) ids → (B, T, D); None without text or tower."""
        if self.text_encoder is None or text is None or mask is None:
            return None
        states: Sequence = self.text_encoder(
            Sequence(text, mask), masked, self.config.mask_token_id
        )
        return states


def absent(like: Sequence, width: int) -> Sequence:
    """A stream of one masked place, which nothing attends to, for a modality that is not there."""
    values = torch.zeros(
        len(like.values), 1, width, device=like.values.device, dtype=like.values.dtype
    )
    return Sequence(values, torch.zeros_like(values[..., 0], dtype=torch.bool))
