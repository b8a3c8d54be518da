"""Speech is found where it is, however the samples come."""

import itertools

import numpy as np
import pytest
from calls import MOODS, RATE, syllables
from numpy.typing import NDArray

from crosstone.inference.voice import MARGIN, VoiceFinder

Samples = NDArray[np.float32]
Spans = list[tuple[float, float]]


def found(samples: Samples, block: int = 160_000, most: float = 15.0, rate: int = RATE) -> Spans:
    finder = VoiceFinder(rate, max_seconds=most)
    stretches = []
    for at in range(0, len(samples), block):
        stretches += list(finder.feed(samples[at : at + block]))
        assert finder.since <= at + block
    return [(a / rate, b / rate) for a, b in [*stretches, *finder.finish()]]


def call(number: int, noise: float, loudness: float = 1.0, seed: int = 0) -> tuple[Samples, Spans]:
    """Speech after pauses of 0.5 to 1 s, and where it is, in seconds."""
    rng = np.random.default_rng(seed)
    parts, spans, at = [], [], 0
    for i in range(number):
        quiet = np.zeros(int(RATE * rng.uniform(0.5, 1.0)), np.float32)
        voice = loudness * syllables(MOODS[i % 2], rng.uniform(0.8, 4), rng)
        spans.append(((at + len(quiet)) / RATE, (at + len(quiet) + len(voice)) / RATE))
        parts += [quiet, voice]
        at += len(quiet) + len(voice)
    samples = np.concatenate([*parts, np.zeros(RATE, np.float32)])
    return (samples + rng.normal(0, noise, len(samples))).astype(np.float32), spans


@pytest.mark.parametrize("noise,loudness", [(0, 1), (1e-4, 1), (3e-3, 1), (1e-5, 0.01)])
def test_boundaries_are_known_to_a_twentieth_of_a_second(noise: float, loudness: float) -> None:
    """Besides the margin, which is meant: in silence, in hiss, and of a quiet speaker."""
    samples, spans = call(20, noise, loudness)
    stretches = found(samples)
    assert len(stretches) == len(spans)
    for (begin, end), (first, last) in zip(stretches, spans, strict=True):
        assert begin + MARGIN == pytest.approx(first, abs=0.05)
        assert end - MARGIN == pytest.approx(last, abs=0.05)


def test_how_samples_are_cut_into_blocks_changes_nothing() -> None:
    samples, _ = call(8, 1e-4)
    whole = found(samples)
    for block in (1, 7_919, 16_000, len(samples)):
        if block > 1:
            assert found(samples, block) == whole
    short = samples[: 2 * RATE]
    assert found(short, 37) == found(short)


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    voice = syllables("calm", 40.0, np.random.default_rng(0))
    quiet = np.zeros(RATE, np.float32)
    stretches = found(np.concatenate([quiet, voice, quiet]), most=6.0)
    assert all(end - begin <= 6.0 + 2 * MARGIN for begin, end in stretches)
    assert stretches[0][0] == pytest.approx(1 - MARGIN, abs=0.05)
    assert stretches[-1][1] == pytest.approx(41 + MARGIN, abs=0.05)
    for (_, end), (begin, _) in itertools.pairwise(stretches):
        assert end == begin
        assert (end - 1) % 0.25 == pytest.approx(0, abs=0.06) or (end - 1) % 0.25 > 0.19


def test_what_is_no_speech() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(12 * RATE) / RATE
    hiss = rng.normal(0, 0.01, len(time)).astype(np.float32)
    hum = (0.2 * np.sin(2 * np.pi * 50 * time) + rng.normal(0, 1e-4, len(time))).astype(np.float32)
    click = np.zeros(len(time), np.float32)
    click[5 * RATE : 5 * RATE + 200] = 0.9
    for samples in (0 * hiss, hiss, hum, click, hiss[:100]):
        assert found(samples) == []
