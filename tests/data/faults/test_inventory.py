"""Counts, and what differs from those expected."""

import pytest

from crosstone.data.faults import brief, missing_counts
from crosstone.data.faults.inventory import Inventory
from crosstone.data.utterance import Utterance

ROWS = [
    Utterance(
        id=str(i),
        text="hm",
        speaker=f"s{i % 2}",
        group=f"g{i // 2}",
        split=("train", "test", None)[i % 3],
        labels={"emotion": ("sad", "glad")[i % 2], "valence": i / 2},
    )
    for i in range(6)
]


def test_what_is_expected_and_there_is_no_fault():
    expected = {
        "utterances": 6,
        "speakers": 2,
        "per_speaker": 3,
        "groups": {"g0": 2, "g1": 2, "g2": 2},
        "splits": {"train": 2, "test": 2},
        "labels": {"emotion": {"sad": 3, "glad": 3}, "valence": {"0.5": 1}},
        "labels_by_group": {"emotion": {"g0": {"sad": 1}, "absent": {"sad": 4}}},
        "ceiling": 0.9,
    }
    assert missing_counts("tiny", expected, ROWS) == []
    assert missing_counts("tiny", {**expected, "groups": 3, "splits": 2}, ROWS) == []


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"utterances": 7}, "7 utterances, found 6"),
        ({"speakers": 3}, "3 speakers, found 2"),
        ({"speakers": {"s2": 1}}, "1 utterances of speaker 's2', found 0"),
        ({"groups": 93}, "93 groups, found 3"),
        ({"groups": {"g1": 3}}, "3 utterances of group 'g1', found 2"),
        ({"splits": {"train": 16327}}, "16327 utterances of split 'train', found 2"),
        ({"labels": {"emotion": {"mad": 1}}}, "1 utterances with emotion 'mad', found 0"),
        (
            {"labels_by_group": {"emotion": {"g2": {"sad": 5}}}},
            "5 utterances of group 'g2' with emotion 'sad', found 1",
        ),
    ],
)
def test_what_differs_is_said(expected, said):
    assert missing_counts("tiny", expected, ROWS) == [
        f"tiny: expected {said}; is every file there?"
    ]


def test_what_a_copy_lacks_is_said_briefly():
    one = "ravdess: expected 1440 utterances, found 1; is every file there?"
    assert brief([]) == []
    assert brief([one]) == [one]
    assert brief([one, "…"]) == [
        "ravdess: expected 1440 utterances, found 1; 1 more count differs (crosstone check lists "
        "them)"
    ]
    assert "; 2 more counts differ (" in brief([one, "…", "…"])[0]


def test_findings_by_split():
    inventory = Inventory()
    for row in ROWS:
        inventory.add(row)
    found = inventory.findings()
    assert found["speakers"] == {"s0": 3, "s1": 3}
    assert found["splits"] == {"test": 2, "train": 2}
    assert found["labels"]["emotion"]["values"]["sad"] == {"train": 1, "test": 1, "": 1}
    assert found["labels"]["valence"]["kind"] == "numbers"
    assert found["labels"]["valence"]["max"] == 2.5
