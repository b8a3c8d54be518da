"""A recording as it is drawn: its outline and its spectrogram."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

POINTS, BANDS, FRAMES = 1200, 96, 700
FLOOR_DB = 60.0
"""Below the loudest point of a spectrogram nothing is drawn."""

Floats = NDArray[np.float64]


def waveform(samples: NDArray[Any], points: int = POINTS) -> Floats:
    """The largest and the smallest sample of each of so many equal parts, (2, points)."""
    points = max(1, min(points, len(samples)))
    edges = np.linspace(0, len(samples), points + 1).round().astype(int)[:-1]
    wave = np.asarray(samples, np.float64)
    return np.stack([np.maximum.reduceat(wave, edges), np.minimum.reduceat(wave, edges)])


def spectrogram(samples: NDArray[Any], rate: int) -> tuple[Floats, Floats]:
    """Levels (BANDS, frames) from 0, 60 dB below the loudest, to 1, low bands first, and the
    frequencies of the bands in Hz, evenly spaced in mel."""
    size = max(64, round(0.032 * rate))
    wave = np.pad(np.asarray(samples, np.float64), size // 2)
    hop = max(round(0.004 * rate), (len(wave) - size) // FRAMES + 1)
    windows = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(size), 2 * size)) ** 2
    mels = np.linspace(_mel(60.0), _mel(rate / 2), BANDS)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    bins = hertz / rate * 2 * size
    below = np.floor(bins).astype(int).clip(0, power.shape[1] - 2)
    share = bins - below
    bands = power[:, below] * (1 - share) + power[:, below + 1] * share
    level = 10 * np.log10(np.maximum(bands.T, 1e-12 * max(float(bands.max()), 1e-30)))
    return ((level - level.max()) / FLOOR_DB + 1).clip(0, 1), hertz


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
