"""From FLAC files to CTAL's acoustic features against the bare decoder."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.measurement import Goal, Row, compare
from crosstone.data.audio import read_audio
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


@torch.inference_mode()
def features(paths: list[Path], model: MelModel) -> int:
    """Decodes each file and makes its features; gives how many frames there were."""
    frames = 0
    for path in paths:
        samples = torch.from_numpy(read_audio(path, sampling_rate=RATE))[None]
        frames += model(samples).last_hidden_state.shape[1]
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
    threads, model = torch.get_num_threads(), MelModel(MelConfig()).eval()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = write_recordings(Path(folder), count, seconds)
            check_equal(paths)
            share = sum(path.stat().st_size for path in paths) / (count * seconds * RATE * 2)
            compared = compare(
                lambda: features(paths, model), lambda: decode(paths), repeats=3 if quick else 9
            )
    finally:
        torch.set_num_threads(threads)
    hours = count * seconds / 3600
    ours, bare = (hours / min(times) for times in (compared.ours, compared.against))
    return [
        Row(
            bench="decoding",
            what="hours of audio a second, one core",
            ours=ours,
            against=bare,
            ratio=compared.ratio,
            spread=compared.spread,
            goal=Goal(value=0.7),
            notes=(f"{count} FLAC files of {seconds:g} s, {share:.0%} of PCM; mel-160",),
        )
    ]
