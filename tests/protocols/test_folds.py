"""Folds: no unit on both sides, whatever the corpus."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols import ProtocolSpec, plan_folds


def corpus_of(folder: Path, units: list[str | None], labels: list[Any]) -> Corpus:
    utterances = [
        Utterance(
            id=f"u{i}",
            text="hello",
            group=unit,
            speaker=unit and f"s-{unit}",
            labels={} if label is None else {"emotion": label},
        )
        for i, (unit, label) in enumerate(zip(units, labels, strict=True))
    ]
    source = Source(url="", version="", licence="", citation="")
    return Corpus.write(folder, name="made", root=folder, source=source, utterances=utterances)


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=6, max_size=9),
    kind=st.sampled_from(["holdout", "grouped-kfold", "leave-one-group-out"]),
    unit=st.sampled_from(["group", "speaker"]),
    selection=st.sampled_from(["last", "best_valid"]),
    seed=st.integers(0, 50),
)
def test_no_unit_stands_on_two_sides(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    kind: Any,
    unit: Any,
    selection: Any,
    seed: int,
) -> None:
    units = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    labels = ["ab"[i % 2] for i in range(len(units))]
    corpus = corpus_of(tmp_path_factory.mktemp("c"), units, labels)
    spec = ProtocolSpec(kind=kind, unit=unit, selection=selection, folds=3, fold_seed=seed)
    folds = plan_folds(corpus, spec).folds
    column = np.array(units)
    tested: list[int] = []
    for fold in folds:
        sides = [set(column[rows]) for rows in (fold.train, fold.valid, fold.test)]
        assert sum(map(len, sides)) == len(set().union(*sides))
        assert len(fold.train) + len(fold.valid) + len(fold.test) == len(units)
        assert len(fold.train)
        assert len(fold.test)
        assert bool(len(fold.valid)) is (selection == "best_valid")
        tested += fold.test.tolist()
    if kind != "holdout":
        assert sorted(tested) == list(range(len(units)))
    assert len(folds) == {"holdout": 1, "grouped-kfold": 3}.get(kind, len(sizes))


def test_a_fraction_keeps_classes_and_the_test_side(tmp_path: Path) -> None:
    units = [f"g{i // 20}" for i in range(200)]
    corpus = corpus_of(tmp_path, units, ["ab"[i % 2] for i in range(200)])
    whole = plan_folds(corpus, ProtocolSpec(kind="holdout")).folds[0]
    part = plan_folds(corpus, ProtocolSpec(kind="holdout", train_fraction=0.2)).folds[0]
    assert np.array_equal(whole.test, part.test)
    assert set(part.train) < set(whole.train)
    assert [sum(i % 2 == c for i in part.train) for c in (0, 1)] == [16, 16]


def test_units_by_name(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["a", "b", "c"], ["x", "y", "x"])
    fold = plan_folds(corpus, ProtocolSpec(kind="holdout", test_units=("b",))).folds[0]
    assert (fold.test.tolist(), fold.test_units) == ([1], ("b",))
    with pytest.raises(CorpusError, match="no group named z; the corpus has a, b, c"):
        plan_folds(corpus, ProtocolSpec(kind="holdout", test_units=("z",)))


def test_utterances_as_units(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [None] * 10, ["a", "b"] * 5)
    folds = plan_folds(corpus, ProtocolSpec(unit="utterance")).folds
    assert sorted(i for fold in folds for i in fold.test) == list(range(10))


def test_regression_folds(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [f"g{i % 5}" for i in range(20)], [i / 10 for i in range(20)])
    folds = plan_folds(corpus, ProtocolSpec(task="regression", train_fraction=0.5)).folds
    assert [len(fold.train) for fold in folds] == [8] * 5


@pytest.mark.parametrize(
    "units,labels,fields,said",
    [
        (["a", None], ["x", "y"], {}, "1 of 2 utterances have none"),
        (["a", "b"], ["x", None], {}, "1 of 2 utterances have no label 'emotion'"),
        (["a", "b"], ["x", "y"], {}, "at least 5 different values of 'group', found 2"),
        (["a", "a"], ["x", "y"], {"kind": "holdout"}, "at least 2 different values"),
        (
            ["a", "b"],
            ["x", "y"],
            {"kind": "leave-one-group-out", "selection": "best_valid"},
            "holds whole units back",
        ),
    ],
)
def test_corpora_that_cannot_be_folded(
    tmp_path: Path, units: Any, labels: Any, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(CorpusError, match=said):
        plan_folds(corpus_of(tmp_path, units, labels), ProtocolSpec(**fields))


def test_protocols_that_make_no_sense() -> None:
    with pytest.raises(ConfigError) as raised:
        ProtocolSpec(train_fraction=0.0, test_share=1.0, folds=1, headline="mae")
    for part in ("train_fraction expects", "test_share expects", "folds expects", "headline"):
        assert part in str(raised.value)
