"""Folds planned: who trains, validates and tests, checked for leaks and against the counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from crosstone.data.corpus import Corpus, Trial
from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols.base import Counts, ProtocolSpec
from crosstone.protocols.counts import compare_counts
from crosstone.protocols.leaks import check_sides
from crosstone.protocols.trials import describe_trials, trials_of
from crosstone.protocols.view import PARTS, View, protocol_view, tried

Rows = NDArray[np.int64]
_NONE: Rows = np.empty(0, np.int64)


@dataclass(frozen=True)
class Fold:
    """Rows of the corpus view that the folds were planned on."""

    index: int
    train: Rows
    valid: Rows
    test: Rows
    test_units: tuple[str, ...]
    test_trials: Sequence[Trial] = ()
    """The pairs that are asked of the test side, where the protocol is about pairs."""
    valid_trials: Sequence[Trial] = ()
    """Those of the validation side, where an epoch is chosen by them."""


@dataclass(frozen=True)
class Plan:
    """A protocol on a corpus: its folds, and what every table must say of them."""

    corpus: Corpus
    """The view that the folds' rows point into; its labels are those that are predicted."""
    folds: tuple[Fold, ...]
    found: Counts
    is_whole: bool | None
    """Whether the counts are those of a whole copy; None where none are known."""
    checked: str
    """How the counts compare with those of a whole copy; "" where none are known."""
    left_out: Mapping[str, int]
    """Reason → utterances, or trials, that the protocol is not about."""
    notes: tuple[str, ...]
    """What else a reader must know, a sentence each."""
    num_ambiguous: int = 0
    """Utterances, the last of the view, that may train and are never scored."""

    @property
    def scorable(self) -> Corpus:
        """The utterances that the protocol is about, without those that may only train."""
        if not self.num_ambiguous:
            return self.corpus
        return self.corpus.select(np.arange(len(self.corpus) - self.num_ambiguous))


def plan_folds(corpus: Corpus, spec: ProtocolSpec) -> Plan:
    """The folds of a corpus, none of which tests what it trains on.

    Classes are spread over grouped folds as evenly as whole units allow, where every class has as
    many utterances as there are folds. Raises CorpusError where units are missing or too few, where
    an utterance has no label for the target, where a group or speaker stands in train and test,
    where there are no trials to ask, and where the counts are not the protocol's.
    """
    view = protocol_view(corpus, spec)
    sides = _sides(view, spec)
    for index, parts in enumerate(sides):
        empty = [part for part in ("train", "test") if not len(parts[part])]
        if empty:
            raise CorpusError(
                f"{corpus.name}: fold {index} expects utterances in train and test, found none in "
                f"{' and '.join(empty)}; correct the protocol's units or labels"
            )
    found = _found(corpus, view, sides)
    sides = [_with_ambiguous(parts, view, spec) for parts in sides]
    notes = check_sides(view.corpus, sides, spec)
    if view.num_ambiguous:
        notes.append(
            f"{view.num_ambiguous:,} ambiguous utterances, on which no majority of the raters "
            "agrees, train by their votes wherever their unit neither tests nor validates, and are "
            "never scored"
        )
    is_whole, checked = compare_counts(found, spec)
    folds = tuple(
        Fold(
            index,
            _thinned(parts["train"], view, spec),
            parts["valid"],
            parts["test"],
            tuple(sorted({str(unit) for unit in view.units[parts["test"]]})),
            *_asked(parts, view, spec),
        )
        for index, parts in enumerate(sides)
    )
    left_out = dict(view.left_out)
    if spec.task == "verification":
        unasked = _num_unasked(corpus, view, sides[0], spec)
        if unasked:
            left_out["trials with a side that is not tested"] = unasked
        notes += describe_trials(view.corpus.select(folds[0].test), folds[0].test_trials, spec)
    return Plan(
        view.corpus,
        folds,
        found,
        is_whole,
        checked,
        left_out,
        tuple(notes),
        view.num_ambiguous,
    )


def _asked(
    parts: Mapping[str, Rows], view: View, spec: ProtocolSpec
) -> tuple[Sequence[Trial], Sequence[Trial]]:
    """The trials of the test side, and of the validation side where it chooses the epoch."""
    if spec.task != "verification":
        return (), ()
    test = trials_of(view.corpus.select(parts["test"]), spec)
    if spec.selection != "best_valid":
        return test, ()
    return test, trials_of(view.corpus.select(parts["valid"]), spec)


def _num_unasked(corpus: Corpus, view: View, parts: Mapping[str, Rows], spec: ProtocolSpec) -> int:
    """How many of the trials that the corpus lists neither test nor choose the epoch."""
    sides = [parts["test"], *([parts["valid"]] if spec.selection == "best_valid" else [])]
    return len(corpus.trials) - sum(len(view.corpus.select(rows).trials) for rows in sides)


def _found(corpus: Corpus, view: View, sides: Sequence[Mapping[str, Rows]]) -> Counts:
    splits = {part: len(rows) for part, rows in sides[0].items()} if len(sides) == 1 else {}
    targets, units = (column[view.scorable] for column in (view.targets, view.units))
    return Counts(
        utterances=len(view.scorable),
        labels=dict(sorted(Counter(map(str, targets)).items())),
        units=dict(sorted(Counter(map(str, units)).items())),
        splits=splits,
        partition=Counter(split for split in corpus.splits.tolist() if split in PARTS),
    )


def _sides(view: View, spec: ProtocolSpec) -> list[dict[str, Rows]]:
    """For each fold, rows by train, valid and test, of those that may be scored."""
    if spec.kind == "predefined":
        splits = view.corpus.splits[view.scorable]
        named = {part: np.flatnonzero(splits == part) for part in ("train", "valid", "test")}
        return [_with_validation(named, view, spec)]
    if spec.kind == "trials" and not spec.test_units:
        in_trial = tried(view.corpus)
        named = {
            part: np.flatnonzero((view.corpus.splits == part) & ~in_trial)
            for part in ("train", "valid")
        }
        return [_with_validation({**named, "test": np.flatnonzero(in_trial)}, view, spec)]
    names = sorted({str(unit) for unit in view.units})
    if spec.test_units:
        return [_with_validation(_named(view, names, spec), view, spec)]
    parts = _test_parts(view, names, spec)
    tests = [np.flatnonzero(np.isin(view.units[view.scorable], part)) for part in parts]
    everything = view.scorable
    sides = []
    for index, test in enumerate(tests):
        valid = _NONE
        if spec.selection == "nested":
            valid = tests[(index + 1) % len(tests)]
        train = np.setdiff1d(everything, np.concatenate([test, valid]))
        sides.append(_with_validation({"train": train, "valid": valid, "test": test}, view, spec))
    return sides


def _with_validation(parts: dict[str, Rows], view: View, spec: ProtocolSpec) -> dict[str, Rows]:
    """The same with units held back from the training side, where nothing else validates."""
    if spec.selection == "best_valid" and not len(parts["valid"]):
        parts["train"], parts["valid"] = _held_back(parts["train"], view, spec)
    return parts


def _with_ambiguous(parts: dict[str, Rows], view: View, spec: ProtocolSpec) -> dict[str, Rows]:
    """The same with the ambiguous of other units than are tested or validated on the training
    side."""
    rows = view.ambiguous
    if spec.kind == "predefined":
        rows = rows[view.corpus.splits[rows] == "train"]
    held_out = {*view.units[parts["valid"]], *view.units[parts["test"]]}
    rows = rows[~np.isin(view.units[rows], list(held_out))]
    return {**parts, "train": np.concatenate([parts["train"], rows])}


def _named(view: View, names: Sequence[str], spec: ProtocolSpec) -> dict[str, Rows]:
    """The rows of units given by name; without training units, all others train."""
    faults = []
    for part in ("train", "valid", "test"):
        unknown = sorted(set(getattr(spec, f"{part}_units")) - set(names))
        if unknown:
            faults.append(f"protocol.{part}_units: no {spec.unit} named {', '.join(unknown)}")
    if faults:
        raise CorpusError(
            f"{'; '.join(faults)}; the corpus has {', '.join(names[:12])}"
            f"{' …' if len(names) > 12 else ''}"
        )
    units = view.units[view.scorable]
    valid, test = (np.isin(units, list(u)) for u in (spec.valid_units, spec.test_units))
    return {
        "train": np.flatnonzero(~valid & ~test),
        "valid": np.flatnonzero(valid),
        "test": np.flatnonzero(test),
    }


def _test_parts(view: View, names: Sequence[str], spec: ProtocolSpec) -> list[list[str]]:
    """For each fold, the units that it tests."""
    needed = 2 if spec.kind != "grouped-kfold" else spec.folds
    if spec.selection == "nested":
        needed = max(needed, 3)
    if len(names) < needed:
        raise CorpusError(
            f"protocol {spec.kind}: expected at least {needed} different values of '{spec.unit}', "
            f"found {len(names)}; choose protocol.unit=speaker, fewer folds or more data"
        )
    if spec.kind == "leave-one-group-out":
        return [[name] for name in names]
    if spec.selection == "nested" and spec.folds < 3:
        raise ConfigError(
            f"protocol.selection=nested expects at least 3 folds, found {spec.folds}: one trains, "
            "one validates, one tests"
        )
    parts = spec.folds
    if spec.kind == "holdout":
        parts = min(max(2, round(1 / spec.test_share)), len(names))
    drawn = [
        np.unique(view.units[t].astype(str)).tolist() for _, t in _split(view, None, parts, spec)
    ]
    return drawn[:1] if spec.kind == "holdout" else drawn


def _split(
    view: View, rows: Rows | None, parts: int, spec: ProtocolSpec
) -> list[tuple[Rows, Rows]]:
    """The rows, or all, in so many parts of whole units: for each, the other rows and its own."""
    rows = view.scorable if rows is None else rows
    targets, units = view.targets[rows].astype(str), view.units[rows].astype(str)
    counts = np.unique(targets, return_counts=True)[1]
    can_stratify = spec.task == "classification" and counts.min() >= parts
    splitter = StratifiedGroupKFold if can_stratify else GroupKFold
    drawn = splitter(parts, shuffle=True, random_state=spec.fold_seed).split(
        np.zeros(len(units)), targets, units
    )
    return list(drawn)


def _held_back(rest: Rows, view: View, spec: ProtocolSpec) -> tuple[Rows, Rows]:
    names = np.unique(view.units[rest].astype(str))
    if len(names) < 2:
        raise CorpusError(
            "protocol.selection=best_valid holds whole units back from the training side, but only "
            f"{len(names)} is left there; choose selection=last"
        )
    train, valid = _split(view, rest, min(5, len(names)), spec)[0]
    return rest[train], rest[valid]


def _thinned(rows: Rows, view: View, spec: ProtocolSpec) -> Rows:
    """A share of the rows, class by class, drawn by the fold seed."""
    if spec.train_fraction == 1.0:
        return rows
    rng = np.random.default_rng([spec.fold_seed, len(view.scorable)])
    kept: list[Any] = []
    targets = view.targets[rows]
    # the ambiguous last, so that what is drawn of the others does not depend on them
    names = sorted(set(targets), key=lambda name: (not name, name))
    for name in names if spec.task == "classification" else [None]:
        members = rows if name is None else rows[targets == name]
        count = max(1, round(spec.train_fraction * len(members)))
        kept.append(rng.permutation(members)[:count])
    return np.sort(np.concatenate(kept))
