"""Files in the formats of the corpora, written for a test."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Rows = Sequence[tuple[float, float, Any]]
WriteCsd = Callable[..., Path]
WriteWav = Callable[..., Path]


@pytest.fixture
def write_csd() -> WriteCsd:
    """`write_csd(path, {video: [(start, end, features), …]}, root=…)` as the SDK writes them."""
    h5py = pytest.importorskip("h5py")

    def write(
        path: Path,
        videos: Mapping[str, Rows],
        root: str = "All Labels",
        metadata: Mapping[str, bytes] | None = None,
        dtype: Any = np.float32,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for key, value in (metadata or {}).items():
                # a string of any length in an array of one, as h5py stores json.dumps
                file.create_dataset(
                    f"{root}/metadata/{key}", (1,), h5py.string_dtype(), data=[value]
                )
            file.require_group(f"{root}/data")
            for video, rows in videos.items():
                features = np.array([row[2] for row in rows], dtype=dtype).reshape(len(rows), -1)
                intervals = np.array([row[:2] for row in rows], np.float64)
                file[f"{root}/data"].create_group(video)
                file[f"{root}/data/{video}/features"] = features
                file[f"{root}/data/{video}/intervals"] = intervals
        return path

    return write


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
