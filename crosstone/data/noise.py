"""Speech in noise."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def noisy(speech: Samples, noise: Samples, snr: float) -> Samples:
    """The speech with noise (N,) at a ratio of the mean powers of both, in dB; the sum may pass
    beyond ±1. As it was where either is silent, since there is no such ratio."""
    loud, disturbing = _power(speech), _power(noise)
    if not loud or not disturbing:
        return speech
    scale = (loud / disturbing) ** 0.5 * 10 ** (-snr / 20)
    heard: Samples = speech + np.float32(scale) * noise
    return heard


def white(num_samples: int, rng: np.random.Generator) -> Samples:
    """Noise (N,) of the same power at all frequencies."""
    return rng.standard_normal(num_samples, dtype=np.float32)


def babble(voices: Sequence[Samples], num_samples: int, rng: np.random.Generator) -> Samples:
    """Recordings said at once, all as loud: (N,), each from a place that is drawn, and from its
    beginning again where it ends; silent ones left out."""
    heard = np.zeros(num_samples, np.float32)
    for voice in voices:
        place = int(rng.integers(max(1, len(voice))))
        if power := _power(voice):
            heard += np.resize(np.roll(voice, -place), num_samples) / np.float32(power**0.5)
    return heard


def _power(samples: Samples) -> float:
    """Mean square; 0 of none."""
    return float(np.sum(np.square(samples, dtype=np.float64))) / max(1, len(samples))
