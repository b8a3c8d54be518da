"""Files in the formats of the corpora, written for a test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

WriteWav = Callable[..., Path]


@pytest.fixture
def write_wav() -> WriteWav:
    """`write_wav(path, seconds)`: 16 kHz noise in 16 bits."""

    def write(path: Path, seconds: float, channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(path.stem.encode())
        noise = np.random.default_rng(seed).normal(0, 0.1, (round(16000 * seconds), channels))
        soundfile.write(path, noise, 16000, subtype="PCM_16")
        return path

    return write
