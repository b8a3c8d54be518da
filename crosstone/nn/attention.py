"""Multi-head attention, to oneself or to another sequence."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosstone.nn.dropping import attend_in_pieces, is_worth_pieces


def not_after(num_queries: int, num_keys: int, device: torch.device) -> Tensor:
    """Which keys each query may look at where none may look ahead, (T, S) bool."""
    return torch.ones(num_queries, num_keys, dtype=torch.bool, device=device).tril()


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of several heads (Vaswani et al. 2017, §3.2).

    The attended sequence (the memory) may have another width than the queries. Equal to
    `torch.nn.MultiheadAttention` with copied weights. Where every key of an item is masked its
    output is the output projection's bias alone, never NaN.
    """

    def __init__(
        self, width: int, num_heads: int, *, memory_width: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"width {width} is not a multiple of {num_heads} heads")
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(memory_width or width, width)
        self.value = nn.Linear(memory_width or width, width)
        self.output = nn.Linear(width, width)

    def forward(
        self,
        states: Tensor,
        memory: Tensor,
        memory_mask: Tensor,
        *,
        allowed: Tensor | None = None,
        with_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """What each state gathers from the memory.

        states (B, T, D), memory (B, S, M), memory_mask (B, S) True where real, allowed (T, S), or
        (B, 1, T, S), True where a query may look (all, if None) → (B, T, D), and with_weights the
        weights (B, H, T, S), else None.
        """
        query = self._split(self.query(states))
        key = self._split(self.key(memory))
        value = self._split(self.value(memory))
        seen = memory_mask[:, None, None, :]
        if allowed is not None:
            seen = seen & allowed
        dropout = self.dropout if self.training else 0.0
        weights = None
        if with_weights:
            gathered, weights = self._attend_openly(query, key, value, seen)
        elif dropout and is_worth_pieces(query, key):
            gathered = attend_in_pieces(query, key, value, seen, dropout)
        else:
            gathered = F.scaled_dot_product_attention(
                query, key, value, attn_mask=seen, dropout_p=dropout
            )
        return self.output(gathered.transpose(1, 2).flatten(2)), weights

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _attend_openly(
        self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num(0.0)
        return F.dropout(weights, self.dropout, self.training) @ value, weights
