import math

from crosstone.training.spikes import LEAST, WINDOW, Spike, Spikes


def test_a_leap_is_seen_once_enough_steps_are_known():
    spikes = Spikes(3.0)
    for _ in range(LEAST - 1):
        assert spikes.take({"loss": 2.0, "norm": 1.0}) is None
    assert spikes.take({"loss": 50.0, "norm": 1.0}) is None
    assert spikes.take({"loss": 6.0, "norm": 3.0}) is None
    assert spikes.take({"loss": 6.1, "norm": 1.0}) == Spike("loss", 6.1, 2.0)
    assert spikes.take({"loss": 2.0, "norm": 3.1}) == Spike("norm", 3.1, 1.0)


def test_what_leapt_is_not_remembered_and_the_window_moves():
    spikes = Spikes(2.0)
    for _ in range(WINDOW):
        spikes.take({"loss": 1.0})
    for _ in range(WINDOW):
        assert spikes.take({"loss": 5.0}) is not None
    for _ in range(WINDOW):
        assert spikes.take({"loss": 2.0}) is None
    assert spikes.take({"loss": 3.9}) is None
    again = Spikes(2.0)
    again.load_state_dict(spikes.state_dict())
    assert again.state_dict() == spikes.state_dict()
    assert again.take({"loss": 4.1}) == spikes.take({"loss": 4.1}) == Spike("loss", 4.1, 2.0)


def test_what_is_not_finite_or_not_positive_is_no_leap():
    spikes = Spikes(2.0)
    for _ in range(40):
        assert spikes.take({"norm": math.inf, "loss": -1.0}) is None
    assert spikes.take({"norm": 1e9, "loss": 5.0}) is None
    assert Spikes(None).take({"loss": math.nan}) is None
    assert Spikes(None).state_dict() == {}
