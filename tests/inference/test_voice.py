"""Speech is found where it is, however the samples come."""

import itertools

import numpy as np
import pytest
from calls import MOODS, RATE, syllables
from numpy.typing import NDArray

from crosstone.inference.voice import MARGIN, VoiceFinder, pauses_around

Samples = NDArray[np.float32]
Spans = list[tuple[float, float]]


def found(
    samples: Samples,
    block: int = 160_000,
    most: float = 15.0,
    rate: int = RATE,
    pauses: tuple[float, float] = (MARGIN, MARGIN),
) -> Spans:
    finder = VoiceFinder(rate, max_seconds=most, pauses=pauses)
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


def test_what_is_left_around_speech_is_shared_with_its_neighbours() -> None:
    """0.2 s before and 0.3 s after in pauses of 0.8 s, in one of 0.4 s by the same shares."""
    rng = np.random.default_rng(0)
    quiet = [rng.normal(0, 1e-4, int(RATE * s)) for s in (1.0, 0.8, 0.4, 0.1)]
    voices = [syllables("tense", 1.0, rng) for _ in range(3)]
    parts = [part for pair in zip(quiet, voices, strict=False) for part in pair]
    samples = np.concatenate([*parts, quiet[-1]]).astype(np.float32)
    expected = [(0.8, 2.3), (2.6, 4.04), (4.04, 5.3)]
    for block in (7_919, len(samples)):
        stretches = found(samples, block, pauses=(0.2, 0.3))
        for stretch, span in zip(stretches, expected, strict=True):
            assert stretch == pytest.approx(span, abs=0.04)
    assert found(samples, pauses=(9.0, 9.0))[0][0] == 0.0
    joined = found(samples, pauses=(9.0, 9.0))
    assert joined[-1][1] == len(samples) / RATE
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(joined))
    assert found(samples, pauses=(0.0, 0.0))[0] == pytest.approx((1.0, 2.0), abs=0.04)


def test_a_click_takes_nothing_from_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 1e-4, 6 * RATE).astype(np.float32)
    samples[2 * RATE : 3 * RATE] = syllables("tense", 1.0, rng)
    samples[round(3.5 * RATE) :][:400] = 0.5
    assert found(samples, pauses=(1.0, 1.0)) == [pytest.approx((1.0, 4.0), abs=0.04)]


def test_pauses_around_speech() -> None:
    voice = syllables("calm", 2.0, np.random.default_rng(0))
    quiet = np.zeros(RATE, np.float32)
    samples = np.concatenate([quiet[:8000], voice, quiet[:4000], voice, quiet])
    assert pauses_around(samples, RATE) == pytest.approx((0.5, 1.0), abs=0.04)
    assert pauses_around(quiet, RATE) is None
    assert pauses_around(quiet[:100], RATE) is None


@pytest.mark.parametrize("margin", [MARGIN, 1.0])
def test_how_samples_are_cut_into_blocks_changes_nothing(margin: float) -> None:
    samples, _ = call(8, 1e-4)
    whole = found(samples, pauses=(margin, margin))
    for block in (7_919, 16_000, len(samples)):
        assert found(samples, block, pauses=(margin, margin)) == whole
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
