import pytest
import torch

from crosstone.training import measured_tflops, peak_memory_mib
from crosstone.training import meter as module
from crosstone.training.meter import Meter
from crosstone.training.step import StepResult


def taken(samples: int, places: int) -> StepResult:
    return StepResult(0.0, {}, 0.0, samples, None, places, None)


def test_speeds_by_hand(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    meter = Meter(10, 20, flops_per_place=5e9, tflops=0.5)
    meter.take(taken(4, 30), 6.0)
    meter.take(taken(2, 10), 2.0)
    now[0] = 102.0
    said = meter.read()
    assert said == {
        "samples_per_second": 3.0,
        "speech_per_second": 4.0,
        "utilisation": pytest.approx(5e9 * 40 / 2 / 0.5e12),
        "seconds_left": 8.0,  # two steps in two seconds, eight to go
    }
    meter.take(taken(1, 1), None)
    now[0] = 110.0
    assert meter.read() == {
        "samples_per_second": 1 / 8,
        "utilisation": pytest.approx(5e9 / 8 / 0.5e12),
        "seconds_left": pytest.approx(10 / 3 * 7),
    }


def test_without_a_peak_no_utilisation_is_told():
    meter = Meter(0, 1)
    meter.take(taken(1, 1), None)
    assert meter.read().keys() == {"samples_per_second", "seconds_left"}


def test_a_product_of_matrices_takes_time():
    assert 0 < measured_tflops(torch.device("cpu"), torch.float32, 64) < 1000


def test_peak_memory_is_that_of_a_process_with_torch():
    peak = peak_memory_mib()
    assert peak is None or 50 < peak < 100_000
