"""Trials: the corpus's own, or drawn from the test side; never a speaker on both sides."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.corpus import Corpus, Source, Trial, Utterance
from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols import PROTOCOLS, ProtocolSpec, plan_folds

PAIRS = ProtocolSpec(kind="trials", task="verification", unit="speaker", target="speaker")


def write(folder: Path, rows: list[dict[str, Any]], trials: list[Trial] | None = None) -> Corpus:
    utterances = [Utterance(**{"id": f"u{i}", "text": "hi", **row}) for i, row in enumerate(rows)]
    return Corpus.write(
        folder,
        name="librispeech",
        root=folder,
        source=Source(),
        utterances=utterances,
        trials=trials or (),
    )


def spoken(**sizes: int) -> list[dict[str, Any]]:
    """`spoken(test_d=2)`: two utterances of speaker d in the split test, chapters of two."""
    return [
        {"split": split, "speaker": speaker, "group": f"{speaker}-{i // 2}"}
        for name, size in sizes.items()
        for split, speaker in [name.split("_")]
        for i in range(size)
    ]


SOME = spoken(train_a=2, train_b=2, test_d=3, test_e=3, valid_c=2)


def test_trials_are_drawn_from_the_test_side(tmp_path: Path) -> None:
    """d and e say three each: three pairs of one in each, and nine of two, of which six are drawn.
    In each speaker one pair is within a chapter."""
    plan = plan_folds(write(tmp_path, SOME), PAIRS)
    (fold,) = plan.folds
    assert [len(rows) for rows in (fold.train, fold.valid, fold.test)] == [4, 2, 6]
    assert fold.test_units == ("d", "e")
    assert Counter(trial.target for trial in fold.test_trials) == {True: 6, False: 6}
    assert {t.enrol for t in fold.test_trials} | {t.test for t in fold.test_trials} == {
        f"u{i}" for i in range(4, 10)
    }
    assert plan.notes == (
        "12 trials, 6 of one speaker, drawn by seed 0 from 6 utterances (at most 40,000), since "
        "the corpus lists none of them",
        "2 of the 6 trials of one speaker are within one group (session, chapter or video), whose "
        "sound and words are alike, so they are easier than others",
    )
    assert plan.corpus[0].labels == {"speaker": "a"}
    assert not fold.valid_trials
    again = plan_folds(write(tmp_path / "b", SOME), PAIRS).folds[0]
    assert list(again.test_trials) == list(fold.test_trials)
    other = plan_folds(write(tmp_path / "c", SOME), dataclasses.replace(PAIRS, fold_seed=1))
    assert list(other.folds[0].test_trials) != list(fold.test_trials)
    few = plan_folds(write(tmp_path / "d", SOME), dataclasses.replace(PAIRS, max_trials=5))
    assert Counter(trial.target for trial in few.folds[0].test_trials) == {True: 2, False: 2}


def test_the_validation_side_has_trials_where_it_chooses(tmp_path: Path) -> None:
    rows = [*SOME, *spoken(valid_f=2)]
    spec = dataclasses.replace(PAIRS, selection="best_valid")
    (fold,) = plan_folds(write(tmp_path, rows), spec).folds
    assert {trial.enrol for trial in fold.valid_trials} <= {"u10", "u11", "u12", "u13"}
    assert Counter(trial.target for trial in fold.valid_trials) == {True: 2, False: 2}
    with pytest.raises(CorpusError, match="found 1 and 0 among 2 utterances of 1 speakers"):
        plan_folds(write(tmp_path / "one", SOME), spec)


def test_test_speakers_by_name(tmp_path: Path) -> None:
    """A corpus without a training side, as test-other alone: named speakers are tested."""
    rows = spoken(test_a=2, test_b=2, test_c=2, test_d=2)
    trials = [Trial("u0", "u1", True), Trial("u4", "u5", True), Trial("u4", "u6", False)]
    spec = dataclasses.replace(PAIRS, test_units=("c", "d"))
    plan = plan_folds(write(tmp_path, rows, trials), spec)
    (fold,) = plan.folds
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])
    assert list(fold.test_trials) == trials[1:]
    assert plan.notes[0] == "2 trials, 1 of one speaker, as the corpus lists them"
    assert plan.left_out == {"trials with a side that is not tested": 1}
    plan = plan_folds(write(tmp_path / "b", rows), dataclasses.replace(spec, train_units=("a",)))
    assert plan.left_out == {"of speaker 'b'": 2}
    assert len(plan.folds[0].test_trials) == 4


@pytest.mark.parametrize(
    "rows,trials,said",
    [
        ([*SOME, *spoken(test_a=1)], [], r"1 speaker \(a\) stands in train and test of fold 0"),
        (SOME, [Trial("u4", "u0", False)], r"1 speaker \(a\) stands in train and test"),
        (SOME, [Trial("u4", "u5", True)], "found 1 of one among 1; error rates need both"),
        (
            SOME,
            [Trial("u4", "u5", True), Trial("u4", "u7", True)],
            r"1 of 2 trials contradict the speakers of their utterances \(first: u4 and u7\)",
        ),
        (spoken(train_a=2, valid_b=2), [], "expects a list of trials beside the utterances, or"),
        (spoken(train_a=2, test_b=1, test_c=1), [], "found 0 and 1 among 2 utterances"),
        (
            [*SOME, {"split": "test"}],
            [],
            r"1 of 13 utterances have none \(first: u12\); fill the column 'speaker'$",
        ),
    ],
)
def test_sides_that_cannot_be_tested(tmp_path: Path, rows: Any, trials: Any, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        plan_folds(write(tmp_path, rows, trials), PAIRS)


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"unit": "group"}, "others than it trains on: expected unit speaker and target speaker"),
        ({"target": "emotion"}, "found speaker and emotion"),
        ({"unit": "group", "permits": ("speaker",)}, "found group and speaker"),
        ({"max_trials": 1}, "max_trials expects at least 2"),
        ({"ge2e_seed": -1}, "found -1 for verification"),
        ({"kind": "holdout"}, "kind trials and task verification belong together"),
        ({"labels": ("a", "b")}, "labels, label_map and scales are for task classification"),
    ],
)
def test_protocols_of_trials_that_make_no_sense(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(PAIRS, **fields)


def test_counts_are_named_and_not_enforced(tmp_path: Path) -> None:
    from crosstone.data.corpora.librispeech import EXPECTED

    spec = PROTOCOLS["librispeech-verification"]
    plan = plan_folds(write(tmp_path, SOME), spec)
    assert plan.checked.startswith("counts are not those of librispeech-verification: ")
    bare, beside = spec.expected or ()
    sizes = {name: size for name, (size, _) in EXPECTED.items()}
    assert bare.splits["train"] == sum(s for n, s in sizes.items() if n.startswith("train"))
    assert beside.splits["valid"] == sum(s for n, s in sizes.items() if n.startswith("dev"))
    assert bare.splits["test"] == beside.splits["test"] == sizes["test-clean"]


@settings(deadline=None, max_examples=25)
@given(
    speakers=st.lists(
        st.tuples(st.sampled_from(["train", "valid", "test"]), st.integers(1, 5)),
        min_size=3,
        max_size=9,
    ),
    cap=st.integers(2, 30),
    seed=st.integers(0, 50),
)
def test_trials_ask_the_test_side_alone(
    tmp_path_factory: pytest.TempPathFactory,
    speakers: list[tuple[str, int]],
    cap: int,
    seed: int,
) -> None:
    rows = [r for i, (split, n) in enumerate(speakers) for r in spoken(**{f"{split}_s{i}": n})]
    corpus = write(tmp_path_factory.mktemp("c"), rows)
    spec = dataclasses.replace(PAIRS, max_trials=cap, fold_seed=seed)
    try:
        plan = plan_folds(corpus, spec)
    except CorpusError:
        tested = [n for split, n in speakers if split == "test"]
        assert len(tested) < 2 or max(tested) < 2 or all(s != "train" for s, _ in speakers)
        return
    (fold,) = plan.folds
    names = plan.corpus.speakers
    assert not set(names[fold.train]) & set(names[fold.test])
    assert not set(names[fold.valid]) & set(names[fold.test])
    ids = np.array(list(plan.corpus.ids))
    pairs = [(trial.enrol, trial.test) for trial in fold.test_trials]
    assert {identity for pair in pairs for identity in pair} <= set(ids[fold.test])
    assert len({frozenset(pair) for pair in pairs}) == len(pairs) <= cap
    assert sum(trial.target for trial in fold.test_trials) * 2 == len(pairs)
