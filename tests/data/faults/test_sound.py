"""Levels, clipping and silence of made-up recordings whose numbers are known."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosstone.data.faults.sound import hear

RATE = 16000


def save(path: Path, samples: np.ndarray, **form) -> Path:
    soundfile.write(path, samples, RATE, **{"subtype": "FLOAT", **form})
    return path


def tone(seconds: float, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


def measure(path: Path, start=None, end=None):
    return hear(path, start=start, end=end, max_seconds=None)


def test_a_tone(tmp_path):
    sound = measure(save(tmp_path / "a.wav", tone(2.0)))
    assert (sound.seconds, sound.sampling_rate, sound.num_channels) == (2.0, RATE, 1)
    assert sound.peak == pytest.approx(0.5, abs=1e-3)
    assert sound.level == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert (sound.clipped, sound.quiet) == (0.0, 0.0)


def test_clipping_is_the_share_at_full_scale(tmp_path):
    loud = np.clip(tone(1.0, 2.0), -1, 1)
    sound = measure(save(tmp_path / "a.wav", loud))
    assert sound.clipped == pytest.approx(2 / 3, abs=0.01)  # |2 sin| > 1 for two thirds of a turn


def test_quiet_is_the_share_of_frames_40_db_below_the_loudest(tmp_path):
    samples = np.concatenate([tone(1.0), tone(2.0, 0.5 * 0.009), tone(1.0, 0.5 * 0.011)])
    assert measure(save(tmp_path / "a.wav", samples)).quiet == pytest.approx(0.5, abs=0.01)


def test_blocks_change_nothing(tmp_path, monkeypatch):
    path = save(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 5 * RATE))
    whole = measure(path)
    monkeypatch.setattr("crosstone.data.audio.BLOCK_SECONDS", 0.5)
    parts = measure(path)
    assert parts.digest == whole.digest
    assert parts.level == pytest.approx(whole.level, abs=1e-4)
    assert parts.quiet == whole.quiet


def test_the_digest_is_of_the_samples_not_of_the_file(tmp_path):
    samples = np.round(tone(1.0) * 32768) / 32768
    wav = measure(save(tmp_path / "a.wav", samples, subtype="PCM_16"))
    flac = measure(save(tmp_path / "a.flac", samples, subtype="PCM_16"))
    assert wav.digest == flac.digest
    assert measure(tmp_path / "a.wav", 0.0, 0.5).digest != wav.digest
    other = measure(save(tmp_path / "b.wav", samples[::-1], subtype="PCM_16"))
    assert other.digest != wav.digest
