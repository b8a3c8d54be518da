"""A small speech encoder over log-mel energies, for CPUs."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from crosstone.nn.features import LogMel, num_windows
from crosstone.nn.speech import SpeechConfig
from crosstone.nn.transformer import TransformerBlock

LEAST_DEVIATION = 0.1
"""Of a band's log energy, to which it is standardised where it has less."""


@strict
class LogMelConfig(SpeechConfig):
    """A small speech encoder: log-mel, strided convolutions, post-norm transformer blocks."""

    model_type = "crosstone-logmel"

    window: int = 512
    """Samples of one analysis window."""

    hop: int = 320
    """Samples from one window to the next."""

    num_mels: int = 80
    """Mel bands."""

    conv_strides: list[int] | tuple[int, ...] = (2,)
    """Stride of each convolution; its kernel is 2 · stride + 1 frames wide."""

    hidden_size: int = 64
    """Width of the frames that leave the encoder."""

    num_hidden_layers: int = 2
    """Transformer blocks."""

    num_attention_heads: int = 4
    """Heads of each block."""

    intermediate_size: int = 256
    """Width of the feed-forward layers."""

    hidden_dropout: float = 0.1
    """Dropout on the input of the blocks and on what each of their layers adds."""

    initializer_range: float = 0.1
    """Standard deviation of the initial weights; 0.02 is too little for a width of 64."""

    def num_frames(self, num_samples: Any) -> Any:
        """Frames that leave the encoder for that many samples (an int or a tensor of ints)."""
        frames = num_windows(num_samples, self.window, self.hop)
        for stride in self.conv_strides:
            frames = (frames - 1) // stride + 1
        return frames

    @property
    def frame_stride(self) -> int:
        """Samples from one frame to the next."""
        return self.hop * math.prod(self.conv_strides)


class LogMelModel(PreTrainedModel):
    """The encoder of LogMelConfig, with the call of a Hugging Face speech model.

    Energies are normalised to zero mean and unit deviation per item and band over its real frames,
    and padded frames are zero before every convolution: padding changes nothing.
    """

    config_class = LogMelConfig
    base_model_prefix = "encoder"
    main_input_name = "input_values"
    _supports_sdpa = True

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        self.features = LogMel(config.sampling_rate, config.window, config.hop, config.num_mels)
        width = config.hidden_size
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.num_mels if i == 0 else width, width, 2 * s + 1, s, padding=s)
            for i, s in enumerate(config.conv_strides)
        )
        self.norm = nn.LayerNorm(width)
        self.masked_spec_embed = nn.Parameter(torch.empty(width).uniform_())
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width,
                config.num_attention_heads,
                config.intermediate_size,
                dropout=config.hidden_dropout,
            )
            for _ in range(config.num_hidden_layers)
        )
        self.post_init()

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        output_hidden_states: bool = False,
        **_: Any,
    ) -> BaseModelOutput:
        """input_values (B, N), attention_mask (B, N), mask_time_indices (B, T) bool."""
        batch, num_samples = input_values.shape
        lengths = (
            attention_mask.sum(1)
            if attention_mask is not None
            else torch.full((batch,), num_samples, device=input_values.device)
        )
        energies = self.features(input_values)
        frames = self.features.num_frames(lengths)
        mask = torch.arange(energies.shape[1], device=frames.device) < frames[:, None]
        states = _standardise(energies, mask).transpose(1, 2)
        for convolution, stride in zip(self.convolutions, self.config.conv_strides, strict=True):
            states = F.gelu(convolution(states))
            frames = (frames - 1) // stride + 1
            mask = torch.arange(states.shape[-1], device=frames.device) < frames[:, None]
            states = states * mask[:, None].to(states.dtype)
        states = self.norm(states.transpose(1, 2))
        if mask_time_indices is not None:
            states = torch.where(
                mask_time_indices[..., None], self.masked_spec_embed.to(states.dtype), states
            )
        states = self.dropout(states + _sinusoids(states))
        hidden = [states]
        for block in self.blocks:
            states, _weights = block(states, mask)
            hidden.append(states)
        return BaseModelOutput(
            last_hidden_state=states, hidden_states=tuple(hidden) if output_hidden_states else None
        )


def _standardise(energies: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].to(energies.dtype)
    count = weight.sum(1, keepdim=True)
    mean = (energies * weight).sum(1, keepdim=True) / count
    centred = (energies - mean) * weight
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    # in an empty band, as of telephone speech, there is rounding alone, which must not be blown up
    return centred / torch.where(deviation < LEAST_DEVIATION, LEAST_DEVIATION, deviation + 1e-5)


def _sinusoids(states: Tensor) -> Tensor:
    time, width = states.shape[1:]
    rates = torch.exp(
        torch.arange(0, width, 2, device=states.device, dtype=states.dtype)
        * (-math.log(10_000.0) / width)
    )
    angles = torch.arange(time, device=states.device, dtype=states.dtype)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


AutoConfig.register(LogMelConfig.model_type, LogMelConfig)
AutoModel.register(LogMelConfig, LogMelModel)
