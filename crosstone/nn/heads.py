"""From states to answers: tokens, codewords, frames of features."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TokenHead(nn.Module):
    """Scores over the vocabulary, and where states are masked the vector that stands in for one.

    `untied` is one linear layer (CMT 2022, §3.2.2); `tied` is RoBERTa's head, dense, GELU, layer
    norm, then the encoder's own embeddings as the last layer.
    """

    mask_vector: nn.Parameter | None

    def __init__(
        self,
        width: int,
        vocab_size: int,
        *,
        style: str = "untied",
        norm_eps: float = 1e-5,
        has_mask_vector: bool = True,
    ) -> None:
        super().__init__()
        self.mask_vector = (
            nn.Parameter(torch.empty(width).uniform_(-0.5, 0.5)) if has_mask_vector else None
        )
        self.style = style
        if style == "tied":
            self.dense = nn.Linear(width, width)
            self.norm = nn.LayerNorm(width, norm_eps)
            self.bias = nn.Parameter(torch.zeros(vocab_size))
        else:
            self.project = nn.Linear(width, vocab_size)

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """states (M, D), embeddings (V, D), used where tied → logits (M, V)."""
        if self.style == "tied":
            hidden = self.norm(F.gelu(self.dense(states)))
            if torch.compiler.is_compiling() or torch.is_autocast_enabled(hidden.device.type):
                return F.linear(hidden, embeddings, self.bias)
            return _Tied.apply(hidden, embeddings, self.bias)
        return self.project(states)


class _Tied(torch.autograd.Function):
    """`F.linear` with one difference: the gradient of the embeddings is no view.

    torch then adds that of the embedding layer to it in place; it takes another copy of both else.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, embeddings: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(states, embeddings)
        return F.linear(states, embeddings, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        states, embeddings = ctx.saved_tensors
        for_states, for_embeddings, for_bias = ctx.needs_input_grad
        return (
            grad @ embeddings if for_states else None,
            grad.T @ states if for_embeddings else None,
            grad.sum(0) if for_bias else None,
        )


class CodewordHead(nn.Module):
    """Cosine similarity to learned codewords over a temperature (HuBERT 2021, eq. 3).

    Also, where states are masked, the learned vector that stands in for a frame. No bias; the
    logits lie within ± 1 / temperature.
    """

    mask_vector: nn.Parameter | None

    def __init__(
        self,
        width: int,
        num_codes: int,
        *,
        projection: int = 256,
        temperature: float = 0.1,
        has_mask_vector: bool = True,
    ) -> None:
        super().__init__()
        self.mask_vector = nn.Parameter(torch.empty(width).uniform_()) if has_mask_vector else None
        self.project = nn.Linear(width, projection)
        self.codewords = nn.Parameter(torch.empty(num_codes, projection).uniform_())
        self.temperature = temperature

    def forward(self, states: Tensor) -> Tensor:
        """states (M, D) → logits (M, K)."""
        projected = F.normalize(self.project(states), dim=-1)
        return projected @ F.normalize(self.codewords, dim=-1).T / self.temperature


class FrameHead(nn.Module):
    """Rebuilds frames of features: linear, GELU, layer norm, linear (CTAL 2021, §3.2.2)."""

    def __init__(self, width: int, num_features: int, *, norm_eps: float = 1e-5) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, norm_eps)
        self.project = nn.Linear(width, num_features)

    def forward(self, states: Tensor) -> Tensor:
        """states (M, D) → features (M, F)."""
        features: Tensor = self.project(self.norm(F.gelu(self.dense(states))))
        return features
