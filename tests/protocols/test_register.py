"""The named protocols: what each holds, on corpora of the true sizes."""

import dataclasses
import importlib
from collections import Counter
from typing import Any

import numpy as np
import pytest

from crosstone.config import build, to_tree
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.trials import Trial
from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols import (
    PROTOCOLS,
    ProtocolSpec,
    alterations,
    named_protocol,
    plan_folds,
    protocol_view,
)


def changed(name: str, **fields: Any) -> ProtocolSpec:
    return dataclasses.replace(PROTOCOLS[name], **fields)


def test_every_name_stands_over_its_own_protocol() -> None:
    assert all(spec.name == name for name, spec in PROTOCOLS.items())
    assert {
        "iemocap-4way-loso",
        "iemocap-4way-by-speaker",
        "iemocap-jbls",
        "iemocap-5way",
        "mosei-sentiment",
        "mosi-sentiment",
        "mosei-emotion",
        "librispeech-verification",
        "meld-emotion",
    } <= set(PROTOCOLS)
    for spec in PROTOCOLS.values():
        assert spec.source
        assert spec.corpus
        assert build(ProtocolSpec, to_tree(spec), "tree") == spec
        assert alterations(spec) == ()


def test_an_unknown_name_gets_its_neighbours() -> None:
    with pytest.raises(
        ConfigError, match=r"called 'iemocap-4way'; did you mean .*iemocap-4way-loso"
    ):
        named_protocol("iemocap-4way")
    with pytest.raises(ConfigError, match="called 'zzz'; there are iemocap-4way-loso, "):
        named_protocol("zzz")


@pytest.mark.parametrize(
    "module,name",
    [
        ("emodb", "emodb-by-speaker"),
        ("cremad", "cremad-by-speaker"),
        ("cremad", "cremad-voice-by-speaker"),
        ("ravdess", "ravdess-by-actor"),
        ("meld", "meld-emotion"),
        ("mosi", "mosi-sentiment"),
        ("mosei", "mosei-sentiment"),
    ],
)
def test_counts_are_those_that_the_corpus_expects(module: str, name: str) -> None:
    """What prepare checks and what the protocol checks are written down twice, and agree."""
    corpus = importlib.import_module(f"crosstone.data.corpora.{module}").EXPECTED
    spec = PROTOCOLS[name]
    (counts, *_) = spec.expected or ()
    if counts.labels:
        assert counts.labels == corpus["labels"][spec.target]
        assert counts.utterances == sum(counts.labels.values())
    if counts.splits:
        assert counts.splits == corpus["splits"]
    if counts.units:
        assert counts.units == corpus["speakers"]
    assert set(spec.labels) == set(counts.labels or spec.labels)


def test_iemocap_counts_add_up_from_the_release() -> None:
    from crosstone.data.corpora.iemocap import EXPECTED

    released = EXPECTED["labels"]["emotion"]
    for spec in PROTOCOLS.values():
        if spec.corpus != "iemocap":
            continue
        merged: Counter[str] = Counter()
        for label, count in released.items():
            merged[spec.label_map.get(label, label)] += count
        (counts,) = spec.expected or ()
        assert counts.labels == {label: merged[label] for label in spec.labels}
        assert counts.utterances == sum(counts.labels.values())


def test_what_was_altered_is_known() -> None:
    spec = changed("iemocap-jbls", selection="last", train_fraction=0.5, headline="wa")
    assert alterations(spec) == ()
    spec = changed("iemocap-jbls", expected=None, folds=3, enforce=False)
    assert alterations(spec) == ("folds", "expected", "enforce")
    assert alterations(ProtocolSpec()) == ()


def test_leave_one_session_out(iemocap: Corpus) -> None:
    """Nested: every session tests once and validates once, for the fold before it."""
    plan = plan_folds(iemocap, PROTOCOLS["iemocap-4way-loso"])
    assert plan.checked == "counts as expected"
    assert plan.left_out == {"with emotion 'fru'": 1849, "with emotion 'xxx'": 100}
    assert plan.found.labels == {"ang": 1103, "hap": 1636, "neu": 1708, "sad": 1084}
    assert plan.corpus.labels("emotion") == plan.found.labels
    assert [len(fold.test) for fold in plan.folds] == [1085, 1023, 1151, 1031, 1241]
    groups = plan.corpus.groups
    sides = [
        tuple(sorted(set(groups[rows])) for rows in (fold.valid, fold.test)) for fold in plan.folds
    ]
    names = [f"Session{i}" for i in (1, 2, 3, 4, 5, 1)]
    assert sides == [([names[i + 1]], [names[i]]) for i in range(5)]
    for fold in plan.folds:
        rows = np.concatenate([fold.train, fold.valid, fold.test])
        assert sorted(rows) == list(range(5531))


@pytest.mark.parametrize("selection", ["last", "best_test"])
def test_other_rules_leave_nobody_out(iemocap: Corpus, selection: Any) -> None:
    spec = changed("iemocap-4way-loso", selection=selection)
    plan = plan_folds(iemocap, spec)
    assert [len(fold.train) + len(fold.test) for fold in plan.folds] == [5531] * 5
    assert spec.scored == {"last": "test", "best_test": "selected on test"}[selection]


def test_by_speaker_says_that_partners_share_dialogues(iemocap: Corpus) -> None:
    plan = plan_folds(iemocap, PROTOCOLS["iemocap-4way-by-speaker"])
    assert len(plan.folds) == 10
    assert plan.notes == (
        "5 groups (Session1, Session2, Session3, Session4, Session5) stand in train and test, of "
        "5, as the protocol permits: the two partners of a dialogue share it, and one is trained "
        "on, so the number is too high for anyone new",
        "5 groups (Session1, Session2, Session3, Session4, Session5) stand in valid and train in 5 "
        "of 10 folds: the epoch is chosen on groups that are trained on",
        "5 groups (Session1, Session2, Session3, Session4, Session5) stand in valid and test in 5 "
        "of 10 folds: the epoch is chosen on the tested speakers' partners, in the dialogues that "
        "are tested",
    )


def test_jbls(iemocap: Corpus) -> None:
    (fold,) = plan_folds(iemocap, PROTOCOLS["iemocap-jbls"]).folds
    assert [len(rows) for rows in (fold.train, fold.valid, fold.test)] == [3259, 1031, 1241]
    assert fold.test_units == ("Session5",)
    last = plan_folds(iemocap, changed("iemocap-jbls", selection="last")).folds[0]
    assert len(last.train) == 3259


@pytest.mark.parametrize(
    "name,classes",
    [
        ("iemocap-5way", {"ang": 1103, "fru": 1849, "hap": 1636, "neu": 1708, "sad": 1084}),
        (
            "iemocap-6way",
            {"ang": 1103, "exc": 1041, "fru": 1849, "hap": 595, "neu": 1708, "sad": 1084},
        ),
    ],
)
def test_more_classes(iemocap: Corpus, name: str, classes: dict[str, int]) -> None:
    assert plan_folds(iemocap, PROTOCOLS[name]).found.labels == classes


def segments(train: int, valid: int, test: int, other: int = 0) -> list[dict[str, Any]]:
    rows = []
    sizes = {"train": train, "valid": valid, "test": test, None: other}
    for split, count in sizes.items():
        rows += [
            {"split": split, "group": f"{split}-{i // 8}", "labels": {"sentiment": i % 7 - 3.0}}
            for i in range(count)
        ]
    return rows


@pytest.mark.parametrize(
    "sizes,said",
    [
        ((16327, 1871, 4662), "counts as expected (SDK folds)"),
        ((16326, 1871, 4659), "counts as expected (MulT and MMSA)"),
        ((16090, 1859, 4586), "counts as expected (JBLS's manifests)"),
    ],
)
def test_versions_of_mosei_are_told_apart(made: Any, sizes: tuple[int, ...], said: str) -> None:
    plan = plan_folds(made(segments(*sizes, other=3), "mosei"), PROTOCOLS["mosei-sentiment"])
    assert plan.checked == said
    assert plan.left_out == {"in no split": 3}
    assert tuple(plan.found.splits.values()) == sizes


def test_another_mosei_is_named_and_not_refused(made: Any) -> None:
    corpus = made(segments(16320, 1871, 4662), "mosei")
    checked = plan_folds(corpus, PROTOCOLS["mosei-sentiment"]).checked
    assert checked.startswith(
        "counts are not those of mosei-sentiment: train 16,320 instead of 16,327 (-7); known: "
        "16,327 train, 1,871 valid and 4,662 test (SDK folds); 16,326 train"
    )


def test_mosi_is_enforced(made: Any) -> None:
    corpus = made(segments(1284, 229, 685), "mosi")
    with pytest.raises(CorpusError) as raised:
        plan_folds(corpus, PROTOCOLS["mosi-sentiment"])
    assert str(raised.value).splitlines()[:3] == [
        "protocol mosi-sentiment: expected 2,199 utterances: 1,284 train, 229 valid and 686 test; "
        "found other counts:",
        "  utterances  expected 2,199, found 2,198 (-1)",
        "  test        expected 686, found 685 (-1)",
    ]


def test_the_strongest_emotion_is_the_class(made: Any) -> None:
    """All-zero rows have no class: an arg-max would call them after the first column."""
    scores = [(1, 0, 0), (0, 0, 0), (2, 2, 0), (0, 1, 3), (0, 2, 1), (0.5, 0.2, 0.1)]
    names = ("happy", "sad", "anger")
    rows = [
        {
            "split": "train" if i % 2 else "test",
            "group": f"v{i}",
            "labels": dict(zip(names, map(float, s), strict=True)),
        }
        for i, s in enumerate(scores)
    ]
    spec = changed("mosei-emotion", scales=names, labels=names)
    view = protocol_view(made(rows, "mosei"), spec)
    assert Counter(view.targets) == {"happy": 2, "anger": 1, "sad": 1}
    assert view.left_out == {"without one highest of happy, sad, anger": 2}
    plan = plan_folds(made(rows, "mosei"), dataclasses.replace(spec, selection="last"))
    assert plan.is_whole is False
    assert "train 3 instead of 16,090" in plan.checked  # the parts as the corpus has them
    assert plan.found.partition == {"train": 3, "test": 3}
    assert sum(plan.found.splits.values()) == 4


def test_meld_admits_its_six_friends(made: Any) -> None:
    labels = PROTOCOLS["meld-emotion"].labels
    rows = [
        {
            "split": split,
            "group": f"{split}-{i}",
            "speaker": ("Ross", "Rachel")[i % 2],
            "labels": {"emotion": labels[i % 7]},
        }
        for split in ("train", "valid", "test")
        for i in range(14)
    ]
    plan = plan_folds(made(rows, "meld"), changed("meld-emotion", enforce=False))
    assert "2 speakers (Rachel, Ross) stand in train and test, of 2" in plan.notes[0]
    assert "14 instead of 9,989" in plan.checked


def test_a_protocol_is_about_its_corpus(iemocap: Corpus) -> None:
    with pytest.raises(CorpusError, match="is about the corpus 'mosei', found 'iemocap'"):
        plan_folds(iemocap, PROTOCOLS["mosei-sentiment"])


def test_trials_test_and_other_speakers_train(tmp_path: Any) -> None:
    rows = [("train", "a"), ("train", "b"), ("valid", "c"), ("test", "d"), ("test", "e")] * 2
    utterances = [
        Utterance(id=f"u{i}", text="x", split=split, speaker=speaker)
        for i, (split, speaker) in enumerate([*rows, ("test", "f")])
    ]
    trials = [Trial("u3", "u8", True), Trial("u3", "u9", False)]
    corpus = Corpus.write(
        tmp_path,
        name="librispeech",
        root=tmp_path,
        source=Source(),
        utterances=utterances,
        trials=trials,
    )
    plan = plan_folds(corpus, PROTOCOLS["librispeech-verification"])
    (fold,) = plan.folds
    ids = plan.corpus.ids
    sides = [[ids[row] for row in rows] for rows in (fold.train, fold.valid, fold.test)]
    assert sides == [["u0", "u1", "u5", "u6"], ["u2", "u7"], ["u3", "u8", "u9"]]
    assert plan.left_out == {"in no trial, in split 'test'": 2}
    assert list(plan.corpus.trials) == trials
    leaky = [dataclasses.replace(u, speaker="d") if u.id == "u0" else u for u in utterances]
    corpus = Corpus.write(
        tmp_path / "leaky",
        name="librispeech",
        root=tmp_path,
        source=Source(),
        utterances=leaky,
        trials=trials,
    )
    with pytest.raises(CorpusError, match=r"1 speaker \(d\) stands in train and test of fold 0"):
        plan_folds(corpus, PROTOCOLS["librispeech-verification"])
    with pytest.raises(CorpusError, match="expects a list of trials"):
        plan_folds(corpus.select([0, 1]), PROTOCOLS["librispeech-verification"])
