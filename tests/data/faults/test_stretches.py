"""Overlaps within a recording, and units in several splits."""

import pytest

from crosstone.data.faults.stretches import Stretches, Units
from crosstone.data.utterance import Utterance


def overlaps(*stretches):
    gathered = Stretches()
    for row, (audio, start, end) in enumerate(stretches):
        gathered.add(row, Utterance(id=str(row), audio=audio, start=start, end=end, text=""))
    return gathered.overlaps()


def test_overlaps_by_hand():
    # the real beginning of a CMU-MOSEI transcript, out of order: each begins before the last ends
    times = [(7.814, 13.882), (0.0, 8.025), (13.531, 20.756), (30.342, 34.565)]
    found = overlaps(*(("a.wav", *time) for time in times))
    assert [(row, before) for row, before, _ in found] == [(0, 1), (2, 0)]
    assert [seconds for *_, seconds in found] == pytest.approx([0.211, 0.351])


def test_a_long_stretch_covers_several():
    found = overlaps(("a", 0.0, 10.0), ("a", 1.0, 2.0), ("a", 3.0, 4.0))
    assert found == [(1, 0, 1.0), (2, 0, 1.0)]


def test_what_is_no_overlap():
    assert overlaps(("a", 0.0, 1.0), ("a", 1.0, 2.0), ("b", 0.5, 1.5)) == []  # touching; elsewhere
    assert overlaps(("a", 0.0, 1.0), ("a", 0.995, 2.0)) == []  # a hundredth is rounding
    assert overlaps(("a", None, None), ("a", None, None)) == []  # one sound twice
    assert overlaps((None, 0.0, 2.0), (None, 1.0, 3.0)) == []


def test_a_whole_file_overlaps_its_parts():
    assert overlaps(("a", None, None), ("a", 2.0, 3.0)) == [(1, 0, 1.0)]


def shared(*known):
    units = Units()
    for i, (split, speaker, group) in enumerate(known):
        units.add(Utterance(id=str(i), text="", split=split, speaker=speaker, group=group))
    return units.shared()


def test_units_in_two_splits_are_named():
    found = shared(
        ("train", "ann", "g1"), ("test", "ann", "g2"), ("test", "bob", "g1"), ("valid", "bob", None)
    )
    assert found == {
        "speaker": {"test and train": ["ann"], "test and valid": ["bob"]},
        "group": {"test and train": ["g1"]},
    }


def test_only_what_is_evaluated_can_leak():
    assert shared(("train", "ann", None), ("unlabelled", "ann", None), ("test", "b", None)) == {
        "speaker": {},
        "group": {},
    }
    assert shared(("one", "ann", None), ("two", "ann", None))["speaker"] == {"one and two": ["ann"]}
    assert shared((None, "ann", None), ("test", "ann", None)) == {"speaker": {}, "group": {}}
