"""What CTAL is weighed against: two symmetric streams, one stream for both, one for speech alone.

CTAL (Li et al. 2021, §5.1 and table 4) pretrains models in the style of LXMERT, VisualBERT and
Mockingjay with as many parameters as its own, and says no more of them: embeddings, widths, dropout
and fusion are CTAL's here, the shape of the blocks that of the named papers.
"""

from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from crosstone.errors import CrosstoneError
from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput, absent
from crosstone.nn.embeddings import FrameEmbeddings
from crosstone.nn.masking import Corruption, replace_states
from crosstone.nn.pooling import attention_pool, first_pool, max_pool, mean_pool
from crosstone.nn.symmetric import SymmetricBlock
from crosstone.nn.transformer import TransformerBlock
from crosstone.sequence import Sequence


@strict
class StreamConfig(CrossModalConfig):
    """What the three have in common; the values are those of CTAL's released code."""

    num_heads: int = 12
    """Attention heads of each block."""

    intermediate_size: int = 3072
    """Width of the feed-forward layers."""

    max_frames: int = 3000
    """Length of the table of learned positions."""

    norm_eps: float = 1e-12
    """Of every layer norm, and of the heads in pretraining."""

    dropout: float = 0.1
    """On the embedded frames and on what each layer of a block adds."""

    attention_dropout: float = 0.1
    """On the attention weights."""

    fusion: str = "sum"
    """`sum`, CTAL's (§3.3): first state and attention pooling, then both maxima, summed over the
    modalities; `none`, for pretraining, has no weights: first state and mean, summed."""

    def validate_fusion(self) -> None:
        """Raise ValueError where it is unknown (called by transformers' strict configs)."""
        if self.fusion not in ("sum", "none"):
            raise ValueError(f"fusion is {self.fusion!r}, expected one of sum, none")

    def disowned(self, fields: Mapping[str, Any]) -> frozenset[str]:
        """A fusion that is none."""
        return frozenset({"fusion"} if self.fusion == "none" else set())


@strict
class TwoStreamConfig(StreamConfig):
    """A stream of text, one of speech as wide, and blocks in which each looks at the other."""

    model_type = "crosstone-two-stream"

    audio_layers: int = 3
    """Blocks of the speech alone; those of the text alone are the text encoder's."""

    cross_layers: int = 3
    """Blocks in which both attend to each other."""


@strict
class SingleStreamConfig(StreamConfig):
    """One encoder over the embeddings of text and speech, or of speech alone."""

    model_type = "crosstone-single-stream"

    width: int = 768
    """Of the encoder; the text encoder, where there is one, has the same."""

    num_layers: int = 14
    """Blocks."""


TWO_STREAM_PRESETS: dict[str, dict[str, int]] = {
    "two-stream-large": {"audio_layers": 3, "cross_layers": 3}
}
"""With a text encoder of 3 layers, roberta-ctal-base: its blocks have exactly the parameters of
CTAL large's, 99,237,888. §5.1 says "similar size" and no numbers of layers."""

SINGLE_STREAM_PRESETS: dict[str, dict[str, int]] = {"single-stream-large": {"num_layers": 14}}
"""99,230,208 parameters in blocks, with roberta-ctal-embeddings."""

MOCKINGJAY_PRESETS: dict[str, dict[str, int]] = {"mockingjay-large": {"num_layers": 7}}
"""Half of that: table 4's setting (g) pairs it with a text model to the size of CTAL large."""


class StreamModel(CrossModalModel):
    """Frames of the speech tower (`mel-160`) as inputs, and CTAL's fusion over the last states.

    A subclass says what is between. Frames are masked here, with zeros or with other frames. A
    modality that an item lacks is attended to by nothing and adds zeros to the fused vector.
    """

    config: Any
    has_mask_vectors = False

    def __init__(self, config: StreamConfig, width: int) -> None:
        super().__init__(config)
        if not self.hears:
            raise ValueError(
                "this model needs audio_config or audio_features; of text alone a text encoder is "
                "one already (family text)"
            )
        self.width = width
        self.embeddings = FrameEmbeddings(
            self.feature_width,
            width,
            config.max_frames,
            dropout=config.dropout,
            norm_eps=config.norm_eps,
        )
        self.fusion = Fusion(width) if config.fusion == "sum" else None

    @property
    def audio_width(self) -> int:
        """Width of the stream."""
        return self.width

    @property
    def text_width(self) -> int:
        """Width of the stream."""
        return self.width if self.reads else 0

    @property
    def pooled_width(self) -> int:
        """Twice the width: attention pooling and maxima; once, unfused."""
        return self.width if self.fusion is None else 2 * self.width

    @property
    def max_seconds(self) -> float | None:
        """As long as there are positions for its frames; None for features given directly."""
        if self.audio_encoder is None:
            return None
        samples = (self.config.max_frames - 1) * self.audio_encoder.stride
        return float(samples / self.config.sampling_rate)

    @property
    def orthogonal_pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs that are fused, where there are both modalities."""
        if self.fusion is None or not self.reads:
            return ()
        return (("audio_attention", "text_first"), ("audio_max", "text_max"))

    def _block(self) -> TransformerBlock:
        config = self.config
        return TransformerBlock(
            self.width,
            config.num_heads,
            config.intermediate_size,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            norm_eps=config.norm_eps,
        )

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
        """Waveforms (B, N) or features (B, T_a, F), and token ids (B, T_w), at least one of what
        the model takes.

        Where `audio_corruption` says LEARNED a frame's features are zeros. Raises CrosstoneError
        for more frames than there are positions.
        """
        features = self.encode_audio(audio, audio_mask)
        text_states = self.encode_text(text, text_mask, text_corruption)
        there = features if features is not None else text_states
        if there is None:
            raise ValueError(f"this model needs {' or '.join(self.modalities)}")
        audio_states = absent(there, self.width)
        if features is not None:
            audio_states = self._embed(features, audio_corruption)
        if text_states is None and self.reads:
            text_states = absent(there, self.width)
        audio_states, text_states, attentions = self._relate(
            audio_states, text_states, output_attentions
        )
        views, pooled = (self.fusion or _unfused)(audio_states, text_states)
        return CrossModalOutput(
            audio=audio_states,
            text=text_states,
            pooled=pooled,
            views=views,
            features=features,
            attentions=attentions,
        )

    def _embed(self, features: Sequence, corruption: Corruption | None) -> Sequence:
        values, most = features.values, self.config.max_frames
        if values.shape[1] > most:
            raise CrosstoneError(
                f"expected at most {most} frames of audio, found {values.shape[1]}; hear only the "
                "beginning (data.hear_seconds), leave long recordings out, or pretrain with a "
                "larger model.config.max_frames"
            )
        if corruption is not None:
            values = replace_states(values, corruption, values.new_zeros(values.shape[-1]))
        return features.with_values(self.embeddings(values))

    def _relate(
        self, audio: Sequence, text: Sequence | None, with_weights: bool
    ) -> tuple[Sequence, Sequence | None, dict[str, list[Tensor]]]:
        """The last states of both modalities from their embeddings, and the attentions of each to
        the other."""
        raise TypeError(f"{type(self).__name__} must define _relate")


class TwoStreamModel(StreamModel):
    """Text and speech by themselves, then blocks of both, each attending to the other (LXMERT, Tan
    and Bansal 2019, §2)."""

    config_class = TwoStreamConfig

    def __init__(self, config: TwoStreamConfig) -> None:
        text: Any = config.text_config
        width = config.text_features if text is None else text.hidden_size
        if not width:
            raise ValueError("a two-stream model needs text_config or text_features")
        super().__init__(config, width)
        self.audio_blocks = nn.ModuleList(self._block() for _ in range(config.audio_layers))
        self.cross_blocks = nn.ModuleList(
            SymmetricBlock(
                self.width,
                config.num_heads,
                config.intermediate_size,
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                norm_eps=config.norm_eps,
            )
            for _ in range(config.cross_layers)
        )
        self.post_init()

    def _relate(
        self, audio: Sequence, text: Sequence | None, with_weights: bool
    ) -> tuple[Sequence, Sequence | None, dict[str, list[Tensor]]]:
        assert text is not None
        for block in self.audio_blocks:
            audio = audio.with_values(block(audio.values, audio.mask)[0])
        attentions: dict[str, list[Tensor]] = {"audio": [], "text": []} if with_weights else {}
        for block in self.cross_blocks:
            audio, text, *weights = block(audio, text, with_weights=with_weights)
            for name, found in zip(attentions, weights, strict=False):
                attentions[name].append(found)
        return audio, text, attentions


class SingleStreamModel(StreamModel):
    """One encoder over [text ; speech] (VisualBERT, Li et al. 2019, §3), or over speech alone
    (Mockingjay, Liu et al. 2020).

    What tells the modalities apart are the type vectors in the embeddings of each. The text encoder
    may be embeddings alone: `roberta-ctal-embeddings`, a RoBERTa of no layers.
    """

    config_class = SingleStreamConfig

    def __init__(self, config: SingleStreamConfig) -> None:
        super().__init__(config, config.width)
        if self.reads and self.token_width != config.width:
            raise ValueError(
                f"width: expected that of the text encoder, {self.token_width}, found "
                f"{config.width}; choose another text encoder or set width={self.token_width}"
            )
        self.blocks = nn.ModuleList(self._block() for _ in range(config.num_layers))
        self.post_init()

    def _relate(
        self, audio: Sequence, text: Sequence | None, with_weights: bool
    ) -> tuple[Sequence, Sequence | None, dict[str, list[Tensor]]]:
        parts = [audio] if text is None else [text, audio]
        states = torch.cat([part.values for part in parts], 1)
        mask = torch.cat([part.mask for part in parts], 1)
        for block in self.blocks:
            states, _weights = block(states, mask)
        num_frames = audio.values.shape[1]
        if text is not None:
            text = text.with_values(states[:, :-num_frames])
        return audio.with_values(states[:, -num_frames:]), text, {}


class Fusion(nn.Module):
    """CTAL's two vectors of each modality, summed over the modalities (§3.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.audio_projection = nn.Linear(width, width, bias=False)
        self.audio_scorer = nn.Linear(width, 1, bias=False)

    def forward(self, audio: Sequence, text: Sequence | None) -> tuple[dict[str, Tensor], Tensor]:
        """The views (B, D) by name and the vector (B, 2D)."""
        scores = self.audio_scorer(torch.tanh(self.audio_projection(audio.values)))[..., 0]
        views = {"audio_attention": attention_pool(audio, scores), "audio_max": max_pool(audio)}
        if text is None:
            return views, torch.cat(list(views.values()), -1)
        views |= {"text_first": first_pool(text), "text_max": max_pool(text)}
        first = views["audio_attention"] + views["text_first"]
        return views, torch.cat([first, views["audio_max"] + views["text_max"]], -1)


def _unfused(audio: Sequence, text: Sequence | None) -> tuple[dict[str, Tensor], Tensor]:
    views = {"audio_mean": mean_pool(audio)}
    if text is None:
        return views, views["audio_mean"]
    views["text_first"] = first_pool(text)
    return views, views["audio_mean"] + views["text_first"]
