"""The post-norm transformer block, with or without a second sequence to attend to."""

from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from crosstone.nn.activation import gelu_linear
from crosstone.nn.attention import MultiHeadAttention
from crosstone.nn.dropping import Dropout


class TransformerBlock(GradientCheckpointingLayer):
    """Self-attention, then attention to a memory if there is one, then a feed-forward layer.

    Each is followed by a residual and a layer norm (post-norm), with GELU between the two linear
    layers. Dropout falls on what each of the three adds (as in BERT) and on the attention weights.
    With `memory_width` it is `nn.TransformerDecoderLayer(norm_first=False)`, without it
    `nn.TransformerEncoderLayer(norm_first=False)`.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        intermediate: int,
        *,
        memory_width: int | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(width, num_heads, dropout=attention_dropout)
        self.self_norm = nn.LayerNorm(width, norm_eps)
        if memory_width is not None:
            self.cross_attention = MultiHeadAttention(
                width, num_heads, memory_width=memory_width, dropout=attention_dropout
            )
            self.cross_norm = nn.LayerNorm(width, norm_eps)
        self.expand = nn.Linear(width, intermediate)
        self.contract = nn.Linear(intermediate, width)
        self.output_norm = nn.LayerNorm(width, norm_eps)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        states: Tensor,
        mask: Tensor,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        queries: Tensor | None = None,
        allowed: Tensor | None = None,
        with_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The next states (B, T, D) and, with_weights, the attention to the memory (B, H, T, S).

        states (B, T, D), mask (B, T), memory (B, S, M), memory_mask (B, S), True where real;
        queries (B, Q, D): those of the states whose next ones are asked for, all if None, Q then
        stands for T in what is given; allowed (T, T), or (B, 1, T, T), True where a state may look
        at another of its own stream.
        """
        asked = states if queries is None else queries
        heard, _ = self.self_attention(asked, states, mask, allowed=allowed)
        states = self.self_norm(asked + self.dropout(heard))
        weights = None
        if memory is not None and memory_mask is not None:
            heard, weights = self.cross_attention(
                states, memory, memory_mask, with_weights=with_weights
            )
            states = self.cross_norm(states + self.dropout(heard))
        hidden = gelu_linear(self.expand(states), self.contract)
        return self.output_norm(states + self.dropout(hidden)), weights
