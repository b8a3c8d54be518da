"""What run.json says of a copy that is not whole, in one sentence."""

from crosstone.runs.facts import brief


def test_what_a_copy_lacks_is_said_briefly() -> None:
    one = "ravdess: expected 1440 utterances, found 1; is every file there?"
    assert brief([]) == []
    assert brief([one]) == [one]
    assert brief([one, "ravdess: expected 24 speakers, found 1", "…"]) == [
        "ravdess: expected 1440 utterances, found 1; 2 more counts differ (crosstone check lists "
        "them)"
    ]
