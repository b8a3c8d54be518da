"""Misheard words: the rate that is asked for, and the fewest errors by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstone.data.misheard import misheard, word_errors

SPOKEN = [f"w{i % 50}" for i in range(500)]


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("the cat sat", "the cat sat", 0),
        ("the cat sat", "the bat sat", 1),
        ("the cat sat", "cat sat", 1),
        ("the cat sat", "the the cat sat on", 2),
        ("kitten sitting".replace("", " "), "sitten kitting".replace("", " "), 2),
        ("a b c", "", 3),
        ("", "a b", 2),
    ],
)
def test_the_fewest_errors_by_hand(reference: str, heard: str, errors: int) -> None:
    assert word_errors(reference.split(), heard.split()) == errors


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_errors_are_a_distance(one: list[str], other: list[str]) -> None:
    count = word_errors(one, other)
    assert count == word_errors(other, one)
    assert abs(len(one) - len(other)) <= count <= max(len(one), len(other))
    assert (count == 0) == (one == other)


def test_the_rate_is_that_asked_for() -> None:
    words = SPOKEN * 20
    for rate in (0.05, 0.2, 0.4):
        heard = misheard(words, rate, SPOKEN, np.random.default_rng(0))
        found = word_errors(words[:2000], misheard(words[:2000], rate, SPOKEN, _rng()))
        assert found / 2000 == pytest.approx(rate, abs=0.04)
        assert len(heard) == pytest.approx(len(words), rel=0.02)  # as many come as go
        assert set(heard) <= set(SPOKEN)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_none_at_rate_0_and_something_is_always_left() -> None:
    assert misheard(["a", "b"], 0.0, SPOKEN, _rng()) == ["a", "b"]
    assert all(misheard(["a"], 1.0, SPOKEN, np.random.default_rng(i)) for i in range(50))
    assert misheard(["a"], 1.0, ["a"], _rng())  # no other word is known


def test_errors_at_a_lower_rate_are_among_those_at_a_higher() -> None:
    words = [f"x{i}" for i in range(60)]
    few, many = (set(misheard(words, rate, SPOKEN, _rng())) & set(words) for rate in (0.1, 0.4))
    assert many <= few
