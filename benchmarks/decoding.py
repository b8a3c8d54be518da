"""From FLAC files to CTAL's acoustic features against the bare decoder."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from benchmarks.measurement import Goal, Row, compare
from crosstone.data.audio import read_audio
from crosstone.nn.features import LogMel
from crosstone.nn.mel import MelConfig, MelModel

RATE = 16_000


def write_recordings(folder: Path, count: int, seconds: float) -> list[Path]:
    """Voices of a kind: harmonics of a wandering pitch that come and go, and a little noise.

    FLAC takes them to about half, as it does speech.
    """
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    paths = []
    for i in range(count):
        pitch = 120 + 60 * rng.random() + 20 * np.sin(2 * np.pi * 0.7 * time + i)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 20))
        loudness = np.clip(np.sin(2 * np.pi * 1.7 * time + i), 0, 1)
        samples = 0.1 * loudness * voice + rng.normal(0, 0.003, len(time))
        paths.append(folder / f"{i}.flac")
        soundfile.write(paths[-1], samples, RATE)
    return paths


class CTALFeatures(nn.Module):
    """What `mel-160` gives of a waveform."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MelModel(MelConfig())

    def forward(self, waveform: Tensor) -> Tensor:
        """waveform (1, N) → (1, T, 160)."""
        states: Tensor = self.model(waveform).last_hidden_state
        return states


FEATURES: dict[str, Callable[[], nn.Module]] = {
    "mel-160": CTALFeatures,
    "log-mel 80": lambda: LogMel(RATE, 400, 160, 80),
}
"""CTAL's (50 ms every 12.5 ms, FFT of 2048, derivatives, CMVN), and those of logmel-small."""


@torch.inference_mode()
def make_features(paths: list[Path], model: nn.Module) -> int:
    """Decodes each file and makes its features; gives how many frames there were."""
    frames = 0
    for path in paths:
        samples = torch.from_numpy(read_audio(path, sampling_rate=RATE))[None]
        frames += model(samples).shape[1]
    return frames


def decode(paths: list[Path]) -> int:
    """Decodes each file; gives how many samples there were."""
    return sum(len(soundfile.read(path, dtype="float32")[0]) for path in paths)


def check_equal(paths: list[Path]) -> None:
    """Raises ValueError where our reader gives other samples than the bare decoder."""
    for path in paths:
        if not np.array_equal(read_audio(path), soundfile.read(path, dtype="float32")[0]):
            raise ValueError(f"decoding: expected the decoder's samples of {path.name}")


def run(*, quick: bool = False) -> list[Row]:
    """Hours of audio a second on one core."""
    count, seconds = (3, 2.0) if quick else (40, 12.0)
    hours, rows, threads = count * seconds / 3600, [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = write_recordings(Path(folder), count, seconds)
            check_equal(paths)
            share = sum(path.stat().st_size for path in paths) / (count * seconds * RATE * 2)
            for name, make in FEATURES.items():
                compared = compare(
                    partial(make_features, paths, make()),
                    partial(decode, paths),
                    repeats=3 if quick else 9,
                )
                rows.append(
                    Row(
                        bench="decoding",
                        what=f"hours of audio a second and core, {name}",
                        ours=hours / median(compared.ours),
                        against=hours / median(compared.against),
                        ratio=compared.ratio,
                        spread=compared.spread,
                        processor=compared.processor_ratio,
                        goal=Goal(value=0.7),
                        notes=(f"{count} FLAC files of {seconds:g} s, {share:.0%} of PCM",),
                    )
                )
    finally:
        torch.set_num_threads(threads)
    return rows
