import torch
from torch import nn

from crosstone.training.weights import (
    load_optimizer_state,
    load_trained_weights,
    optimizer_state,
    trained_weights,
    weights_fingerprint,
)


def test_trained_weights_are_copies_without_what_is_frozen():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    saved = trained_weights(model)
    assert sorted(saved) == [
        "0.weight",
        "1.bias",
        "2.bias",
        "2.num_batches_tracked",
        "2.running_mean",
        "2.running_var",
        "2.weight",
    ]
    before = saved["0.weight"].clone()
    with torch.no_grad():
        model[0].weight.add_(1.0)
    assert torch.equal(saved["0.weight"], before)
    load_trained_weights(model, saved)
    assert torch.equal(model[1].weight, before)


def test_fingerprint_tells_frozen_weights_apart():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).to(torch.bfloat16)
    model[0].requires_grad_(False)
    before = weights_fingerprint(model)
    assert before["trainable"] == {"1.weight": [1, 3], "1.bias": [1]}
    with torch.no_grad():
        model[1].weight.add_(1.0)
    assert weights_fingerprint(model) == before
    with torch.no_grad():
        model[0].weight[0, 0] += 1.0
    assert weights_fingerprint(model) != before


def test_an_optimizer_goes_on_from_its_state():
    def step(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        weight.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    first = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.AdamW([first], lr=0.1, fused=True)
    step(first, optimizer)
    second = nn.Parameter(first.detach().clone())
    state = optimizer_state(optimizer)
    other = torch.optim.AdamW([second], lr=0.1, fused=True)
    step(first, optimizer)
    load_optimizer_state(other, state)
    step(second, other)
    assert torch.equal(first, second)
