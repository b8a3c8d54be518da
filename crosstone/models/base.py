"""What every family shares: two optional towers, plain tensors in, pooled views out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, initialization

from crosstone.nn.absence import AbsentTokens
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

    audio_features: int = 0
    """Width of speech features that are given instead of waveforms, where there is no tower."""

    text_features: int = 0
    """Width of text features that are given instead of token ids, where there is no tower."""

    mask_token_id: int = 0
    """Token that stands for a masked one where token ids are masked (`mask_level: inputs`)."""

    absent_tokens: bool = False
    """A learned vector stands in for a modality that an item lacks, as a stream of one place where
    the states of its encoder would enter; otherwise the other modality finds nothing there."""

    initializer_range: float = 0.02
    """Standard deviation of the initial weights of the layers above the encoders."""

    def __post_init__(self, **kwargs: Any) -> None:
        for name in ("audio_config", "text_config"):
            nested = getattr(self, name)
            if isinstance(nested, dict):
                fields = dict(nested)
                setattr(self, name, AutoConfig.for_model(fields.pop("model_type"), **fields))
        super().__post_init__(**kwargs)

    def disowned(self, fields: Mapping[str, Any]) -> frozenset[str]:
        """Fields that a later stage, which gives `fields` itself, does not take over from this."""
        return frozenset()

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

    features: Sequence | None = None
    """What entered the audio stream before anything was masked, (B, T_a, F)."""

    attentions: dict[str, list[Tensor]] = field(default_factory=dict)
    """On request, by stream, each block's attention to the other, (B, H, T, S)."""


class CrossModalModel(PreTrainedModel):
    """Base of the families. A subclass sets config_class, pooled_width and forward."""

    base_model_prefix = "backbone"
    main_input_name = "audio"
    _supports_sdpa = True
    has_mask_vectors = True
    """Whether its pretraining heads hold a vector that may stand in for a masked state."""

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
        self.absent: AbsentTokens | None = None
        if config.absent_tokens:
            if not (self.hears and self.reads):
                raise ValueError(
                    "absent_tokens: expected a model of audio and text, found one of "
                    f"{' and '.join(self.modalities) or 'neither'}; it always has what it takes"
                )
            self.absent = AbsentTokens(self.feature_width, self.token_width)
            self.register_forward_pre_hook(_with_both_streams, with_kwargs=True)

    def _init_weights(self, module: nn.Module) -> None:
        """As transformers does, and the absent tokens as it does embeddings."""
        if isinstance(module, AbsentTokens):
            for vector in (module.audio, module.text):
                initialization.normal_(vector, std=self.config.initializer_range)
        else:
            super()._init_weights(module)

    @property
    def pooled_width(self) -> int:
        """Width D of the pooled vector."""
        raise TypeError(f"{type(self).__name__} must define pooled_width")

    @property
    def hears(self) -> bool:
        """Whether the model takes speech."""
        return self.audio_encoder is not None or self.config.audio_features > 0

    @property
    def reads(self) -> bool:
        """Whether the model takes text."""
        return self.text_encoder is not None or self.config.text_features > 0

    @property
    def feature_width(self) -> int:
        """Width F of what enters the audio stream: the speech tower's, or that of given features;
        0 where the model does not hear."""
        tower = self.audio_encoder
        return int(tower.width if tower is not None else self.config.audio_features)

    @property
    def token_width(self) -> int:
        """Width of what enters the text stream: the text tower's, or that of given features; 0
        where the model does not read."""
        tower = self.text_encoder
        return int(tower.width if tower is not None else self.config.text_features)

    @property
    def audio_width(self) -> int:
        """Width of the states of the audio stream."""
        return self.feature_width

    @property
    def text_width(self) -> int:
        """Width of the states of the text stream."""
        return self.token_width

    @property
    def max_seconds(self) -> float | None:
        """The longest recording it can hear; None where there is no such limit."""
        return None

    @property
    def orthogonal_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of views, of audio and of text, that a term may keep apart."""
        return (("audio_mean", "text_mean"),) if self.hears and self.reads else ()

    @property
    def orthogonality(self) -> str:
        """What a pair is measured by: `paper`, the cosine, or `code`, as CTAL's code has it."""
        return str(getattr(self.config, "orthogonality", "paper"))

    @property
    def mask_level(self) -> str:
        """Where this model applies a corruption: to its encoders' inputs, or to their outputs."""
        return str(getattr(self.config, "mask_level", "inputs"))

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the model can take: audio, text or both."""
        takes = (("audio", self.hears), ("text", self.reads))
        return tuple(name for name, does in takes if does)

    def encode_audio(
        self, audio: Tensor | None, mask: Tensor | None, masked: Corruption | None = None
    ) -> Sequence | None:
        """States of the speech encoder, (B, N) samples → (B, T, D); None without audio or tower.

        Features (B, T, D) that were made elsewhere are taken as they are. An item without audio has
        the absent token as its one state, where the model has such.
        """
        if audio is None or mask is None or not self.hears:
            return None
        if audio.ndim == 3:
            states = Sequence(audio, mask)
        elif self.audio_encoder is None:
            raise ValueError(f"expected features (B, T, {self.feature_width}), found waveforms")
        else:
            positions = masked.positions if masked is not None else None
            states = self.audio_encoder(Sequence(audio, mask), positions)
        return states if self.absent is None else self.absent.stand_in(states, self.absent.audio)

    def encode_text(
        self, text: Tensor | None, mask: Tensor | None, masked: Corruption | None = None
    ) -> Sequence | None:
        """States of the text encoder, (B, T) ids → (B, T, D); None without text or tower.

        Features (B, T, D) that were made elsewhere are taken as they are. An item without text has
        the absent token as its one state, where the model has such.
        """
        if text is None or mask is None or not self.reads:
            return None
        if text.ndim == 3:
            states = Sequence(text, mask)
        elif self.text_encoder is None:
            raise ValueError(f"expected features (B, T, {self.token_width}), found token ids")
        else:
            states = self.text_encoder(Sequence(text, mask), masked, self.config.mask_token_id)
        return states if self.absent is None else self.absent.stand_in(states, self.absent.text)


def _with_both_streams(
    model: CrossModalModel, given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of forward, a modality that the whole batch lacks as one place that is not
    real, which the absent token then takes."""
    inputs = {**signature(model.forward).bind(*given, **named).arguments}
    inputs |= inputs.pop("_", {})
    absent_tokens = model.absent
    assert absent_tokens is not None
    there = inputs.get("audio_mask") if inputs.get("audio") is not None else inputs.get("text_mask")
    for name, vector in (("audio", absent_tokens.audio), ("text", absent_tokens.text)):
        if inputs.get(name) is None and there is not None:
            inputs[name] = vector.detach().expand(there.shape[0], 1, -1)
            inputs[f"{name}_mask"] = torch.zeros(
                there.shape[0], 1, dtype=torch.bool, device=there.device
            )
    return (), inputs


def absent(like: Sequence, width: int) -> Sequence:
    """A stream of one masked place, which nothing attends to, for a modality that is not there."""
    values = torch.zeros(
        like.values.shape[0], 1, width, device=like.values.device, dtype=like.values.dtype
    )
    mask = torch.zeros(values.shape[:2], dtype=torch.bool, device=values.device)
    return Sequence(values, mask)
