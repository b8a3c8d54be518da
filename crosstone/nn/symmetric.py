"""The post-norm block of two streams that attend to each other."""

from torch import Tensor, nn

from crosstone.nn.attention import MultiHeadAttention
from crosstone.nn.transformer import TransformerBlock
from crosstone.sequence import Sequence


class SymmetricBlock(nn.Module):
    """Each of two streams attends to the other, then to itself, then a feed-forward layer.

    Both look at what the other was before the block; each layer has a residual and a layer norm
    after it (LXMERT, Tan and Bansal 2019, §2.2). With equal weights in both directions it is
    transformers' LxmertXLayer, whose code shares them; the paper's text does not.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        intermediate: int,
        *,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.audio_attention, self.text_attention = (
            MultiHeadAttention(width, num_heads, dropout=attention_dropout) for _ in range(2)
        )
        self.audio_norm, self.text_norm = (nn.LayerNorm(width, norm_eps) for _ in range(2))
        self.audio_block, self.text_block = (
            TransformerBlock(
                width,
                num_heads,
                intermediate,
                dropout=dropout,
                attention_dropout=attention_dropout,
                norm_eps=norm_eps,
            )
            for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, audio: Sequence, text: Sequence, *, with_weights: bool = False
    ) -> tuple[Sequence, Sequence, Tensor | None, Tensor | None]:
        """Both streams after the block, (B, T, D) and (B, S, D), and with_weights the attention of
        the audio to the text (B, H, T, S) and of the text to the audio (B, H, S, T)."""
        to_text, audio_weights = self.audio_attention(
            audio.values, text.values, text.mask, with_weights=with_weights
        )
        to_audio, text_weights = self.text_attention(
            text.values, audio.values, audio.mask, with_weights=with_weights
        )
        heard = self.audio_norm(audio.values + self.dropout(to_text))
        read = self.text_norm(text.values + self.dropout(to_audio))
        heard, _weights = self.audio_block(heard, audio.mask)
        read, _weights = self.text_block(read, text.mask)
        return audio.with_values(heard), text.with_values(read), audio_weights, text_weights
