"""MulT: cross-modal transformers over unaligned features (Tsai et al., ACL 2019), audio and text.

The paper has three modalities; CTAL (Li et al. 2021, §4.2.2) re-ran it without the visual one, as
it stands here. Sections and tables are the paper's, `code` is what its authors released.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import initialization

from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput, absent
from crosstone.nn.prenorm import PreNormEncoder, not_after_end
from crosstone.sequence import Sequence

PUBLISHED: dict[str, dict[str, Any]] = {
    "paper": {"future_mask": False, "padding": "masked", "skip_equal_projection": False},
    "code": {"future_mask": True, "padding": "code", "skip_equal_projection": True},
}
"""What `as_published` stands for."""


@strict
class MulTConfig(CrossModalConfig):
    """Everything table 5 lists, and where the released code departs from the paper."""

    model_type = "crosstone-mult"

    width: int = 40
    """Of every transformer (table 5); 30 in the code."""

    num_layers: int = 4
    """Blocks of each cross-modal transformer (table 5), 5 in the code; the memories, which attend
    to themselves, have at least 3."""

    num_heads: int = 8
    """8 on MOSEI, 10 on MOSI and IEMOCAP (table 5), 5 in the code."""

    audio_kernel: int = 3
    """Frames that the temporal convolution over the audio spans: 3, on IEMOCAP 5 (table 5), 1 in
    the code. It does not pad: k − 1 places fewer leave it."""

    text_kernel: int = 1
    """The same over the text: 1 or 3 (table 5), 1 in the code."""

    embed_dropout: float = 0.25
    """On the text before its convolution and on what enters each transformer. The code's 0.25;
    table 5 has 0.3 (MOSEI, IEMOCAP) and 0.2 (MOSI) for the text. Keys and values share one draw,
    where the code draws twice."""

    attention_dropout: float = 0.1
    """On the weights of attention to the text, and of the memories."""

    audio_attention_dropout: float = 0.0
    """On the weights of attention to the audio: the code's dropout goes by what is attended to."""

    relu_dropout: float = 0.1
    """Inside the feed-forward layers."""

    residual_dropout: float = 0.1
    """On what each layer of a block adds."""

    output_dropout: float = 0.0
    """Inside the residual layers over the last states: 0.1 (table 5), 0 in the code."""

    as_published: str = "paper"
    """`paper` or `code`: sets future_mask, padding and skip_equal_projection; each of them that is
    given too holds over it."""

    future_mask: bool | None = None
    """Whether query i sees only the keys up to i + |S − T|; the paper mentions no such mask, the
    code has it on."""

    padding: str | None = None
    """`masked`: padded places are not attended to, positions count the real ones, and the last
    real state is taken. `code`: zeros stand before the real places, are attended to, shift the
    positions, and a place whose first channel is exactly 0 has none; so what an item is padded to
    changes its output."""

    skip_equal_projection: bool | None = None
    """Leave the convolution out, its kernel too, where an input already has `width`; the code does,
    and does not say so."""

    def __post_init__(self, **kwargs: Any) -> None:
        for name, value in PUBLISHED.get(self.as_published, {}).items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        super().__post_init__(**kwargs)

    def disowned(self, fields: Mapping[str, Any]) -> frozenset[str]:
        """What as_published set, where the later stage gives another."""
        return frozenset(PUBLISHED["paper"] if "as_published" in fields else ())

    def validate_choices(self) -> None:
        """Raise ValueError where a choice is unknown (called by transformers' strict configs)."""
        for name, known in (("as_published", ("paper", "code")), ("padding", ("masked", "code"))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )
        if min(self.audio_kernel, self.text_kernel) < 1:
            raise ValueError(
                "audio_kernel and text_kernel expect at least 1, found "
                f"{self.audio_kernel} and {self.text_kernel}"
            )


def _dropouts(embed: float, block: float) -> dict[str, float]:
    names = ("attention_dropout", "audio_attention_dropout", "relu_dropout", "residual_dropout")
    return {"embed_dropout": embed, "output_dropout": 0.1, **dict.fromkeys(names, block)}


PRESETS: dict[str, dict[str, Any]] = {
    "mult-mosei": {"num_heads": 8, **_dropouts(0.3, 0.1)},
    "mult-mosi": {"num_heads": 10, **_dropouts(0.2, 0.2)},
    "mult-iemocap": {"num_heads": 10, "audio_kernel": 5, "text_kernel": 3, **_dropouts(0.3, 0.25)},
    "mult-code": {
        "width": 30,
        "num_layers": 5,
        "num_heads": 5,
        "audio_kernel": 1,
        "as_published": "code",
    },
}
"""Table 5 by data set, and the released code with its defaults. Table 5's one dropout of a block
stands for attention, feed-forward layer and residual."""


class MulTModel(CrossModalModel):
    """Each modality attends to the other's low-level features, then to itself; the last states of
    both, through residual layers, are the vector of the item (§3).

    Inputs are what the encoders give, or features given directly. A modality that is not there has
    no place to attend to and the last state 0; with `padding: code` it is zeros, as in the code's
    data.
    """

    config_class = MulTConfig

    def __init__(self, config: MulTConfig) -> None:
        super().__init__(config)
        if not (self.hears and self.reads):
            raise ValueError(
                "MulT needs audio and text: audio_config or audio_features, and text_config or "
                "text_features"
            )
        self.audio_projection = self._projection(self.feature_width, config.audio_kernel)
        self.text_projection = self._projection(self.token_width, config.text_kernel)
        to_audio, to_text = config.audio_attention_dropout, config.attention_dropout
        self.text_with_audio = self._encoder(config.num_layers, to_audio)
        self.audio_with_text = self._encoder(config.num_layers, to_text)
        self.text_memory = self._encoder(max(config.num_layers, 3), config.attention_dropout)
        self.audio_memory = self._encoder(max(config.num_layers, 3), config.attention_dropout)
        self.first_residual = nn.Linear(self.pooled_width, self.pooled_width)
        self.second_residual = nn.Linear(self.pooled_width, self.pooled_width)
        self.post_init()

    def _projection(self, features: int, kernel: int) -> nn.Conv1d | None:
        if self.config.skip_equal_projection and features == self.config.width:
            return None
        return nn.Conv1d(features, self.config.width, kernel, bias=False)

    def _encoder(self, num_layers: int, attention_dropout: float) -> PreNormEncoder:
        config = self.config
        return PreNormEncoder(
            config.width,
            config.num_heads,
            num_layers,
            embed_dropout=config.embed_dropout,
            dropout=config.residual_dropout,
            relu_dropout=config.relu_dropout,
            attention_dropout=attention_dropout,
        )

    def _init_weights(self, module: nn.Module) -> None:
        """Xavier's uniform weights and no biases, whatever `initializer_range` is: the code's
        attention has it so, here all does."""
        if isinstance(module, nn.Linear | nn.Conv1d):
            initialization.xavier_uniform_(module.weight)
            if module.bias is not None:
                initialization.zeros_(module.bias)
        else:
            super()._init_weights(module)

    @property
    def audio_width(self) -> int:
        """Width of the audio memory's states."""
        return int(self.config.width)

    @property
    def text_width(self) -> int:
        """Width of the text memory's states."""
        return int(self.config.width)

    @property
    def pooled_width(self) -> int:
        """Twice the width: text, then audio."""
        return 2 * int(self.config.width)

    @property
    def orthogonal_pairs(self) -> tuple[tuple[str, str], ...]:
        """The two last states."""
        return (("audio_last", "text_last"),)

    def forward(
        self,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        output_attentions: bool = False,
        **_: Any,
    ) -> CrossModalOutput:
        """Waveforms (B, N) or features (B, T_a, F), token ids (B, T_w) or features, at least one of
        both, with bool masks, to the states of the memories and the vector of each item."""
        audio_inputs = self.encode_audio(audio, audio_mask)
        text_inputs = self.encode_text(text, text_mask)
        there = audio_inputs or text_inputs
        if there is None:
            raise ValueError("MulT needs audio or text")
        hears = self._project(
            audio_inputs or absent(there, self.feature_width),
            self.audio_projection,
        )
        reads = text_inputs or absent(there, self.token_width)
        reads = self._project(
            reads.with_values(F.dropout(reads.values, self.config.embed_dropout, self.training)),
            self.text_projection,
        )
        from_audio, text_weights = self._run(self.text_with_audio, reads, hears, output_attentions)
        from_text, audio_weights = self._run(self.audio_with_text, hears, reads, output_attentions)
        text_states, _weights = self._run(self.text_memory, from_audio)
        audio_states, _weights = self._run(self.audio_memory, from_text)
        views = {"audio_last": self._last(audio_states), "text_last": self._last(text_states)}
        last = torch.cat([views["text_last"], views["audio_last"]], dim=-1)
        hidden = F.dropout(
            F.relu(self.first_residual(last)), self.config.output_dropout, self.training
        )
        return CrossModalOutput(
            audio=audio_states,
            text=text_states,
            pooled=self.second_residual(hidden) + last,
            views=views,
            attentions={"audio": audio_weights, "text": text_weights} if output_attentions else {},
        )

    @property
    def _pads_before(self) -> bool:
        return bool(self.config.padding == "code")

    def _project(self, inputs: Sequence, projection: nn.Conv1d | None) -> Sequence:
        """Low-level features, which places are real among them, padding on the side where
        `padding` has it."""
        values, mask = inputs.values, inputs.mask
        if self._pads_before:
            order = mask.long().argsort(dim=1, stable=True)
            mask = mask.gather(1, order)
            values = values.gather(1, order[..., None].expand_as(values))
        values = values * mask[..., None].to(values.dtype)
        kernel = 1
        if projection is not None:
            kernel = projection.kernel_size[0]
            short = max(0, kernel - values.shape[1])
            sides = (short, 0) if self._pads_before else (0, short)
            values = projection(F.pad(values.transpose(1, 2), sides)).transpose(1, 2)
        places = torch.arange(values.shape[1], device=values.device)
        lengths = inputs.lengths[:, None]
        if self._pads_before:
            return Sequence(values, places >= values.shape[1] - lengths)
        # an item shorter than the kernel keeps one place, over zeros
        whole = torch.where(lengths > 0, (lengths - kernel + 1).clamp(min=1), 0)
        return Sequence(values, places < whole)

    def _run(
        self,
        encoder: PreNormEncoder,
        states: Sequence,
        memory: Sequence | None = None,
        with_weights: bool = False,
    ) -> tuple[Sequence, list[Tensor]]:
        keys = memory or states
        allowed = None
        if self.config.future_mask:
            allowed = not_after_end(self._seen(states), self._seen(keys))
        found, weights = encoder(
            self._seen(states),
            self._positions(states),
            self._seen(memory) if memory is not None else None,
            self._positions(memory) if memory is not None else None,
            allowed=allowed,
            with_weights=with_weights,
        )
        return states.with_values(found.values), weights

    def _seen(self, states: Sequence) -> Sequence:
        if not self._pads_before:
            return states
        return Sequence(states.values, torch.ones_like(states.mask))

    def _positions(self, states: Sequence) -> Tensor:
        has_one = states.values[..., 0] != 0 if self._pads_before else states.mask
        places = torch.arange(1, states.mask.shape[1] + 1, device=states.mask.device)
        return torch.where(has_one, places, 0)

    def _last(self, states: Sequence) -> Tensor:
        if self._pads_before:
            return states.values[:, -1]
        rows = torch.arange(states.values.shape[0], device=states.values.device)
        last = states.values[rows, (states.lengths - 1).clamp(min=0)]
        return last * (states.lengths > 0)[:, None].to(last.dtype)
