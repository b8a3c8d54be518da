"""Utterances without a majority: who they are, where they train, and that they are never scored."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.data.corpus import Corpus, Source
from crosstone.errors import ConfigError
from crosstone.protocols import ProtocolSpec, named_protocol, plan_folds, protocol_view

Made = Callable[..., Corpus]
SPEC = ProtocolSpec(
    kind="leave-one-group-out",
    labels=("ang", "hap"),
    label_map={"exc": "hap"},
    ambiguous="train",
)


@pytest.fixture
def voted(made: Made) -> Corpus:
    """Three sessions, each with two of a class, and with every kind of ambiguity."""
    rows: list[dict[str, Any]] = []
    for i in range(3):
        of: dict[str, Any] = {"group": f"g{i}", "speaker": f"s{i}"}

        def said(label: str | None, group: dict[str, Any] = of, **votes: tuple[str, ...]) -> None:
            labels = {} if label is None else {"emotion": label}
            rows.append({**group, "labels": labels, "votes": {"emotion": votes}})

        said("ang", a=("ang",), b=("ang",), c=("exc",))
        said("xxx", a=("ang",), b=("exc",), c=("fru",))  # split over three
        said("exc", a=("exc",), b=("hap",))
        said(None, a=("ang",), b=("hap", "fru"))  # a tie
        said("fru", a=("fru",), b=("fru",), c=("ang",))  # a majority for another class
        said("xxx", a=("sad",), b=("fru",))  # of no class
        said("xxx")  # nobody was asked
    return made(rows)


def test_who_is_ambiguous(voted: Corpus) -> None:
    view = protocol_view(voted, SPEC)
    assert view.num_ambiguous == 6
    assert [voted.ids.index(view.corpus[i].id) % 7 for i in view.ambiguous] == [1, 3] * 3
    assert view.left_out == {"with emotion 'fru'": 3, "with emotion 'xxx'": 6}
    first = view.corpus[int(view.ambiguous[0])]
    assert first.votes["emotion"] == {"a": ("ang",), "b": ("hap",), "c": ("fru",)}
    dropped = protocol_view(voted, dataclasses.replace(SPEC, ambiguous="drop"))
    assert dropped.num_ambiguous == 0
    assert dropped.left_out == {
        "with emotion 'fru'": 3,
        "with emotion 'xxx'": 9,
        "without 'emotion'": 3,
    }


@pytest.mark.parametrize("selection", ["last", "nested", "best_valid"])
@pytest.mark.parametrize("kind", ["leave-one-group-out", "grouped-kfold", "holdout"])
def test_they_train_where_their_unit_is_not_held_out(
    voted: Corpus, selection: Any, kind: Any
) -> None:
    if (selection, kind) == ("nested", "holdout"):
        return
    spec = dataclasses.replace(SPEC, selection=selection, kind=kind, folds=3, test_share=1 / 3)
    plan = plan_folds(voted, spec)
    without = plan_folds(voted, dataclasses.replace(spec, ambiguous="drop"))
    assert plan.found == without.found
    assert plan.scorable.hash == without.scorable.hash == without.corpus.hash
    for fold, plain in zip(plan.folds, without.folds, strict=True):
        for part in ("valid", "test"):
            held = [plan.corpus[int(i)].id for i in getattr(fold, part)]
            assert held == [without.corpus[int(i)].id for i in getattr(plain, part)]
            assert not {u.labels.get("emotion") for u in plan.corpus if u.id in held} & {
                None,
                "xxx",
            }
        held_out = {*plan.corpus.groups[fold.test], *plan.corpus.groups[fold.valid]}
        trained = plan.corpus.groups[fold.train]
        assert not held_out & set(trained)
        assert Counter(trained) == dict.fromkeys({"g0", "g1", "g2"} - held_out, 4)
    assert any(note.startswith("6 ambiguous utterances, on which") for note in plan.notes)
    assert not any("ambiguous" in note for note in without.notes)


def test_a_fraction_draws_the_others_as_without_them(made: Made) -> None:
    votes = {"emotion": {"a": ("ang",), "b": ("hap",)}}
    rows = [
        {
            "group": f"g{i % 3}",
            "speaker": f"s{i % 3}",
            "labels": {"emotion": ("ang", "hap", "xxx")[i // 3 % 3]},
            "votes": votes,
        }
        for i in range(90)
    ]
    corpus = made(rows)
    plans = [
        plan_folds(corpus, dataclasses.replace(SPEC, ambiguous=each, train_fraction=0.2))
        for each in ("train", "drop")
    ]
    for with_them, without in zip(plans[0].folds, plans[1].folds, strict=True):
        ids = {plans[0].corpus[int(i)].id for i in with_them.train}
        others = {plans[1].corpus[int(i)].id for i in without.train}
        assert others < ids
        assert (len(ids), len(others)) == (12, 8)


def test_the_corpus_s_own_partition_and_named_units_hold(made: Made) -> None:
    votes = {"emotion": {"a": ("ang",), "b": ("hap",)}}

    def row(split: str, group: str, label: str) -> dict[str, Any]:
        fields = {"split": split, "group": group, "speaker": f"s-{group}"}
        return {**fields, "labels": {"emotion": label}, "votes": votes}

    rows = [row("train", "a", "ang"), row("train", "a", "hap"), row("train", "b", "xxx")]
    rows += [row("test", "c", "ang"), row("test", "d", "xxx"), row("train", "c2", "hap")]
    corpus = made(rows)
    for changes in ({"kind": "predefined"}, {"kind": "holdout", "test_units": ("c", "d")}):
        if changes["kind"] == "holdout":
            rows[4]["labels"] = {"emotion": "ang"}
            corpus = made(rows, "named")
        plan = plan_folds(corpus, dataclasses.replace(SPEC, **changes))
        (fold,) = plan.folds
        assert set(plan.corpus.groups[fold.train]) == {"a", "b", "c2"}


def test_the_counts_of_a_named_protocol_are_those_of_the_scored(
    iemocap: Corpus, tmp_path: Path
) -> None:
    split = {"E1": ("ang",), "E2": ("neu", "exc"), "E3": ("fru",)}
    voted = Corpus.write(
        tmp_path / "voted",
        name="iemocap",
        root=tmp_path,
        source=Source(),
        utterances=[
            dataclasses.replace(u, votes={"emotion": split if u.labels["emotion"] == "xxx" else {}})
            for u in iemocap
        ],
    )
    spec = dataclasses.replace(named_protocol("iemocap-4way-loso"), ambiguous="train")
    plan = plan_folds(voted, spec)
    assert plan.checked == "counts as expected"
    assert len(plan.corpus) == 5531 + 100
    first = plan.folds[0]
    assert (len(first.test), len(first.valid)) == (1085, 1023)
    assert len(first.train) == 5531 - 1085 - 1023 + 60
    assert sum(fold.train.max() >= 5531 for fold in plan.folds) == 5
    assert np.concatenate([fold.test for fold in plan.folds]).max() < 5531


def test_classes_must_be_named() -> None:
    with pytest.raises(ConfigError, match="ambiguous=train expects the classes by name in labels"):
        ProtocolSpec(ambiguous="train")
