"""What is taken away, what stands in its place, and that all else stays."""

from typing import Any

import numpy as np
import pytest

from crosstone.data.batch import Item
from crosstone.inference.explain.occlusion import Occluder, noise_like, speech_noise

RATE = 16_000
TOKENS = np.array([[0, 1, 0, 0, 0], [0, 0, 1, 1, 0]], bool)
EDGES = np.array([0, 4000, 8000, 12_000])


def occluder(**options: Any) -> Occluder:
    time = np.arange(12_000) / RATE
    level = np.repeat([0.1, 0.4, 0.0], 4000)
    audio = (level * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    fields = {"words": "mask", "fill": "noise", "draws": 2, "seed": 0, **options}
    return Occluder(
        Item("a", audio, np.arange(10, 15)),
        tokens=TOKENS,
        edges=EDGES,
        sampling_rate=RATE,
        mask_token=4,
        **fields,
    )


def test_a_word_is_masked_or_left_out() -> None:
    last = np.array([False, True])
    masked, left = (occluder(words=how).without_words(last) for how in ("mask", "leave-out"))
    assert masked.text is not None
    assert left.text is not None
    assert masked.text.tolist() == [10, 11, 4, 4, 14]
    assert left.text.tolist() == [10, 11, 14]


@pytest.mark.parametrize("fill", ["noise", "silence"])
def test_a_stretch_is_replaced_and_its_neighbours_stay(fill: str) -> None:
    made = occluder(fill=fill)
    own = made.item.audio
    found = made.without_stretches(np.array([False, True, False])).audio
    assert own is not None
    assert found is not None
    assert found.dtype == own.dtype
    assert np.array_equal(found[:4000], own[:4000])
    assert np.array_equal(found[8000:], own[8000:])
    inside = found[4200:7800]
    assert np.std(inside) == pytest.approx(
        np.std(own[4200:7800]) if fill == "noise" else 0, rel=0.1
    )
    assert abs(np.corrcoef(inside, own[4200:7800])[0, 1]) < 0.5 if fill == "noise" else True
    assert np.abs(np.diff(found)).max() < (0.3 if fill == "noise" else 0.1)  # it does not click


def test_draws_differ_and_a_seed_repeats_them() -> None:
    first, again, other = occluder(), occluder(), occluder(seed=1)
    assert np.array_equal(first.fills[0], again.fills[0])
    assert not np.array_equal(first.fills[0], first.fills[1])
    assert not np.array_equal(first.fills[0], other.fills[0])


def test_noise_has_the_level_of_each_stretch_and_nothing_else_of_the_sound() -> None:
    edges = np.array([0, RATE // 2, RATE, 2 * RATE])
    time = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 3000 * time) * np.select([time < 0.5, time < 1], [0.1, 0.02], 0.0)
    noise = noise_like(tone.astype(np.float32), edges, RATE, np.random.default_rng(0))
    assert not noise[RATE:].any()
    for begin, end in ((0, 8000), (8000, 16_000)):
        level = np.sqrt(np.mean(tone[begin:end] ** 2))
        assert np.sqrt(np.mean(noise[begin:end] ** 2)) == pytest.approx(level, rel=1e-4)
    power = np.abs(np.fft.rfft(noise[:8000])) ** 2
    assert power[1450:1550].mean() < 0.01 * power[:200].mean()


def test_noise_falls_by_nine_decibels_an_octave() -> None:
    noise = speech_noise(8 * RATE, RATE, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    level = [10 * np.log10(power[h * 8 - 200 : h * 8 + 200].mean()) for h in (200, 450, 1000, 4000)]
    assert level[0] == pytest.approx(level[1], abs=1)
    assert level[1] - level[2] == pytest.approx(9, abs=1)
    assert level[2] - level[3] == pytest.approx(18, abs=1)


def test_a_modality_is_not_given_or_says_nothing() -> None:
    made = occluder()
    assert made.without("audio", is_optional=True).audio is None
    assert made.without("text", is_optional=True).text is None
    silent = made.without("audio", is_optional=False).audio
    masked = made.without("text", is_optional=False).text
    assert silent is not None
    assert masked is not None
    assert not silent.any()
    assert masked.tolist() == [10, 4, 4, 4, 14]
