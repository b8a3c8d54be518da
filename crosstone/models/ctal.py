"""CTAL: a text stream, and an audio stream that refers to it (Li et al., EMNLP 2021).

Sections are the paper's; `code` is what its authors released, where that departs from the paper.
"""

from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from crosstone.errors import CrosstoneError
from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput, absent
from crosstone.nn.attention import not_after
from crosstone.nn.embeddings import FrameEmbeddings
from crosstone.nn.masking import Corruption, masked_places, replace_states
from crosstone.nn.pooling import attention_pool, first_pool, max_pool, mean_pool
from crosstone.nn.transformer import TransformerBlock
from crosstone.sequence import Sequence

PUBLISHED: dict[str, dict[str, str]] = {
    "paper": {"audio_attention": "bidirectional", "head": "paper", "orthogonality": "paper"},
    "code": {"audio_attention": "causal", "head": "code", "orthogonality": "code"},
}
"""What `as_published` stands for."""

PRESETS: dict[str, dict[str, Any]] = {
    "ctal-base": {"num_layers": 3, "num_heads": 12},
    "ctal-large": {"num_layers": 6, "num_heads": 12},
    "ctal-base-code": {"num_layers": 3, "num_heads": 12, "as_published": "code"},
    "ctal-large-code": {"num_layers": 6, "num_heads": 12, "as_published": "code"},
}
"""The paper's sizes (§4.1), which the released code calls tiny and base."""


@strict
class CTALConfig(CrossModalConfig):
    """Everything the paper varied, and where the released code departs from it."""

    model_type = "crosstone-ctal"

    num_layers: int = 3
    """Blocks of the audio stream: 3 in CTAL base, 6 in CTAL large, as many as the text's (§4.1)."""

    num_heads: int = 12
    """Attention heads of each block (§4.1)."""

    intermediate_size: int = 3072
    """Width of the feed-forward layers; the code's, unstated in the paper."""

    max_frames: int = 3000
    """Length of the table of learned positions; the code's."""

    norm_eps: float = 1e-12
    """Of every layer norm of the audio stream, and of the heads in pretraining; the code's."""

    dropout: float = 0.1
    """On the embedded frames and on what each layer of a block adds; the code's."""

    attention_dropout: float = 0.1
    """On the attention weights; the code's."""

    as_published: str = "paper"
    """`paper` or `code`: sets audio_attention, head and orthogonality; each of them that is given
    too holds over it."""

    audio_attention: str | None = None
    """`bidirectional` (§3.1.3: no future mask), or `causal`: the code asks for a decoder and gets
    one whose frames do not see later ones."""

    head: str | None = None
    """How the streams become one vector. `paper` (§3.3): the text's first state and the audio's
    attention pooling, both streams' maxima, summed. `code`: the same over tanh of a linear layer of
    either stream, the text's maximum without its first place, then a linear layer and tanh; the
    linear layers of the attention have biases, that of the task has none."""

    orthogonality: str | None = None
    """`paper` (§3.3.1): the cosine of the two vectors; `code` divides by the audio's norm twice."""

    fusion: str = "sum"
    """`sum`; `concat`: first state and attention pooling side by side, without maxima, which the
    code runs as "without orthogonal fusion" (table 4 d); `none`, for pretraining, has no weights:
    first state and mean side by side."""

    outputs: str = "both"
    """Which stream's vectors count: both, or audio or text alone (table 4 e and f); the audio
    stream still looks at the text."""

    prompt: str = "corrupted"
    """What the audio stream looks at where tokens are masked: the `corrupted` text, as in the code,
    or the `clean` one, in a second pass; the paper says "the language stream prompt" (§3.2.2)."""

    def __post_init__(self, **kwargs: Any) -> None:
        for name, value in PUBLISHED.get(self.as_published, {}).items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        super().__post_init__(**kwargs)

    def validate_choices(self) -> None:
        """Raise ValueError where a choice is unknown (called by transformers' strict configs)."""
        for name, known in (
            ("as_published", ("paper", "code")),
            ("audio_attention", ("bidirectional", "causal")),
            ("head", ("paper", "code")),
            ("orthogonality", ("paper", "code")),
            ("fusion", ("sum", "concat", "none")),
            ("outputs", ("both", "audio", "text")),
            ("prompt", ("corrupted", "clean")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )

    def disowned(self, fields: Mapping[str, Any]) -> frozenset[str]:
        """What as_published set, where the later stage gives another; a fusion that is none."""
        names = set(PUBLISHED["paper"]) if "as_published" in fields else set()
        return frozenset(names | ({"fusion"} if self.fusion == "none" else set()))


class CTALModel(CrossModalModel):
    """The text encoder, and blocks over the audio that attend to its last states (§3.1).

    The speech tower gives the features (`mel-160`); its frames are masked here, with zeros or with
    other frames. A modality that an item lacks pools to zeros, and its frames attend to nothing.
    """

    config_class = CTALConfig
    has_mask_vectors = False

    def __init__(self, config: CTALConfig) -> None:
        super().__init__(config)
        if not (self.hears and self.reads):
            raise ValueError(
                "CTAL needs audio and text: audio_config or audio_features, and text_config or "
                "text_features"
            )
        width = self.token_width
        self.embeddings = FrameEmbeddings(
            self.feature_width,
            width,
            config.max_frames,
            dropout=config.dropout,
            norm_eps=config.norm_eps,
        )
        self.audio_blocks = nn.ModuleList(
            TransformerBlock(
                width,
                config.num_heads,
                config.intermediate_size,
                memory_width=width,
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                norm_eps=config.norm_eps,
            )
            for _ in range(config.num_layers)
        )
        self.fusion = None if config.fusion == "none" else Fusion(config, width)
        self.post_init()

    @property
    def pooled_width(self) -> int:
        """Twice the width of a stream (§3.3)."""
        return 2 * self.text_width

    @property
    def audio_width(self) -> int:
        """That of the text stream."""
        return self.text_width

    @property
    def max_seconds(self) -> float | None:
        """As long as there are positions for its frames; None for features given directly."""
        if self.audio_encoder is None:
            return None
        samples = (self.config.max_frames - 1) * self.audio_encoder.stride
        return float(samples / self.config.sampling_rate)

    @property
    def orthogonal_pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs that are fused (§3.3.1)."""
        if self.config.outputs != "both" or self.config.fusion == "none":
            return ()
        pairs = (("audio_attention", "text_first"), ("audio_max", "text_max"))
        return pairs if self.config.fusion == "sum" else pairs[:1]

    def forward(
        self,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        audio_corruption: Corruption | None = None,
        text_corruption: Corruption | None = None,
        only_masked: bool = False,
        output_attentions: bool = False,
        **_: Any,
    ) -> CrossModalOutput:
        """Waveforms (B, N) or features (B, T_a, F), and token ids (B, T_w), at least one of them.

        Where `audio_corruption` says LEARNED a frame's features are zeros. With only_masked, and
        without fusion, the last block is run for the masked frames: other audio states then mean
        nothing, nor do their mean and the pooled vector. Raises CrosstoneError for more frames than
        there are positions.
        """
        features = self.encode_audio(audio, audio_mask)
        text_states = self.encode_text(text, text_mask, text_corruption)
        prompt = text_states
        if self.config.prompt == "clean" and text_corruption is not None:
            prompt = self.encode_text(text, text_mask)
        there = features if features is not None else text_states
        if there is None:
            raise ValueError("CTAL needs audio or text")
        attentions: list[Tensor] = []
        audio_states = absent(there, self.audio_width)
        if features is not None:
            prompt = prompt if prompt is not None else absent(features, self.text_width)
            leave = only_masked and self.fusion is None and not output_attentions
            audio_states, attentions = self._listen(
                features, prompt, audio_corruption, output_attentions, only_masked=leave
            )
        if text_states is None:
            text_states = absent(there, self.text_width)
        views, pooled = (self.fusion or _unfused)(audio_states, text_states)
        return CrossModalOutput(
            audio=audio_states,
            text=text_states,
            pooled=pooled,
            views=views,
            features=features,
            attentions={"audio": attentions} if output_attentions else {},
        )

    def _listen(
        self,
        features: Sequence,
        prompt: Sequence,
        corruption: Corruption | None,
        with_weights: bool,
        *,
        only_masked: bool,
    ) -> tuple[Sequence, list[Tensor]]:
        """States of the audio stream (§3.1.3), and each block's attention to the text."""
        values = features.values
        num_frames, most = values.shape[1], self.config.max_frames
        if num_frames > most:
            raise CrosstoneError(
                f"CTAL: expected at most {most} frames of audio, found {num_frames}; hear only "
                "the beginning (data.hear_seconds), leave long recordings out, or pretrain with a "
                "larger model.config.max_frames"
            )
        if corruption is not None:
            values = replace_states(values, corruption, values.new_zeros(values.shape[-1]))
        states = self.embeddings(values)
        is_causal = self.config.audio_attention == "causal"
        allowed = not_after(num_frames, num_frames, values.device) if is_causal else None
        blocks, attentions = list(self.audio_blocks), []
        last = blocks.pop() if only_masked and corruption is not None else None
        for block in blocks:
            states, weights = block(
                states,
                features.mask,
                prompt.values,
                prompt.mask,
                allowed=allowed,
                with_weights=with_weights,
            )
            if weights is not None:
                attentions.append(weights)
        if last is not None and corruption is not None:
            places = masked_places(corruption.positions)
            where = places[..., None].expand(-1, -1, states.shape[-1])
            made, _ = last(
                states,
                features.mask,
                prompt.values,
                prompt.mask,
                queries=states.gather(1, where),
                allowed=allowed[places][:, None] if allowed is not None else None,
            )
            states = torch.zeros_like(states).scatter(1, where, made)
        return features.with_values(states), attentions


class Fusion(nn.Module):
    """From the states of the streams to the views and one vector (§3.3)."""

    def __init__(self, config: CTALConfig, width: int) -> None:
        super().__init__()
        self.as_coded, self.how, self.outputs = config.head == "code", config.fusion, config.outputs
        if self.outputs != "text":
            self.audio_projection = nn.Linear(width, width, bias=self.as_coded)
            self.audio_scorer = nn.Linear(width, 1, bias=self.as_coded)
        if self.as_coded:
            if self.outputs != "audio":
                self.text_projection = nn.Linear(width, width)
            self.fuse = nn.Linear(2 * width, 2 * width)

    def forward(self, audio: Sequence, text: Sequence) -> tuple[dict[str, Tensor], Tensor]:
        """The views (B, D) by name and the vector (B, 2D); of a stream that does not count there
        are none."""
        views = {}
        if self.outputs != "text":
            projected = torch.tanh(self.audio_projection(audio.values))
            scores = self.audio_scorer(projected)[..., 0]
            if self.as_coded:
                audio = audio.with_values(projected)
            views["audio_attention"] = attention_pool(audio, scores)
            views["audio_max"] = max_pool(audio)
        if self.outputs != "audio":
            words = text
            if self.as_coded:
                text = text.with_values(torch.tanh(self.text_projection(text.values)))
                words = Sequence(text.values[:, 1:], text.mask[:, 1:])
            views["text_first"], views["text_max"] = first_pool(text), max_pool(words)
        joined = self._join(views)
        return views, torch.tanh(self.fuse(joined)) if self.as_coded else joined

    def _join(self, views: Mapping[str, Tensor]) -> Tensor:
        if self.outputs != "both":
            return torch.cat(list(views.values()), -1)
        if self.how == "concat":
            return torch.cat([views["text_first"], views["audio_attention"]], -1)
        first = views["audio_attention"] + views["text_first"]
        return torch.cat([first, views["audio_max"] + views["text_max"]], -1)


def _unfused(audio: Sequence, text: Sequence) -> tuple[dict[str, Tensor], Tensor]:
    views = {"audio_mean": mean_pool(audio), "text_first": first_pool(text)}
    return views, torch.cat([views["text_first"], views["audio_mean"]], -1)
