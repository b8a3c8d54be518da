"""CMA: cross-modal attention over pretrained encoders (Krishna D N 2021, arXiv)."""

from itertools import pairwise
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from crosstone.errors import CrosstoneError
from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput, absent
from crosstone.nn.attention import MultiHeadAttention
from crosstone.nn.masking import Corruption
from crosstone.nn.pooling import first_pool, mean_pool, statistics_pool
from crosstone.nn.recurrent import BiLSTM, StridedConvolution
from crosstone.sequence import Sequence


@strict
class CMAConfig(CrossModalConfig):
    """The paper's sizes, and what it leaves open. Without one of the towers it is the paper's
    audio-only or text-only system (§5, table 2)."""

    model_type = "crosstone-cma"

    width: int = 256
    """Filters of each convolution, of the text's projection and of the attention; each direction of
    the BiLSTM has half of it (§2.2, §2.3)."""

    num_convolutions: int = 2
    """Convolution blocks, each of which halves the frame rate (§2.2)."""

    num_heads: int = 8
    """Heads of each cross-modal attention (§2.4)."""

    recurrent_dropout: float = 0.2
    """On the output of the BiLSTM (§4)."""

    residual: bool = False
    """False: eq. 4 and 5, where nothing is added to what the attention gathers, and W₀ is the feed-
    forward layer "with a hidden dimension similar to its input" of §4. True: the queries are added
    to it, and a feed-forward layer of its own of that width follows (layer norm, linear, ReLU,
    linear, residual), as in Vaswani et al. 2017, whose block figure 2 draws."""

    text_pooling: str = "first"
    """Of the text-only system: the encoder's `first` token, or `statistics` of the projected
    tokens, which is the text network less its attention. The paper says fine-tuned BERT and no
    more (§5)."""

    def validate_choices(self) -> None:
        """Raise ValueError where a choice is unknown (called by transformers' strict configs)."""
        if self.text_pooling not in ("first", "statistics"):
            raise ValueError(
                f"text_pooling is {self.text_pooling!r}, expected one of first, statistics"
            )
        if self.width % 2 or self.width % self.num_heads:
            raise ValueError(
                f"width is {self.width}, expected a multiple of 2, the directions of the BiLSTM, "
                f"and of num_heads, {self.num_heads}"
            )


PRESETS: dict[str, dict[str, Any]] = {
    "cma-tuned": {"freeze_audio": "convolutions", "freeze_text": "none"},
    "cma-frozen": {"freeze_audio": "all", "freeze_text": "all"},
}
"""The two rows of table 1: both encoders trained but for wav2vec's convolutional extractor (§4),
and "no fine-tuning"."""


class CrossModalAttention(nn.Module):
    """What each place of one stream gathers from the other (§2.4, figure 2).

    Layer norm on the queries and on the keys and values, then attention (§4). Eq. 4 prints its
    scale as d; here it is √d, as in Vaswani et al. 2017, which the paper names as its source.
    """

    def __init__(self, width: int, num_heads: int, *, residual: bool = False) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.memory_norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, num_heads)
        self.feed_forward = (
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
            )
            if residual
            else None
        )

    def forward(
        self, states: Sequence, memory: Sequence, *, with_weights: bool = False
    ) -> tuple[Sequence, Tensor | None]:
        """states (B, T, D), memory (B, S, D) → (B, T, D) and, with_weights, (B, H, T, S)."""
        gathered, weights = self.attention(
            self.query_norm(states.values),
            self.memory_norm(memory.values),
            memory.mask,
            with_weights=with_weights,
        )
        if self.feed_forward is not None:
            gathered = states.values + gathered
            gathered = gathered + self.feed_forward(gathered)
        return states.with_values(gathered), weights


class CMAModel(CrossModalModel):
    """Two streams, each of which asks the other once; statistics of both, side by side.

    An absent modality has statistics of zero. Without `residual` the other one's then are the bias
    of W₀ and 0: by eq. 5 a stream says only what it gathered, so a single modality tells nothing.
    """

    config_class = CMAConfig

    def __init__(self, config: CMAConfig) -> None:
        super().__init__(config)
        if not self.modalities:
            raise ValueError("CMA needs speech, text or both")
        width = config.width
        if self.hears:
            widths = [self.feature_width] + [width] * config.num_convolutions
            self.convolutions = nn.Sequential(
                *(StridedConvolution(i, o) for i, o in pairwise(widths))
            )
            self.recurrence = BiLSTM(widths[-1], width // 2, dropout=config.recurrent_dropout)
        projects = self.reads and (self.hears or config.text_pooling == "statistics")
        self.projection = nn.Linear(self.token_width, width) if projects else None
        if self.hears and self.reads:
            self.audio_attention = self._attention()
            self.text_attention = self._attention()
        self.post_init()

    def _attention(self) -> CrossModalAttention:
        return CrossModalAttention(
            self.config.width, self.config.num_heads, residual=self.config.residual
        )

    @property
    def audio_width(self) -> int:
        """Width of the audio stream, 256 in the paper."""
        return int(self.config.width) if self.hears else 0

    @property
    def text_width(self) -> int:
        """Width of the text stream, 256 in the paper; the encoder's where nothing projects it."""
        return int(self.config.width) if self.projection is not None else self.token_width

    @property
    def pooled_width(self) -> int:
        """Mean and deviation of each stream; the encoder's width where its first token answers."""
        if not self.hears and self.config.text_pooling == "first":
            return self.token_width
        return 2 * (self.audio_width + self.text_width)

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
        """Waveforms and token ids of a batch, at least one of them, to pooled statistics.

        audio (B, N) and text (B, T_w) with bool masks, True where real; or the features of encoders
        (B, T, F). The audio states have a quarter of the encoder's frame rate. Raises
        CrosstoneError where something is masked: the paper pretrains nothing.
        """
        if audio_corruption is not None or text_corruption is not None:
            raise CrosstoneError(
                "CMA: expected nothing masked, since its audio states are fewer than the encoder's "
                "frames; pretrain its encoders (model.family audio, text) and name their folders"
            )
        features = self.encode_audio(audio, audio_mask)
        tokens = self.encode_text(text, text_mask)
        there = features if features is not None else tokens
        if there is None:
            raise ValueError(f"CMA needs {' or '.join(self.modalities)}")
        heard = self.recurrence(self.convolutions(features)) if features is not None else None
        read = tokens
        if tokens is not None and self.projection is not None:
            read = tokens.with_values(self.projection(tokens.values))
        attentions: dict[str, list[Tensor]] = {}
        if self.hears and self.reads:
            heard, read, attentions = self._attend(
                heard if heard is not None else absent(there, self.audio_width),
                read if read is not None else absent(there, self.text_width),
                output_attentions,
            )
        views: dict[str, Tensor] = {}
        if heard is not None:
            views |= {"audio_mean": mean_pool(heard), "audio_statistics": statistics_pool(heard)}
        if read is not None:
            views |= {"text_mean": mean_pool(read), "text_first": first_pool(read)}
            views["text_statistics"] = statistics_pool(read)
        if not self.hears and self.config.text_pooling == "first":
            pooled = views["text_first"]
        else:
            pooled = torch.cat([view for name, view in views.items() if "statistics" in name], -1)
        return CrossModalOutput(
            audio=heard,
            text=read,
            pooled=pooled,
            views=views,
            features=features,
            attentions=attentions,
        )

    def _attend(
        self, heard: Sequence, read: Sequence, with_weights: bool
    ) -> tuple[Sequence, Sequence, dict[str, list[Tensor]]]:
        """CMA-1 and CMA-2, each of which asks the other's encoder stream."""
        audio, of_audio = self.audio_attention(heard, read, with_weights=with_weights)
        text, of_text = self.text_attention(read, heard, with_weights=with_weights)
        if of_audio is None or of_text is None:
            return audio, text, {}
        return audio, text, {"audio": [of_audio], "text": [of_text]}
