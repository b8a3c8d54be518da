"""Where labels stand: none touches another, none is crossed by another's line."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.reports.drawing import place_labels, spread_apart

labels = st.lists(
    st.tuples(st.floats(0, 500), st.floats(20, 120)),
    min_size=1,
    max_size=6,
    unique_by=lambda x: x[0],
)


def test_far_labels_stand_over_their_lines() -> None:
    assert place_labels([50, 250, 450], [60, 60, 60], 500) == [(50, 0), (250, 0), (450, 0)]


def test_near_labels_stand_left_and_right_of_their_lines() -> None:
    (left, first), (right, second) = place_labels([200, 206], [60, 60], 500)
    assert (first, second) == (0, 0)
    assert left + 30 < 200 < 206 < right - 30


@given(labels)
@settings(deadline=None, max_examples=100)
def test_no_label_touches_another(items: list[tuple[float, float]]) -> None:
    positions, widths = zip(*items, strict=True)
    placed = place_labels(positions, widths, 500)
    assert len(placed) == len(items)
    for i, (centre, level) in enumerate(placed):
        for j in range(i):
            other, other_level = placed[j]
            if level == other_level:
                assert abs(centre - other) >= (widths[i] + widths[j]) / 2


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
@settings(deadline=None)
def test_spread_labels_keep_their_distance_and_order(positions: list[float]) -> None:
    moved = spread_apart(positions, 0.1)
    ranked = sorted(moved)
    assert all(b - a > 0.09 for a, b in itertools.pairwise(ranked))
    for i, a in enumerate(positions):
        for j, b in enumerate(positions):
            if a < b:
                assert moved[i] < moved[j]
