"""Bars on round edges that lose nothing."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from crosstone.data.faults.histogram import histogram


def test_by_hand():
    found = histogram(np.array([0.0, 0.5, 1.1, 1.5, 3.0]), least=1)
    assert found["edges"] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found["counts"] == [2, 2, 0, 1]
    assert (found["min"], found["median"], found["max"]) == (0.0, 1.1, 3.0)
    assert found["mean"] == pytest.approx(1.22)


def test_a_scale_has_a_bar_around_each_step():
    found = histogram(np.repeat([-1.0, 0.0, 2.0], [2, 5, 1]))
    assert found["edges"] == [-1.5, -0.5, 0.5, 1.5, 2.5]
    assert found["counts"] == [2, 5, 0, 1]
    assert histogram(np.array([1.0, 1.0, 5.0]), whole=True)["counts"] == [2, 0, 0, 0, 1]
    assert histogram(np.arange(1.0, 200), whole=True)["edges"][:3] == [0.0, 10.0, 20.0]
    thirds = np.repeat(np.arange(-9, 10) / 3, 2).astype(np.float32).astype(np.float64)
    assert histogram(thirds)["counts"] == [2] * 19


def test_nothing_and_one_value():
    assert histogram(np.array([])) == {"count": 0, "edges": [], "counts": []}
    one = histogram(np.array([2.5, 2.5]))
    assert one["counts"] == [2]
    assert one["edges"][0] <= 2.5 <= one["edges"][-1]


def test_a_far_value_does_not_squeeze_the_others():
    values = np.r_[np.linspace(0, 10, 1000), 109.4]
    found = histogram(values)
    assert found["edges"][-1] < 11
    assert found["max"] == 109.4
    assert sum(found["counts"]) == 1001


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
@settings(deadline=None)
def test_every_value_is_in_a_bar_and_edges_are_even(values):
    found = histogram(np.array(values, np.float64))
    assert sum(found["counts"]) == len(values)
    assert len(found["edges"]) == len(found["counts"]) + 1
    edges = np.array(found["edges"])
    wide = edges[-1] - edges[0]
    assert np.diff(edges) == pytest.approx(
        wide / len(found["counts"]), abs=1e-5 * np.abs(edges).max()
    )
