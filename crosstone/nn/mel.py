"""Mel frames with their first derivative as a speech encoder that has nothing to learn."""

from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from crosstone.nn.features import LogMel
from crosstone.nn.speech import SpeechConfig

REACH = 4
"""Frames on either side that a derivative looks at: librosa's width of 9."""

_CONSTANT = 1e-5
"""A deviation of log energies below this is float32's rounding."""


@strict
class MelConfig(SpeechConfig):
    """CTAL's acoustic features (Li et al. 2021, §3.1.1): mel bands and their derivatives.

    What the paper leaves open is as its released code has it: logarithm, FFT of 2048, CMVN.
    """

    model_type = "crosstone-mel"

    num_mels: int = 80
    """Mel bands; the frames are twice as wide."""

    window: int = 800
    """Samples of one analysis window; the paper's 50 ms."""

    hop: int = 200
    """Samples from one window to the next; the paper's 12.5 ms."""

    n_fft: int = 2048
    """Samples of one Fourier transform, zeros around the window included."""

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_size = 2 * self.num_mels
        super().__post_init__(**kwargs)

    def num_frames(self, num_samples: Any) -> Any:
        """Frames that leave the encoder for that many samples (an int or a tensor of ints)."""
        return num_samples // self.hop + 1

    @property
    def frame_stride(self) -> int:
        """Samples from one frame to the next."""
        return self.hop


class MelModel(PreTrainedModel):
    """The encoder of MelConfig, with the call of a Hugging Face speech model.

    Frame t is centred on sample t · hop, with zeros before the start and after the end. Derivatives
    are librosa.feature.delta's, edges too. Each dimension is brought to zero mean and unit
    (population) deviation over the item's real frames. Two things differ from the released code,
    both for the better: clips of fewer than 9 frames, which librosa refuses, have derivatives; and
    a dimension that does not move (digital silence) is zero, where dividing by a deviation of
    1e-16 makes noise of its rounding. Padding changes nothing.
    """

    config_class = MelConfig
    base_model_prefix = "encoder"
    main_input_name = "input_values"

    def __init__(self, config: MelConfig) -> None:
        super().__init__(config)
        self.features = LogMel(
            config.sampling_rate, config.window, config.hop, config.num_mels, n_fft=config.n_fft
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
        """input_values (B, N), attention_mask (B, N), mask_time_indices (B, T) bool: frames that
        are given as zeros."""
        batch, num_samples = input_values.shape
        lengths = (
            attention_mask.sum(1)
            if attention_mask is not None
            else torch.full((batch,), num_samples, device=input_values.device)
        )
        half = self.config.window // 2
        energies = self.features(F.pad(input_values, (half, self.config.window - half)))
        energies = energies[:, : self.config.num_frames(num_samples)]
        frames = self.config.num_frames(lengths)
        states = torch.cat([energies, slopes(energies, frames)], -1)
        place = torch.arange(energies.shape[1], device=frames.device)
        states = standardise(states, None if attention_mask is None else place < frames[:, None])
        if mask_time_indices is not None:
            states = states.masked_fill(mask_time_indices[..., None], 0.0)
        return BaseModelOutput(
            last_hidden_state=states, hidden_states=(states,) if output_hidden_states else None
        )


def slopes(values: Tensor, lengths: Tensor) -> Tensor:
    """Slope of the straight line through each frame and its four neighbours on either side.

    values (B, T, D), lengths (B,), at least 1 → (B, T, D). The four frames at either edge have the
    slope of the first or last whole window (`librosa.feature.delta`, mode interp); in an item of
    fewer than 9 frames all have the slope of the line through the whole item, 0 of a single one.
    """
    batch, time, width = values.shape
    ends = lengths[:, None]
    place = torch.arange(time, device=values.device)
    few = place[: 2 * REACH]
    from_middle = torch.where(few < ends, few - (ends - 1) / 2, 0.0).to(values.dtype)
    spread = from_middle.square().sum(1, keepdim=True).clamp(min=0.5)
    whole = (from_middle[..., None] * values[:, : 2 * REACH]).sum(1) / spread
    if time <= 2 * REACH:
        return whole[:, None].expand_as(values)
    last = time - REACH
    rise = values[:, REACH + 1 : last + 1] - values[:, REACH - 1 : last - 1]
    for k in range(2, REACH + 1):
        rise = rise + k * (values[:, REACH + k : last + k] - values[:, REACH - k : last - k])
    windowed = rise / (2 * sum(k * k for k in range(1, REACH + 1)))
    centre = torch.minimum(place, ends - 1 - REACH).clamp(REACH, last - 1) - REACH
    rows = centre + windowed.shape[1] * torch.arange(batch, device=values.device)[:, None]
    windowed = windowed.flatten(0, 1).index_select(0, rows.flatten()).view(batch, time, width)
    return torch.where((ends > 2 * REACH)[..., None], windowed, whole[:, None])


def standardise(values: Tensor, mask: Tensor | None) -> Tensor:
    """Zero mean and unit deviation of each dimension over an item's real frames, zeros elsewhere.

    values (B, T, D), mask (B, T), None where all are real. A dimension that does not move is zero.
    """
    if mask is None:
        centred = values - values.sum(1, keepdim=True) / values.shape[1]
        deviation = (centred.square().sum(1, keepdim=True) / values.shape[1]).sqrt()
    else:
        weight = mask[..., None].to(values.dtype)
        count = weight.sum(1, keepdim=True).clamp(min=1)
        mean = (values * weight).sum(1, keepdim=True) / count
        centred = (values - mean) * weight
        deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    return torch.where(deviation > _CONSTANT, centred / (deviation + 1e-16), 0.0)


AutoConfig.register(MelConfig.model_type, MelConfig)
AutoModel.register(MelConfig, MelModel)
