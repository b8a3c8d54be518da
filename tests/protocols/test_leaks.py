"""Nobody is tested on what was trained on, unless the protocol says so and the tables repeat it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols import ProtocolSpec, plan_folds


def rows_of(*cells: tuple[str | None, str | None, str | None]) -> list[dict[str, Any]]:
    """Rows of (split, group, speaker); the classes alternate."""
    return [
        {"split": split, "group": group, "speaker": speaker, "labels": {"emotion": "ab"[i % 2]}}
        for i, (split, group, speaker) in enumerate(cells)
    ]


def test_a_speaker_in_train_and_test_is_named(made: Any) -> None:
    corpus = made(
        rows_of(
            ("train", "g1", "anna"),
            ("train", "g1", "ben"),
            ("valid", "g2", "cleo"),
            ("test", "g3", "ben"),
            ("test", "g3", "cleo"),
            ("test", "g4", "dan"),
        )
    )
    with pytest.raises(CorpusError) as raised:
        plan_folds(corpus, ProtocolSpec(kind="predefined"))
    assert str(raised.value) == (
        "made: the folds leak: 2 speakers (ben, cleo) stand in train and test of fold 0: tested "
        "voices are trained on; keep each on one side (protocol.unit=speaker), or permit it "
        "(protocol.permits=[speaker]), which every table then says"
    )
    plan = plan_folds(corpus, ProtocolSpec(kind="predefined", permits=("speaker",)))
    assert plan.notes == (
        "2 speakers (ben, cleo) stand in train and test, of 4, as the protocol permits: tested "
        "voices are trained on, so the number is too high for anyone new",
    )


def test_many_are_counted_and_some_named(made: Any) -> None:
    cells = [(split, f"{split}{i}", f"s{i:02d}") for split in ("train", "test") for i in range(10)]
    with pytest.raises(CorpusError, match=r"10 speakers \(s00, s01, s02, s03, s04, s05 …\) stand"):
        plan_folds(made(rows_of(*cells)), ProtocolSpec(kind="predefined"))


def test_a_group_in_train_and_test_is_refused_even_where_speakers_are_permitted(made: Any) -> None:
    corpus = made(rows_of(("train", "g1", "a"), ("test", "g1", "a"), ("test", "g2", "b")))
    spec = ProtocolSpec(kind="predefined", permits=("speaker",))
    with pytest.raises(CorpusError, match=r"1 group \(g1\) stands in train and test of fold 0: "):
        plan_folds(corpus, spec)


def test_a_group_that_chooses_the_epoch_may_not_train(made: Any) -> None:
    corpus = made(rows_of(("train", "g1", "a"), ("valid", "g1", "a"), ("test", "g2", "b")))
    with pytest.raises(CorpusError, match=r"1 group \(g1\) stands in train and valid of fold 0"):
        plan_folds(corpus, ProtocolSpec(kind="predefined"))


def test_a_speaker_that_trains_and_chooses_the_epoch_is_said(made: Any) -> None:
    corpus = made(rows_of(("train", "g1", "a"), ("valid", "g2", "a"), ("test", "g3", "b")))
    plan = plan_folds(corpus, ProtocolSpec(kind="predefined", selection="best_valid"))
    assert plan.notes == (
        "1 speaker (a) stands in valid and train: the epoch is chosen on speakers that are trained "
        "on",
    )
    assert not plan_folds(corpus, ProtocolSpec(kind="predefined", selection="last")).notes


def test_test_units_that_share_a_speaker(made: Any) -> None:
    corpus = made(
        rows_of((None, "g1", "a"), (None, "g2", "a"), (None, "g3", "b"), (None, "g3", "c"))
    )
    with pytest.raises(CorpusError, match=r"1 speaker \(a\) stands in train and test of fold 0"):
        plan_folds(corpus, ProtocolSpec(kind="holdout", test_units=("g1",)))
    spec = ProtocolSpec(kind="leave-one-group-out", unit="group")
    with pytest.raises(CorpusError, match=r"\(2 of 3 folds leak\)"):
        plan_folds(corpus, spec)


def test_a_unit_named_on_two_sides() -> None:
    with pytest.raises(ConfigError, match="train_units and test_units both name s5"):
        ProtocolSpec(kind="holdout", train_units=("s1", "s5"), test_units=("s5",))


def test_utterances_as_units_admit_everything(made: Any) -> None:
    corpus = made(rows_of(*[(None, "g", f"s{i % 2}") for i in range(20)]))
    notes = plan_folds(corpus, ProtocolSpec(unit="utterance")).notes
    assert [note.split(" stand")[0] for note in notes] == ["1 group (g)", "2 speakers (s0, s1)"]


def test_unknown_speakers_are_said(made: Any) -> None:
    corpus = made(rows_of(("train", "g1", "a"), ("train", "g1", None), ("test", "g2", None)))
    assert plan_folds(corpus, ProtocolSpec(kind="predefined")).notes == (
        "speakers are unknown for 2 of 3 utterances, so whether one stands in train and test "
        "cannot be checked",
    )


@settings(deadline=None, max_examples=40)
@given(
    cells=st.lists(
        st.tuples(
            st.sampled_from(["train", "valid", "test"]),
            st.sampled_from(["g1", "g2", "g3", "g4", "g5"]),
            st.sampled_from(["s1", "s2", "s3", "s4", "s5", None]),
        ),
        min_size=4,
        max_size=12,
    ),
    unit=st.sampled_from(["group", "speaker"]),
)
def test_whatever_is_planned_does_not_leak(
    tmp_path_factory: pytest.TempPathFactory, cells: list[Any], unit: Any
) -> None:
    folder = tmp_path_factory.mktemp("c")
    utterances = [Utterance(id=f"u{i}", text="x", **row) for i, row in enumerate(rows_of(*cells))]
    corpus = Corpus.write(folder, name="made", root=folder, source=Source(), utterances=utterances)
    try:
        plan = plan_folds(corpus, ProtocolSpec(kind="predefined", unit=unit, selection="last"))
    except CorpusError:
        return
    (fold,) = plan.folds
    for column in (plan.corpus.groups, plan.corpus.speakers):
        sides = [{name for name in column[rows] if name} for rows in (fold.train, fold.valid)]
        assert not set().union(*sides) & {name for name in column[fold.test] if name}
