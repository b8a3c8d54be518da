"""What raters chose, as targets and as agreement."""

import json

import pytest

from crosstone.data.utterance import Utterance
from crosstone.data.votes import Ballots, Judgements, rater_agreement, vote_shares

LABELS = ("ang", "hap", "neu")


@pytest.mark.parametrize(
    "votes,expected",
    [
        ({"a": ("ang",), "b": ("ang",), "c": ("neu",)}, (2 / 3, 0, 1 / 3)),
        ({"a": ("ang", "neu"), "b": ("hap",)}, (1 / 4, 1 / 2, 1 / 4)),
        ({"a": ("ang", "ang", "hap")}, (2 / 3, 1 / 3, 0)),
        ({"a": ("ang", "fru"), "b": ("hap",)}, (1 / 3, 2 / 3, 0)),
        ({"a": ("fru",), "b": ("hap",)}, (0, 1, 0)),
        ({"a": ("fru",), "b": ()}, None),
        ({"a": ()}, None),
        ({}, None),
    ],
)
def test_each_rater_has_one_vote(votes, expected) -> None:
    found = vote_shares(votes, LABELS)
    assert found == (None if expected is None else pytest.approx(expected))


def rows(**votes) -> list[Utterance]:
    """Utterances of which the first has the first choice of every rater of every target."""
    longest = max(len(each) for raters in votes.values() for each in raters.values())
    return [
        Utterance(
            id=str(i),
            text="hm",
            labels={"emotion": "ang", "valence": 1.0},
            votes={
                target: {rater: chosen[i] for rater, chosen in raters.items() if i < len(chosen)}
                for target, raters in votes.items()
            },
        )
        for i in range(longest)
    ]


def test_agreement_by_target() -> None:
    made = rows(
        emotion={
            "E1": [("ang",), ("hap",), ("neu", "fru")],
            "E2": [("ang",), ("neu",), ("neu",)],
        },
        emotion_self={"F1": [("sad",), ("sad",)], "F2": [("sad",), ("sad",)]},
        comment={"E1": [("loud",), ("calm",)], "E2": [("loud",), ("low",)]},
        valence={"E1": [(1.0,), (2.0, 4.0)], "E2": [(1.0,), (5.0,)]},
        level={"E1": [(3.0,)], "E2": [()]},
    )
    ballots = Ballots()
    for utterance in made:
        ballots.add(utterance)
    found = ballots.findings()
    assert list(found) == ["emotion", "valence"]
    emotion = found["emotion"]
    assert (emotion["kind"], emotion["items"], emotion["judgements"]) == ("classes", 3, 6)
    assert emotion["outside"] == 0
    assert emotion["scores"]["wa"] == pytest.approx((1 + 0 + (1 / 2 + 1 / 4 + 1 / 4) / 2) / 3)
    valence = found["valence"]
    assert (valence["kind"], valence["kappa"]) == ("scale", None)
    assert valence["scores"]["mae"] == pytest.approx((0 + 2) / 2)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_agreement_on_some_classes_says_what_it_leaves_out() -> None:
    made = rows(emotion={"E1": [("ang",), ("fru",)], "E2": [("ang", "fru"), ("ang",)]})
    found = rater_agreement(made, "emotion", LABELS)
    assert found is not None
    assert (found["items"], found["judgements"]) == (1, 2)
    assert found["outside"] == pytest.approx(1.5 / 4)
    assert found["scores"] == {"wa": 1, "ua": 1, "macro_f1": 1, "weighted_f1": 1}
    assert found["alpha"] is None
    assert rater_agreement(made, "emotion", ("sad", "hap")) is None
    assert rater_agreement(made, "valence") is None
    assert rater_agreement([], "emotion") is None


def test_words_and_numbers_are_told_apart() -> None:
    judgements = Judgements()
    judgements.add({"a": (1.0,), "b": (2.0,)})
    assert judgements.is_scale
    judgements.add({"a": ("none",)})
    assert not judgements.is_scale
    assert (judgements.agreement() or {})["kind"] == "classes"
