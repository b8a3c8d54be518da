"""Counts: what differs is listed with both numbers, and the way past it is said and repeated."""

import dataclasses
from typing import Any

import pytest

from crosstone.errors import CorpusError
from crosstone.protocols import PROTOCOLS, Counts, ProtocolSpec, describe_counts, plan_folds

ROWS = [
    {"group": f"g{i % 3}", "labels": {"emotion": label}}
    for i, label in enumerate(["joy"] * 6 + ["fear"] * 3)
]
SPEC = ProtocolSpec(
    name="mine",
    kind="leave-one-group-out",
    expected=(
        Counts(utterances=10, labels={"joy": 6, "fear": 4}, units={"g0": 4, "g1": 3, "g2": 3}),
    ),
)


def test_every_difference_is_listed(made: Any) -> None:
    with pytest.raises(CorpusError) as raised:
        plan_folds(made(ROWS), SPEC)
    assert str(raised.value) == (
        "protocol mine: expected 10 utterances: 6 joy and 4 fear; found other counts:\n"
        "  utterances  expected 10, found 9 (-1)\n"
        "  fear        expected 4, found 3 (-1)\n"
        "  g0          expected 4, found 3 (-1)\n"
        "Complete the copy (crosstone check names what is missing), or train on what is there with "
        "protocol.enforce=false, which every table then says"
    )


def test_a_partial_copy_may_be_let_through(made: Any) -> None:
    corpus = made(ROWS)
    plan = plan_folds(corpus, dataclasses.replace(SPEC, enforce=False))
    assert (plan.is_whole, plan.checked) == (
        False,
        "counts are not those of mine: utterances 9 instead of 10 (-1); fear 3 instead of 4 (-1); "
        "g0 3 instead of 4 (-1)",
    )
    unchecked = plan_folds(corpus, dataclasses.replace(SPEC, expected=None))
    assert (unchecked.is_whole, unchecked.checked) == (None, "")


def test_what_nobody_expected_is_a_difference(made: Any) -> None:
    more = [*ROWS, {"group": "g3", "labels": {"emotion": "awe"}}]
    with pytest.raises(CorpusError, match=r"awe +expected 0, found 1 \(\+1\)\n.*\n.*g3"):
        plan_folds(made(more), SPEC)


def test_counts_in_words() -> None:
    assert describe_counts(Counts(splits={"train": 1284, "test": 686}, name="SDK")) == (
        "1,284 train and 686 test (SDK)"
    )
    assert describe_counts(Counts(utterances=5531)) == "5,531 utterances"
    assert describe_counts(Counts()) == "no counts"


def test_one_utterance_less_stops_iemocap(made: Any, iemocap: Any) -> None:
    gone = next(u.id for u in iemocap if u.group == "Session5" and u.labels["emotion"] == "exc")
    with pytest.raises(CorpusError) as raised:
        plan_folds(iemocap.where(lambda u: u.id != gone), PROTOCOLS["iemocap-4way-loso"])
    lines = [" ".join(line.split()) for line in str(raised.value).splitlines()]
    assert lines[1:4] == [
        "utterances expected 5,531, found 5,530 (-1)",
        "hap expected 1,636, found 1,635 (-1)",
        "Session5 expected 1,241, found 1,240 (-1)",
    ]
