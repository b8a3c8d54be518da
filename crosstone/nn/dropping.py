"""Dropout on a CPU at a fraction of the time and memory: on large states, on attention weights.

torch's draws each number by itself and keeps four bytes of it for the way back; here a draw takes
16 bits and one byte is kept. And its fused attention knows no dropout on a CPU: it writes the
weights out, and several copies of them. Here a piece that fits into the cache is made, used and
forgotten, and made again on the way back. What is small goes torch's way, draws included.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

PIECE = 2**20
"""Weights that are made at once: 4 MiB of float32."""

FEWEST = 2**13
"""With fewer weights to a head the pieces are too small to be worth their calls."""

LARGE = 2**21
"""Numbers from which on states are dropped here."""


class Dropout(nn.Dropout):
    """`nn.Dropout` that is faster and leaner on large states on a CPU, with draws of its own."""

    def forward(self, states: Tensor) -> Tensor:
        """states of any shape → the same shape."""
        if (
            not (self.training and 0.0 < self.p < 1.0)
            or states.device.type != "cpu"
            or states.numel() < LARGE
            or torch.compiler.is_compiling()
        ):
            return super().forward(states)
        kept, share = draw_kept(states.shape, self.p)
        return (states * kept.view(torch.uint8)).mul_(1.0 / share)


def is_worth_pieces(query: Tensor, key: Tensor) -> bool:
    """Whether attention in pieces is faster than torch's: on a CPU, in full precision, for long
    sequences.

    query (B, H, T, D), key (B, H, S, D).
    """
    return (
        query.device.type == "cpu"
        and query.dtype in (torch.float32, torch.float64)
        and query.shape[2] * key.shape[2] >= FEWEST
        and not torch.compiler.is_compiling()
    )


def attend_in_pieces(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor, dropout: float
) -> Tensor:
    """`F.scaled_dot_product_attention` in training, with draws of its own.

    query (B, H, T, D), key and value (B, H, S, D), seen (B, 1, 1 or T, S) True where a query may
    look, dropout in (0, 1) → (B, H, T, D), zeros where nothing is seen.
    """
    kept, share = draw_kept((*query.shape[:3], key.shape[2]), dropout)
    bias = None
    if not seen.all():
        kept &= seen  # a query that sees nothing has even weights, and keeps none of them
        bias = query.new_zeros(seen.shape).masked_fill_(~seen, torch.finfo(query.dtype).min / 2)
    scaled = query / math.sqrt(query.shape[-1])
    result: Tensor = _InPieces.apply(scaled, key, value, bias, kept, 1.0 / share)
    return result


def draw_kept(shape: Sequence[int], dropout: float) -> tuple[Tensor, float]:
    """Which numbers are kept, bool, and with what probability: 1 - dropout to 16 bits.

    Four draws are made of one of torch's, in a third of the time of its Bernoulli generator.
    """
    highest = min(2**16 - 1, max(1, round(dropout * 2**16))) - 2**15
    drawn = torch.empty(-(-math.prod(shape) // 4), dtype=torch.int64)
    bits = drawn.random_(-(2**63), None).view(torch.int16)[: math.prod(shape)]
    return bits.view(*shape) >= highest, 1.0 - (highest + 2**15) / 2**16


class _InPieces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        kept: Tensor,
        gain: float,
    ) -> Tensor:
        result = torch.empty_like(query)
        for at in _pieces(kept):
            dropped = _weights(query, key, bias, at).mul_(kept[at].view(torch.uint8))
            torch.bmm(dropped, value[at], out=result[at])
        result *= gain
        ctx.save_for_backward(query, key, value, bias, kept, result)
        ctx.gain = gain
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias, kept, result = ctx.saved_tensors
        to_query, to_key, to_value = map(torch.empty_like, (query, key, value))
        through = (grad * result).sum(-1, keepdim=True)
        grad = grad * ctx.gain
        for at in _pieces(kept):
            weights, mask = _weights(query, key, bias, at), kept[at].view(torch.uint8)
            torch.bmm((weights * mask).transpose(1, 2), grad[at], out=to_value[at])
            to_scores = torch.bmm(grad[at], value[at].transpose(1, 2)).mul_(mask)
            to_scores.sub_(through[at]).mul_(weights)
            torch.bmm(to_scores, key[at], out=to_query[at])
            torch.bmm(to_scores.transpose(1, 2), query[at], out=to_key[at])
        return to_query, to_key, to_value, None, None, None


def _pieces(kept: Tensor) -> Iterator[tuple[int, slice]]:
    """Some heads of one item at a time; kept (B, H, T, S)."""
    items, heads, queries, keys = kept.shape
    step = max(1, PIECE // (queries * keys))
    for item in range(items):
        for head in range(0, heads, step):
            yield item, slice(head, head + step)


def _weights(query: Tensor, key: Tensor, bias: Tensor | None, at: tuple[int, slice]) -> Tensor:
    """The weights of a piece before dropout, (h, T, S)."""
    scores = torch.bmm(query[at], key[at].transpose(1, 2))
    if bias is not None:
        scores += bias[at[0]]
    return torch.softmax(scores, -1, out=scores)
