"""Recordings as the bytes of their files."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile

MOODS = ("calm", "tense")

Serve = Callable[..., Any]
"""`with serving(per_minute=2, token="…") as client:`; limits by name, or arguments of the app."""


def file_of(
    samples: Any, rate: int = 16_000, form: str = "WAV", subtype: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def tone(
    seconds: float = 0.5, rate: int = 16_000, form: str = "WAV", hertz: float = 220.0
) -> bytes:
    time = np.arange(int(rate * seconds)) / rate
    swell = 0.2 + 0.3 * np.sin(7 * time) ** 2
    return file_of(swell * np.sin(2 * np.pi * hertz * time), rate, form)
