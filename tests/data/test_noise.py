"""Speech in noise: the ratio that is asked for, and nothing else that changes."""

import numpy as np
import pytest

from crosstone.data.noise import babble, noisy, white


def _tone(hertz: float, count: int = 8000) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(count) / 16_000).astype(np.float32)


@pytest.mark.parametrize("snr", [20, 10, 5, 0])
def test_the_ratio_is_that_asked_for(snr: float) -> None:
    speech = 0.1 * _tone(200)
    heard = noisy(speech, white(len(speech), np.random.default_rng(0)), snr)
    added = (heard - speech).astype(np.float64)
    found = 10 * np.log10(np.mean(speech.astype(np.float64) ** 2) / np.mean(added**2))
    assert found == pytest.approx(snr, abs=1e-3)
    assert heard.dtype == np.float32


def test_silence_has_no_ratio() -> None:
    speech, nothing = _tone(200, 10), np.zeros(10, np.float32)
    assert noisy(speech, nothing, 0) is speech
    assert noisy(nothing, speech, 0) is nothing
    assert len(noisy(speech[:0], speech[:0], 0)) == 0


def test_voices_are_as_loud_as_each_other_and_go_round() -> None:
    loud, soft = np.float32([2, -2]), np.float32([0.1, 0.1, -0.1, -0.1])
    heard = babble([loud], 5, np.random.default_rng(0))
    assert np.abs(heard).tolist() == [1] * 5
    assert heard[0] == -heard[1] == heard[2]
    both = babble([loud, soft, np.zeros(3, np.float32), loud[:0]], 400, np.random.default_rng(0))
    assert np.mean(both**2) == pytest.approx(2)  # the silent and the empty say nothing
    assert babble([], 3, np.random.default_rng(0)).tolist() == [0, 0, 0]
