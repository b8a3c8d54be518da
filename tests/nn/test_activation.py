"""GELU that is done twice gives the same numbers as GELU that is kept."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from crosstone.nn import activation
from crosstone.nn.activation import gelu_linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_nothing_changes_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, bias: bool, frozen: bool
) -> None:
    monkeypatch.setattr(activation, "LARGE", 1)
    torch.manual_seed(0)
    linear, inputs = nn.Linear(12, 6, bias=bias), torch.randn(3, 5, 12)
    linear.requires_grad_(not frozen)
    weights = [] if frozen else list(linear.parameters())
    grad, results = torch.randn(3, 5, 6), []
    for forward in (gelu_linear, lambda hidden, layer: layer(F.gelu(hidden))):
        hidden = inputs.clone().requires_grad_()
        found = forward(hidden, linear)
        results.append([found, *torch.autograd.grad(found, [hidden, *weights], grad)])
    for own, plain in zip(*results, strict=True):
        assert torch.equal(own, plain)
    assert torch.equal(inputs, hidden)


def test_under_autocast_it_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "LARGE", 1)
    linear, hidden = nn.Linear(12, 6), torch.randn(2, 5, 12, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = gelu_linear(hidden, linear)
    assert found.dtype == torch.bfloat16
    found.float().sum().backward()
    assert hidden.grad is not None
