"""Paths through a timeline, against every path there is and by hand."""

import itertools
import math

import numpy as np
import pytest

from crosstone.inference.smoothing import ClassPath, ValuePath


def best_of_all(rows: np.ndarray, times: list[float], stay: float) -> list[str]:
    """The most likely path, by trying all of them."""
    number = rows.shape[1]

    def score(path: tuple[int, ...]) -> float:
        total = sum(math.log(rows[i, c]) for i, c in enumerate(path))
        for i in range(1, len(path)):
            fades = 1 - math.exp(-(times[i] - times[i - 1]) / stay)
            is_same = path[i] == path[i - 1]
            total += math.log(1 - fades * (1 - 1 / number) if is_same else fades / number)
        return total

    best = max(itertools.product(range(number), repeat=len(rows)), key=score)
    return ["abc"[i] for i in best]


@pytest.mark.parametrize("stay", [3.0, 20.0])
def test_the_path_is_viterbis_however_it_is_told(stay: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        rows = rng.dirichlet(np.full(3, 0.5), size=8).clip(1e-6)
        times = np.cumsum(rng.uniform(0.5, 6, 8)).tolist()
        path = ClassPath("abc", stay_seconds=stay)
        told = []
        for row, at in zip(rows, times, strict=True):
            told += path.push(dict(zip("abc", row, strict=True)), at)
        assert told + path.finish() == best_of_all(rows, times, stay)


def test_a_doubt_is_smoothed_away_and_a_change_is_not() -> None:
    sure, doubt, other = {"a": 0.9, "b": 0.1}, {"a": 0.4, "b": 0.6}, {"a": 0.05, "b": 0.95}
    path = ClassPath("ab")
    told = []
    for i, said in enumerate([sure, sure, doubt, sure, None, other, other, other]):
        told += path.push(said, 4.0 * i)
    assert "".join(told + path.finish()) in ("aaaaabbb", "aaaabbbb")
    raw = ClassPath("ab", stay_seconds=0)
    told = [label for i, said in enumerate([sure, doubt, other]) for label in raw.push(said, i)]
    assert "".join(told + raw.finish()) == "abb"


def test_a_path_that_never_agrees_is_decided_all_the_same() -> None:
    path = ClassPath("ab")
    told = [label for i in range(2000) for label in path.push({"a": 0.5, "b": 0.5}, 1.0 * i)]
    assert len(told) >= 2000 - 256
    assert len(told + path.finish()) == 2000


def test_values_by_hand() -> None:
    path = ValuePath(stay_seconds=1.0)
    assert path.push(2.0, 0.0) == (2.0, False)
    kept = math.exp(-1)
    smoothed, _ = path.push(0.0, 1.0)
    assert smoothed == pytest.approx(2 * kept)
    assert path.push(None, 2.0) == (smoothed, False)


def test_a_value_turns_once_it_has_come_back() -> None:
    path = ValuePath(stay_seconds=0.001)
    rising_falling = [0.0, 1.0, 2.0, 3.0, 2.9, 1.0, 0.0, 0.1, 3.0]
    turns = [i for i, value in enumerate(rising_falling) if path.push(value, 1.0 * i)[1]]
    assert turns == [5, 8]
    level = ValuePath()
    assert not any(level.push(1.0, float(i))[1] for i in range(9))
