"""GELU and the linear layer after it, of which only what enters is kept for the way back."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGE = 2**21
"""Numbers from which on GELU is rather done twice than kept."""


def gelu_linear(hidden: Tensor, linear: nn.Linear) -> Tensor:
    """`linear(F.gelu(hidden))`, and its gradients, to the last bit.

    On a CPU, of a large hidden (B, T, K) in training, GELU is done again on the way back, into
    which the gradients are then written: of three copies of hidden one remains.
    """
    if (
        hidden.requires_grad
        and hidden.numel() >= LARGE
        and hidden.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    ):
        result: Tensor = _GeluLinear.apply(hidden, linear.weight, linear.bias)
        return result
    return linear(F.gelu(hidden))


class _GeluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        ctx.has_bias = bias is not None
        return F.linear(F.gelu(hidden), weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        for_hidden, for_weight, for_bias = ctx.needs_input_grad
        grad = grad.reshape(-1, grad.shape[-1])
        made = F.gelu(hidden).flatten(0, -2)
        to_weight = grad.T @ made if for_weight else None
        to_bias = grad.sum(0) if ctx.has_bias and for_bias else None
        if not for_hidden:
            return None, to_weight, to_bias
        torch.mm(grad, weight, out=made)
        made = made.view_as(hidden)
        torch.ops.aten.gelu_backward.grad_input(made, hidden, grad_input=made)
        return made, to_weight, to_bias
