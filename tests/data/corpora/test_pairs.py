"""Verification trials: what is drawn is balanced, distinct and true; what is read is checked."""

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from crosstone.data.corpora.pairs import draw_trials, read_trial_list
from crosstone.data.corpus import Trial, Utterance
from crosstone.errors import CorpusError


def said(speakers: str) -> list[Utterance]:
    """One utterance for each letter, of that speaker; capitals are men."""
    return [
        Utterance(
            id=f"{speaker}-{i}",
            text="",
            speaker=speaker,
            labels={"gender": "male" if speaker.isupper() else "female"},
        )
        for i, speaker in enumerate(speakers)
    ]


@settings(deadline=None, max_examples=80)
@given(
    speakers=st.text("abcXYZ", min_size=2, max_size=14),
    half=st.integers(1, 30),
    same_gender=st.booleans(),
    seed=st.integers(0, 3),
)
def test_trials_are_balanced_distinct_and_true(speakers, half, same_gender, seed):
    utterances = said(speakers)
    pairs = [(a, b) for i, a in enumerate(utterances) for b in utterances[:i]]
    same = sum(a.speaker == b.speaker for a, b in pairs)
    fitting = [a.labels == b.labels or not same_gender for a, b in pairs]
    different = sum(fit for fit, (a, b) in zip(fitting, pairs, strict=True)) - same
    if half > min(same, different):
        with pytest.raises(CorpusError, match=r"trials: expected \d+ pairs of .*, found \d+ among"):
            draw_trials(utterances, number=2 * half, seed=seed, same_gender=same_gender)
        return
    trials = draw_trials(utterances, number=2 * half, seed=seed, same_gender=same_gender)
    assert trials == draw_trials(utterances, number=2 * half, seed=seed, same_gender=same_gender)
    assert len(trials) == 2 * half
    assert sum(trial.target for trial in trials) == half
    assert len({frozenset((trial.enrol, trial.test)) for trial in trials}) == 2 * half
    for trial in trials:
        assert trial.target == (trial.enrol[0] == trial.test[0])
        assert not same_gender or trial.enrol[0].isupper() == trial.test[0].isupper()


def test_pairs_of_one_speaker_are_spread_as_evenly_as_may_be():
    trials = draw_trials(said("aa" + "b" * 4 + "c" * 9 + "d" * 9), number=42)
    shares = Counter(trial.enrol[0] for trial in trials if trial.target)
    assert (shares["a"], shares["b"]) == (1, 6)
    assert {shares["c"], shares["d"]} == {7}


def test_few_of_many_pairs_are_drawn_without_listing_all():
    trials = draw_trials(said("abcd" * 500), number=400, seed=1)
    others = [trial for trial in trials if not trial.target]
    assert (len(others), len(set(others))) == (200, 200)
    assert trials != draw_trials(said("abcd" * 500), number=400, seed=2)
    assert {trial.target for trial in trials[:20]} == {True, False}


@pytest.mark.parametrize("number", [0, 3, -2, True, 2.0])
def test_the_number_of_trials_is_even(number):
    with pytest.raises(CorpusError, match="expected an even number from 2, found"):
        draw_trials(said("aabb"), number=number)


def test_speakers_and_genders_must_be_known():
    with pytest.raises(CorpusError, match="expected every speaker, found none of x"):
        draw_trials([*said("aabb"), Utterance(id="x", text="")], number=2)
    strangers = [Utterance(id=name, text="", speaker="s") for name in "xy"]
    with pytest.raises(CorpusError, match="expected every speaker and gender, found none of x, y"):
        draw_trials([*said("aabb"), *strangers], number=2, same_gender=True)


def test_both_forms_of_lists_and_names_by_path_are_read(tmp_path):
    path = tmp_path / "trials.txt"
    path.write_bytes(
        b"1 a/a-0.wav a/a-1.wav\r\n0 a-0 wav\\b-2.flac\r\n\r\na-1 b-2 nontarget\na-3 a-1 target"
    )
    faults: list[str] = []
    speakers = {"a-0": "a", "a-1": "a", "b-2": "b", "a-3": "a"}
    assert list(read_trial_list(path, speakers, faults)) == [
        Trial("a-0", "a-1", True),
        Trial("a-0", "b-2", False),
        Trial("a-1", "b-2", False),
        Trial("a-3", "a-1", True),
    ]
    assert faults == []


def test_a_pair_that_is_listed_again_is_a_fault(tmp_path):
    path = tmp_path / "trials.txt"
    path.write_text("1 a-0 a-1\n0 a-0 b-2\n1 a-0 a-1\n0 b-2 wav/a-0.wav\n")
    faults: list[str] = []
    speakers = {"a-0": "a", "a-1": "a", "b-2": "b"}
    assert len(list(read_trial_list(path, speakers, faults))) == 2
    assert faults == [
        "trials.txt: line 3: a-0 and a-1 stand in line 1 already; list each pair once",
        "trials.txt: line 4: b-2 and a-0 stand in line 2 already; list each pair once",
    ]


def test_every_fault_of_a_list_is_told(tmp_path):
    path = tmp_path / "trials.txt"
    path.write_text("1 a-0 b-2\n0 a-0 a-1\n2 a-0 a-1\n1 a-0\n1 a-0 c-3\n0 c-3 d-4\n")
    faults: list[str] = []
    assert list(read_trial_list(path, {"a-0": "a", "a-1": "a", "b-2": "b"}, faults)) == []
    form = "expected 'label enrol test' or 'enrol test label' with a label of 1, target, 0, "
    assert faults == [
        "trials.txt: line 1: says '1' of a-0 and b-2, which are of two speakers",
        "trials.txt: line 2: says '0' of a-0 and a-1, which are of one speaker",
        f"trials.txt: line 3: {form}nontarget, found '2 a-0 a-1'",
        f"trials.txt: line 4: {form}nontarget, found '1 a-0'",
        "trials.txt: 2 utterances are not in the corpus: c-3, d-4; add their subsets, or shorten "
        "the list",
    ]
