"""The pre-norm transformer with sinusoids, to oneself or to another sequence."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from crosstone.nn.attention import MultiHeadAttention
from crosstone.sequence import Sequence


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sinusoids of each position in tensor2tensor's form, sines then cosines, (B, T, D) float32.

    positions (B, T) integers up to T; 0 is no position and gets zeros. An odd width ends in a zero.
    """
    half = width // 2
    step = -math.log(10_000.0) / max(half - 1, 1)
    device = positions.device
    rates = torch.exp(torch.arange(half, device=device, dtype=torch.float32) * step)
    places = torch.arange(positions.shape[1] + 1, device=device, dtype=torch.float32)
    angles = places[:, None] * rates
    table = F.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, width - 2 * half))
    return table.index_fill(0, torch.zeros(1, dtype=torch.long, device=device), 0.0)[positions]


def not_after_end(states: Sequence, memory: Sequence) -> Tensor:
    """Which places of a memory each state may look at where none may look ahead, (B, 1, T, S) bool.

    Query i sees the keys up to i + |S − T|, in real places of the item: of a longer memory the ends
    stand together.
    """
    device = states.mask.device
    queries = torch.arange(states.mask.shape[1], device=device)
    keys = torch.arange(memory.mask.shape[1], device=device)
    beyond = (memory.lengths - states.lengths).abs()
    return keys <= queries[:, None] + beyond[:, None, None, None]


class PreNormBlock(GradientCheckpointingLayer):
    """Attention and a feed-forward layer, each after a layer norm and beside a residual.

    One norm serves queries, keys and values. Of equal weights it is
    `nn.TransformerEncoderLayer(norm_first=True)` where a sequence attends to itself.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        intermediate: int,
        *,
        dropout: float = 0.0,
        relu_dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, num_heads, dropout=attention_dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, intermediate)
        self.contract = nn.Linear(intermediate, width)
        self.output_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.relu_dropout = nn.Dropout(relu_dropout)

    def forward(
        self,
        states: Tensor,
        memory: Tensor,
        memory_mask: Tensor,
        *,
        allowed: Tensor | None = None,
        with_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The next states (B, T, D) and, with_weights, the attention (B, H, T, S).

        states (B, T, D), memory (B, S, D), memory_mask (B, S) True where real; the memory may be
        the states themselves. allowed as in MultiHeadAttention.
        """
        heard, weights = self.attention(
            self.attention_norm(states),
            self.attention_norm(memory),
            memory_mask,
            allowed=allowed,
            with_weights=with_weights,
        )
        states = states + self.dropout(heard)
        hidden = self.relu_dropout(F.relu(self.expand(self.output_norm(states))))
        return states + self.dropout(self.contract(hidden)), weights


class PreNormEncoder(nn.Module):
    """Blocks over scaled inputs with sinusoids, and a last layer norm (Tsai et al. 2019, §3.2).

    With a memory every block attends to the same one, which no block changes; without, each block
    attends to its own input. Inputs are multiplied by √D before the sinusoids are added.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        num_layers: int,
        *,
        embed_dropout: float = 0.0,
        dropout: float = 0.0,
        relu_dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.embed_dropout = nn.Dropout(embed_dropout)
        self.blocks = nn.ModuleList(
            PreNormBlock(
                width,
                num_heads,
                4 * width,
                dropout=dropout,
                relu_dropout=relu_dropout,
                attention_dropout=attention_dropout,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        states: Sequence,
        positions: Tensor,
        memory: Sequence | None = None,
        memory_positions: Tensor | None = None,
        *,
        allowed: Tensor | None = None,
        with_weights: bool = False,
    ) -> tuple[Sequence, list[Tensor]]:
        """The states of the last block, normed, and with_weights each block's (B, H, T, S).

        positions (B, T) and memory_positions (B, S) number the places from 1; 0 is no position.
        """
        values = self._embed(states.values, positions)
        keys, mask = None, states.mask
        if memory is not None and memory_positions is not None:
            keys, mask = self._embed(memory.values, memory_positions), memory.mask
        attentions = []
        for block in self.blocks:
            values, weights = block(
                values,
                values if keys is None else keys,
                mask,
                allowed=allowed,
                with_weights=with_weights,
            )
            if weights is not None:
                attentions.append(weights)
        return states.with_values(self.norm(values)), attentions

    def _embed(self, values: Tensor, positions: Tensor) -> Tensor:
        places = sinusoids(positions, values.shape[-1]).to(values.dtype)
        return self.embed_dropout(self.scale * values + places)
