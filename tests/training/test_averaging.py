import pytest
import torch
from torch import nn

from crosstone.training.averaging import Averages


class Two(nn.Module):
    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))
        self.frozen = nn.Parameter(torch.tensor([7.0]), requires_grad=False)
        self.register_buffer("mean", torch.tensor([value]))
        self.register_buffer("passes", torch.tensor([int(value)]))

    def move(self, value: float) -> None:
        with torch.no_grad():
            self.weight.fill_(value)
            self.mean.fill_(value)
            self.passes.fill_(int(value))


def test_neither_keeps_the_models_own():
    averages = Averages(Two(), decay=None, last_epochs=None)
    averages.after_step(1)
    averages.after_epoch()
    assert averages.weights() is None
    assert averages.state_dict() == {}


def test_a_moving_average_by_hand():
    model = Two(1.0)
    averages = Averages(model, decay=0.5, last_epochs=None)
    model.move(3.0)
    averages.after_step(1)  # 2 / 11 of what was
    expected = 1.0 * 2 / 11 + 3.0 * 9 / 11
    kept = averages.weights()
    assert kept["weight"].item() == pytest.approx(expected)
    assert (kept["mean"].item(), kept["passes"].item()) == (3.0, 3)
    assert "frozen" not in kept
    assert model.weight.item() == 3.0
    model.move(5.0)
    averages.after_step(100)  # the decay itself
    assert averages.weights()["weight"].item() == pytest.approx(0.5 * expected + 0.5 * 5.0)
    again = Averages(model, decay=0.5, last_epochs=None)
    again.load_state_dict(averages.state_dict())
    assert torch.equal(again.weights()["weight"], averages.weights()["weight"])


def test_the_mean_of_the_last_epochs_by_hand():
    model = Two()
    averages = Averages(model, decay=None, last_epochs=2)
    assert averages.weights() is None
    for value, mean in ((1.0, 1.0), (2.0, 1.5), (6.0, 4.0)):
        model.move(value)
        averages.after_step(3)
        averages.after_epoch()
        kept = averages.weights()
        assert kept["weight"].tolist() == [mean]
        assert kept["mean"].tolist() == [mean]
        assert kept["passes"].tolist() == [int(value)]
    again = Averages(model, decay=None, last_epochs=2)
    again.load_state_dict(averages.state_dict())
    for each in (averages, again):
        each.after_epoch()
        assert each.weights()["weight"].tolist() == [6.0]


def test_more_than_ten_epochs_keep_their_order():
    model = Two()
    averages = Averages(model, decay=None, last_epochs=12)
    for value in range(12):
        model.move(float(value))
        averages.after_epoch()
    again = Averages(model, decay=None, last_epochs=12)
    again.load_state_dict(averages.state_dict())
    model.move(12.0)
    again.after_epoch()
    assert again.weights()["weight"].item() == sum(range(1, 13)) / 12
