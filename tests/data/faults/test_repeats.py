"""Keys that come again, and in how many groups."""

import hypothesis.strategies as st
from hypothesis import given, settings

from crosstone.data.faults.repeats import Repeat, Repeats


def test_repeats_by_hand():
    repeats = Repeats()
    for row, key, group in [(0, 7, "a"), (2, 9, "a"), (3, 7, "b"), (5, 7, "a"), (6, 9, "a")]:
        repeats.add(row, key, group)
    assert repeats.num_keys == 2
    assert repeats.found() == [Repeat((0, 3, 5), 2), Repeat((2, 6), 1)]


def test_without_a_group_each_is_its_own():
    repeats = Repeats()
    for row in range(3):
        repeats.add(row, -1, None)
    assert repeats.found() == [Repeat((0, 1, 2), 3)]
    assert Repeats().found() == []


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), max_size=30))
@settings(deadline=None)
def test_repeats_are_the_rows_of_each_key(pairs):
    repeats = Repeats()
    for row, (key, group) in enumerate(pairs):
        repeats.add(row, key, group)
    rows = [[i for i, (key, _) in enumerate(pairs) if key == each] for each in range(4)]
    assert sorted(repeat.rows for repeat in repeats.found()) == sorted(
        tuple(found) for found in rows if len(found) > 1
    )
