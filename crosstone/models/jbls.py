"""JBLS: Speech-BERT and RoBERTa, tuned together (Siriwardhana et al., Interspeech 2020)."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput, absent
from crosstone.nn.attention import MultiHeadAttention
from crosstone.nn.masking import Corruption
from crosstone.nn.pooling import first_pool, mean_pool
from crosstone.sequence import Sequence

_CHOICES = {"fusion": ("shallow", "co-attention"), "co_attention": ("plain", "vilbert")}


@strict
class JBLSConfig(CrossModalConfig):
    """Which fusion, and what of it the paper leaves open."""

    model_type = "crosstone-jbls"

    fusion: str = "shallow"
    """`shallow`: the encoders' first states side by side (§3.2.1); `co-attention`: each has
    attended to all states of the other first (§3.2.2)."""

    fusion_layers: int = 1
    """Co-attention layers: the query is refined from one to the next, keys stay the encoder's."""

    fusion_heads: int = 16
    """Heads of the co-attention: 16 by the code's default, 2 in its README's command; the paper
    does not say."""

    co_attention: str = "plain"
    """`plain`, as in the code: attention, dropout, residual; only so the fusion adds the paper's
    "nearly 6 million" parameters. `vilbert`, as figure 2 and its source (Lu et al. 2019) draw it:
    a layer norm after that residual, then a feed-forward layer with residual and layer norm."""

    intermediate_ratio: int = 4
    """Width of ViLBERT's feed-forward layer over the stream's own."""

    dropout: float = 0.1
    """On what the co-attention adds."""

    attention_dropout: float = 0.1
    """On its weights."""

    pooler_dropout: float = 0.1
    """On the fused vector, before the head: the README's 0.1; the code's default is 0."""

    def validate_choices(self) -> None:
        """Raise ValueError where a choice is unknown (called by transformers' strict configs)."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "jbls-shallow": {"fusion": "shallow"},
    "jbls-coattention": {"fusion": "co-attention", "fusion_heads": 2},
    "jbls-coattention-vilbert": {
        "fusion": "co-attention",
        "fusion_heads": 2,
        "co_attention": "vilbert",
    },
}
"""The two fusions with the heads of the README's command, the second also as figure 2 draws it."""


class CoAttention(nn.Module):
    """A modality's first state attends to all states of the other, then adds what it gathered."""

    def __init__(self, width: int, memory_width: int, config: JBLSConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(
            width,
            config.fusion_heads,
            memory_width=memory_width,
            dropout=config.attention_dropout,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.whole = config.co_attention == "vilbert"
        if self.whole:
            self.norm = nn.LayerNorm(width)
            self.expand = nn.Linear(width, config.intermediate_ratio * width)
            self.contract = nn.Linear(config.intermediate_ratio * width, width)
            self.output_norm = nn.LayerNorm(width)

    def forward(
        self, states: Tensor, memory: Sequence, *, with_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """states (B, 1, D), memory (B, S, M) → (B, 1, D) and the weights (B, H, 1, S)."""
        gathered, weights = self.attention(
            states, memory.values, memory.mask, with_weights=with_weights
        )
        states = states + self.dropout(gathered)
        if self.whole:
            states = self.norm(states)
            hidden = self.contract(F.gelu(self.expand(states)))
            states = self.output_norm(states + self.dropout(hidden))
        return states, weights


class JBLSModel(CrossModalModel):
    """The first states of the two encoders, text before audio, with or without co-attention.

    With one tower it is the paper's unimodal system (§5.2). An item without a modality has zeros in
    that modality's place.
    """

    config_class = JBLSConfig

    def __init__(self, config: JBLSConfig) -> None:
        super().__init__(config)
        if not self.modalities:
            raise ValueError("JBLS needs audio_config, text_config or both")
        if config.fusion == "co-attention":
            if len(self.modalities) < 2:
                raise ValueError("co-attention needs audio_config and text_config")
            widths = self.text_width, self.audio_width
            layers = range(config.fusion_layers)
            self.text_layers = nn.ModuleList(CoAttention(*widths, config) for _ in layers)
            self.audio_layers = nn.ModuleList(CoAttention(*widths[::-1], config) for _ in layers)
        self.pooler_dropout = nn.Dropout(config.pooler_dropout)
        self.post_init()

    @property
    def pooled_width(self) -> int:
        """D_w + D_a, of those that there are."""
        return self.text_width + self.audio_width

    def forward(
        self,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        audio_corruption: Corruption | None = None,
        text_corruption: Corruption | None = None,
        output_attentions: bool = False,
        **_: Any,
    ) -> CrossModalOutput:
        """Waveforms (B, N) and token ids (B, T_w), or states of both, with bool masks.

        The pooled vector is `text_first` and `audio_first` side by side.
        """
        heard = self.encode_audio(audio, audio_mask, audio_corruption)
        read = self.encode_text(text, text_mask, text_corruption)
        there = heard or read
        if there is None:
            raise ValueError(f"this model needs {' or '.join(self.modalities)}")
        heard_or_none = heard or absent(there, self.audio_width)
        read_or_none = read or absent(there, self.text_width)
        first = {"text": first_pool(read_or_none), "audio": first_pool(heard_or_none)}
        attentions = {}
        if self.config.fusion == "co-attention":
            streams = (
                ("text", self.text_layers, read_or_none, heard_or_none),
                ("audio", self.audio_layers, heard_or_none, read_or_none),
            )
            for name, layers, own, other in streams:
                first[name], attentions[name] = _attend(
                    layers, first[name], own, other, output_attentions
                )
        views: dict[str, Tensor] = {}
        if heard is not None:
            views |= {"audio_first": first["audio"], "audio_mean": mean_pool(heard)}
        if read is not None:
            views |= {"text_first": first["text"], "text_mean": mean_pool(read)}
        pooled = torch.cat(
            [first[name] for name in ("text", "audio") if name in self.modalities], -1
        )
        return CrossModalOutput(
            audio=heard,
            text=read,
            pooled=self.pooler_dropout(pooled),
            views=views,
            attentions=attentions if output_attentions else {},
        )


def _attend(
    layers: nn.ModuleList, first: Tensor, own: Sequence, other: Sequence, with_weights: bool
) -> tuple[Tensor, list[Tensor]]:
    """The first state after every layer, (B, D), zeros where there is none, and the weights."""
    states, attentions = first[:, None], []
    for layer in layers:
        states, weights = layer(states, other, with_weights=with_weights)
        if weights is not None:
            attentions.append(weights)
    return first_pool(Sequence(states, own.mask[:, :1])), attentions
