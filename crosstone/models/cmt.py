"""CMT: a deep cross-modal transformer over pretrained encoders (Chu et al., EMNLP 2022)."""

from collections.abc import Sequence as Layers
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput, absent
from crosstone.nn.masking import Corruption, replace_states
from crosstone.nn.pooling import LayerPooler, first_pool, mean_pool
from crosstone.nn.transformer import TransformerBlock
from crosstone.sequence import Sequence


@strict
class CMTConfig(CrossModalConfig):
    """Everything the paper varied."""

    model_type = "crosstone-cmt"

    num_layers: int = 2
    """Cross-modal blocks of each stream: 2 in CMT base, 4 in CMT large and CMT-4 (§4.2)."""

    num_heads: int = 4
    """Attention heads: 4 in CMT base, 8 in CMT large (§4.2)."""

    intermediate_ratio: int = 4
    """Width of the feed-forward layer over the stream's own; the paper's 64M parameters say 4."""

    dropout: float = 0.1
    """On what each layer of a block adds. Not stated in the paper; ours."""

    attention_dropout: float = 0.1
    """On the attention weights; without it SDPA need not materialise them on a CPU. Ours."""

    audio_output: str = "last"
    """What stands for the audio stream: `last` block, `pooler` (softmax weights over the blocks,
    §4.3.2), or the number of one block, 1 to num_layers."""

    mask_level: str = "outputs"
    """`outputs`, the paper (§3.2.2): the states that enter the cross-modal streams are masked. The
    neighbours of a masked token have then attended to it inside the encoder and still know it.
    `inputs`: both encoders see masked inputs, while keys and values come from a second, clean
    pass, so that only the other modality can tell what is hidden."""

    def validate_choices(self) -> None:
        """Raise ValueError where a choice is unknown (called by transformers' strict configs)."""
        blocks = [str(n) for n in range(1, self.num_layers + 1)]
        for name, known in (
            ("audio_output", ["last", "pooler", *blocks]),
            ("mask_level", ["outputs", "inputs"]),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )


PRESETS: dict[str, dict[str, int]] = {
    "cmt-base": {"num_layers": 2, "num_heads": 4},
    "cmt-large": {"num_layers": 4, "num_heads": 8},
    "cmt-4": {"num_layers": 4, "num_heads": 8},
}
"""The paper's sizes (§4.2); CMT-4 is its ablation's name for the four-layer architecture, whose
heads it does not state."""


class CMTModel(CrossModalModel):
    """Two symmetric streams; in every block each attends to itself, then to the *other encoder's*
    output (eq. 1–5)."""

    config_class = CMTConfig

    def __init__(self, config: CMTConfig) -> None:
        super().__init__(config)
        if self.audio_encoder is None or self.text_encoder is None:
            raise ValueError("CMT needs audio_config and text_config")
        audio_width, text_width = self.audio_encoder.width, self.text_encoder.width
        self.audio_blocks = self._blocks(audio_width, text_width)
        self.text_blocks = self._blocks(text_width, audio_width)
        if config.audio_output == "pooler":
            self.layer_pooler = LayerPooler(config.num_layers)
        self.post_init()

    def _blocks(self, width: int, memory_width: int) -> nn.ModuleList:
        return nn.ModuleList(
            TransformerBlock(
                width,
                self.config.num_heads,
                self.config.intermediate_ratio * width,
                memory_width=memory_width,
                dropout=self.config.dropout,
                attention_dropout=self.config.attention_dropout,
            )
            for _ in range(self.config.num_layers)
        )

    @property
    def pooled_width(self) -> int:
        """D_a + D_w (eq. 6)."""
        assert self.audio_encoder is not None
        assert self.text_encoder is not None
        return self.audio_encoder.width + self.text_encoder.width

    def forward(
        self,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        audio_corruption: Corruption | None = None,
        text_corruption: Corruption | None = None,
        audio_vector: Tensor | None = None,
        text_vector: Tensor | None = None,
        output_attentions: bool = False,
        **_: Any,
    ) -> CrossModalOutput:
        """Waveforms and token ids of a batch, at least one of them, to fused states.

        audio (B, N) and text (B, T_w) with bool masks, True where real. The corruptions say what
        is masked; the vectors (D,), which belong to the pretraining heads, stand in for it.
        """
        clean_audio = self.encode_audio(audio, audio_mask)
        clean_text = self.encode_text(text, text_mask)
        if self.config.mask_level == "inputs":
            start_audio, start_text = clean_audio, clean_text
            if audio_corruption is not None:
                start_audio = self.encode_audio(audio, audio_mask, audio_corruption)
            if text_corruption is not None:
                start_text = self.encode_text(text, text_mask, text_corruption)
        else:
            start_audio = _replaced(clean_audio, audio_corruption, audio_vector)
            start_text = _replaced(clean_text, text_corruption, text_vector)
        return self._fuse(start_audio, start_text, clean_audio, clean_text, output_attentions)

    def _fuse(
        self,
        start_audio: Sequence | None,
        start_text: Sequence | None,
        clean_audio: Sequence | None,
        clean_text: Sequence | None,
        output_attentions: bool,
    ) -> CrossModalOutput:
        assert self.audio_encoder is not None
        assert self.text_encoder is not None
        there = clean_audio if clean_audio is not None else clean_text
        if there is None:
            raise ValueError("CMT needs audio or text")
        memory_audio = (
            clean_audio if clean_audio is not None else absent(there, self.audio_encoder.width)
        )
        memory_text = (
            clean_text if clean_text is not None else absent(there, self.text_encoder.width)
        )
        audio_layers, audio_weights = _run(
            self.audio_blocks, start_audio or memory_audio, memory_text, output_attentions
        )
        text_layers, text_weights = _run(
            self.text_blocks, start_text or memory_text, memory_audio, output_attentions
        )
        audio_states = memory_audio.with_values(self._audio_output(audio_layers))
        text_states = memory_text.with_values(text_layers[-1])
        views = {
            "audio_mean": mean_pool(audio_states),
            "text_mean": mean_pool(text_states),
            "text_first": first_pool(text_states),
        }
        return CrossModalOutput(
            audio=audio_states,
            text=text_states,
            pooled=torch.cat([views["audio_mean"], views["text_first"]], dim=-1),
            views=views,
            attentions={"audio": audio_weights, "text": text_weights} if output_attentions else {},
        )

    def _audio_output(self, layers: Layers[Tensor]) -> Tensor:
        chosen = self.config.audio_output
        if chosen == "pooler":
            pooled: Tensor = self.layer_pooler(layers)
            return pooled
        return layers[-1] if chosen == "last" else layers[int(chosen) - 1]


def _replaced(
    states: Sequence | None, corruption: Corruption | None, vector: Tensor | None
) -> Sequence | None:
    if states is None or corruption is None or vector is None:
        return states
    return states.with_values(replace_states(states.values, corruption, vector))


def _run(
    blocks: nn.ModuleList, start: Sequence, memory: Sequence, with_weights: bool
) -> tuple[list[Tensor], list[Tensor]]:
    states, layers, attentions = start.values, [], []
    for block in blocks:
        states, weights = block(
            states, start.mask, memory.values, memory.mask, with_weights=with_weights
        )
        layers.append(states)
        if weights is not None:
            attentions.append(weights)
    return layers, attentions
