"""The systems of CMT's table 1 without cross-modal blocks: one tower, or two side by side."""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor

from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput
from crosstone.nn.masking import Corruption
from crosstone.nn.pooling import first_pool, mean_pool


@strict
class BaselineConfig(CrossModalConfig):
    """One tower, or two side by side."""

    model_type = "crosstone-baseline"


class BaselineModel(CrossModalModel):
    """Mean of the audio states, first of the text states, or both concatenated.

    With one tower it is the paper's unimodal baseline, and in pretraining the tower's own stage:
    masked prediction at the encoder's input.
    """

    config_class = BaselineConfig

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__(config)
        if not self.modalities:
            raise ValueError("a baseline needs audio_config, text_config or both")
        self.post_init()

    @property
    def pooled_width(self) -> int:
        """Sum of the towers' widths."""
        return sum(t.width for t in (self.audio_encoder, self.text_encoder) if t is not None)

    def forward(
        self,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        audio_corruption: Corruption | None = None,
        text_corruption: Corruption | None = None,
        **_: Any,
    ) -> CrossModalOutput:
        """Waveforms (B, N) and token ids (B, T_w) with bool masks to states and pooled views.

        A stream that is missing in a batch of a two-tower model is pooled to zeros.
        """
        audio_states = self.encode_audio(audio, audio_mask, audio_corruption)
        text_states = self.encode_text(text, text_mask, text_corruption)
        there = audio_states or text_states
        if there is None:
            raise ValueError(f"this model needs {' or '.join(self.modalities)}")
        views, pooled = {}, []
        if audio_states is not None:
            views["audio_mean"] = mean_pool(audio_states)
        if text_states is not None:
            views["text_mean"] = mean_pool(text_states)
            views["text_first"] = first_pool(text_states)
        for name, tower in (("audio_mean", self.audio_encoder), ("text_first", self.text_encoder)):
            if tower is not None:
                zeros = there.values.new_zeros(there.values.shape[0], tower.width)
                pooled.append(views.get(name, zeros))
        return CrossModalOutput(
            audio=audio_states, text=text_states, pooled=torch.cat(pooled, dim=-1), views=views
        )
