import itertools
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from crosstone.errors import ConfigError, CrosstoneError
from crosstone.training import OptimSpec, Schedule, build_optimizer

GOLDEN = Path(__file__).parents[1] / "golden" / "bertadam" / "bertadam.safetensors"


class Two(nn.Module):
    def __init__(self, w: torch.Tensor, b: torch.Tensor) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(w.clone()), nn.Parameter(b.clone())


def test_bertadam_moves_as_the_released_code():
    golden = load_file(GOLDEN)
    model = Two(golden["w0"], golden["b0"])
    spec = OptimSpec(name="bertadam", lr=5e-3, warmup=0.3)
    optimizer = build_optimizer(model, spec)
    schedule = Schedule(optimizer, spec, 10)
    for step in range(8):
        schedule.set_rate(step)
        model.w.grad, model.b.grad = golden[f"grad_w.{step}"], golden[f"grad_b.{step}"]
        given_grad = model.w.grad.clone()
        optimizer.step()
        torch.testing.assert_close(model.w.data, golden[f"w.after{step}"], rtol=0, atol=1e-12)
        torch.testing.assert_close(model.b.data, golden[f"b.after{step}"], rtol=0, atol=1e-12)
        assert torch.equal(model.w.grad, given_grad)


def test_bertadam_by_hand_without_clipping():
    model = Two(torch.tensor([[2.0]]), torch.tensor([1.0]))
    spec = OptimSpec(name="bertadam", lr=0.1, eps=1.0, clip_each=None, weight_decay=0.5)
    optimizer = build_optimizer(model, spec)
    model.w.grad = torch.tensor([[4.0]])
    optimizer.step()
    expected = 2.0 - 0.1 * (0.4 / (math.sqrt(0.016) + 1.0) + 0.5 * 2.0)
    assert model.w.item() == pytest.approx(expected, rel=1e-6)
    assert model.b.item() == 1.0


@pytest.mark.parametrize(
    "spec, kind, decay",
    [
        (OptimSpec(name="adam"), torch.optim.Adam, 0.0),
        (OptimSpec(name="adam", weight_decay=0.1), torch.optim.Adam, 0.1),
        (OptimSpec(), torch.optim.AdamW, 0.01),
    ],
)
def test_decay_spares_biases_and_vectors(spec, kind, decay):
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    optimizer = build_optimizer(model, spec)
    assert type(optimizer) is kind
    decayed, spared = optimizer.param_groups
    assert decayed["params"] == [model[0].weight]
    assert spared["params"] == [model[0].bias, model[1].weight, model[1].bias]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (decay, 0.0)


def test_decay_by_name_alone():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    spec = OptimSpec(no_decay=("bias", "0.weight"), decay_vectors=True)
    decayed, spared = build_optimizer(model, spec).param_groups
    assert decayed["params"] == [model[1].weight]
    assert len(spared["params"]) == 3


def test_only_what_requires_gradients_is_trained():
    model = nn.Linear(2, 3)
    model.weight.requires_grad_(False)
    (group,) = build_optimizer(model, OptimSpec()).param_groups
    assert group["params"] == [model.bias]
    model.bias.requires_grad_(False)
    with pytest.raises(CrosstoneError, match="Linear: expected parameters to train, found all of"):
        build_optimizer(model, OptimSpec())


@pytest.mark.parametrize(
    "options, rates",
    [
        ({"schedule": "constant"}, {0: 1.0, 5: 1.0, 10: 1.0}),
        ({"schedule": "linear"}, {0: 1.0, 5: 0.5, 10: 0.0, 12: 0.0}),
        ({"schedule": "linear", "end_lr": 0.2}, {0: 1.0, 5: 0.6, 10: 0.2}),
        ({"schedule": "linear", "warmup": 0.4}, {0: 0.0, 2: 0.5, 4: 1.0, 7: 0.5}),
        ({"schedule": "constant", "warmup": 2}, {0: 0.0, 1: 0.5, 2: 1.0, 9: 1.0}),
        ({"schedule": "polynomial", "power": 2.0}, {0: 1.0, 5: 0.25, 8: 0.04}),
        ({"schedule": "cosine"}, {0: 1.0, 5: 0.5, 10: 0.0}),
        ({"schedule": "cosine", "warmup": 4, "end_lr": 0.5}, {2: 0.5, 4: 1.0, 7: 0.75, 10: 0.5}),
    ],
)
def test_rates_by_hand(options, rates):
    spec = OptimSpec(lr=1.0, **options)
    for step, rate in rates.items():
        assert spec.rate(step, 10) == pytest.approx(rate, abs=1e-12)


@settings(deadline=None)
@given(
    schedule=st.sampled_from(["constant", "linear", "polynomial", "cosine", "plateau"]),
    warmup=st.floats(0, 0.99) | st.integers(1, 40),
    total=st.integers(1, 50),
    power=st.floats(0.1, 4),
    end=st.floats(0, 1),
)
def test_rates_rise_in_warmup_and_never_after(schedule, warmup, total, power, end):
    spec = OptimSpec(lr=1.0, schedule=schedule, warmup=warmup, power=power, end_lr=end)
    rates = [spec.rate(step, total) for step in range(total + 1)]
    assert all(0 <= rate <= 1 + 1e-12 for rate in rates)
    start = math.ceil(warmup * total if warmup < 1 else warmup)
    after = rates[start:]
    assert rates[:start] == sorted(rates[:start])
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(after))


@settings(deadline=None)
@given(
    scores=st.lists(st.floats(-5, 5), max_size=30),
    higher=st.booleans(),
    patience=st.integers(0, 3),
)
def test_plateau_lowers_when_torch_does(scores, higher, patience):
    spec = OptimSpec(lr=1.0, schedule="plateau", plateau_factor=0.5, plateau_patience=patience)
    optimizer = build_optimizer(nn.Linear(1, 1), spec)
    schedule = Schedule(optimizer, spec, 100, higher_is_better=higher)
    # torch scales its threshold by (1 ± 1e-4), which is an improvement's wrong way below zero
    shift = 10.0
    other = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = ReduceLROnPlateau(
        other, mode="max" if higher else "min", factor=0.5, patience=patience, eps=0.0
    )
    for step, score in enumerate(scores):
        schedule.watch(score + shift)
        reference.step(score + shift)
        saved = schedule.state_dict()
        schedule = Schedule(optimizer, spec, 100, higher_is_better=higher)
        schedule.load_state_dict(saved)
        assert schedule.set_rate(step) == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        assert {group["lr"] for group in optimizer.param_groups} == {schedule.set_rate(step)}


def test_plateau_stops_at_the_lowest_rate():
    spec = OptimSpec(lr=1.0, schedule="plateau", plateau_patience=0, end_lr=0.05)
    schedule = Schedule(build_optimizer(nn.Linear(1, 1), spec), spec, 100)
    rates = []
    for _ in range(4):
        schedule.watch(1.0)
        rates.append(schedule.set_rate(5))
    assert rates == [1.0, 0.1, 0.05, 0.05]


def test_faults_are_listed_together():
    with pytest.raises(ConfigError) as caught:
        OptimSpec(lr=0.0, warmup=-1, betas=(0.9, 1.0), clip=0.0)
    sentence = str(caught.value)
    for fault in (
        "lr expects a number above 0, found 0.0",
        "warmup expects 0 or more, found -1",
        "betas expects two numbers in [0, 1), found (0.9, 1.0)",
        "clip expects a number above 0, found 0.0",
    ):
        assert fault in sentence
