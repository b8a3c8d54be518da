"""Leaks: who stands in train and in test, and whether the protocol admits it."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpus import Corpus
from crosstone.errors import CorpusError
from crosstone.protocols.base import ProtocolSpec, Side

Rows = NDArray[np.int64]
_SHOWN = 6


def check_sides(
    corpus: Corpus, sides: Sequence[Mapping[str, Rows]], spec: ProtocolSpec
) -> list[str]:
    """A sentence for each column that stands on both sides, as the protocol permits, one for each
    on which the epoch is chosen though it also trains or tests, and one where unknown speakers keep
    anyone from knowing.

    sides: for each fold, rows by train, valid and test. Raises CorpusError that names every group
    and speaker, of all folds, that tests and also trains or validates without permission.
    """
    faults, notes = [], []
    for column in get_args(Side):
        names = _column(corpus, column)
        if column == spec.unit:
            faults += _split_units(names, sides, spec)
        found = {fold: both for fold, parts in enumerate(sides) if (both := _shared(names, parts))}
        if found and (column in spec.permits or spec.unit == "utterance"):
            total = len(set(names.tolist()) - {""})
            both = sorted({name for shared in found.values() for name in shared})
            notes.append(
                f"{_listed(both, column)} in train and test, of {total}, as the protocol permits: "
                f"{_meaning(column, spec)}, so the number is too high for anyone new"
            )
        elif found:
            faults.append(_refusal(column, found, len(sides), spec))
        if column != spec.unit and spec.unit != "utterance":
            notes += _choosing(names, column, sides, spec)
    if faults:
        raise CorpusError(f"{corpus.name}: the folds leak: " + "\n  ".join(faults))
    unknown = int((_column(corpus, "speaker") == "").sum())
    if unknown:
        notes.append(
            f"speakers are unknown for {unknown:,} of {len(corpus):,} utterances, so whether one "
            "stands in train and test cannot be checked"
        )
    return notes


def _refusal(
    column: str, found: Mapping[int, Sequence[str]], num_folds: int, spec: ProtocolSpec
) -> str:
    fold, both = next(iter(found.items()))
    folds = f" ({len(found)} of {num_folds} folds leak)" if num_folds > 1 else ""
    remedy = "keep each on one side"
    if column != spec.unit:
        remedy += (
            f" (protocol.unit={column}), or permit it (protocol.permits=[{column}]), which every "
            "table then says"
        )
    return (
        f"{_listed(both, column)} in train and test of fold {fold}{folds}: "
        f"{_meaning(column, spec)}; {remedy}"
    )


def _meaning(column: str, spec: ProtocolSpec) -> str:
    if column == "speaker":
        return "tested voices are trained on"
    if spec.unit == "speaker":
        return "the two partners of a dialogue share it, and one is trained on"
    return "parts of tested sessions, dialogues or videos are trained on"


def _split_units(
    names: NDArray[np.str_], sides: Sequence[Mapping[str, Rows]], spec: ProtocolSpec
) -> list[str]:
    """The units that train and choose the epoch."""
    faults = []
    for fold, parts in enumerate(sides):
        both = _common(names, parts["train"], parts["valid"])
        if both:
            faults.append(
                f"{_listed(both, spec.unit)} in train and valid of fold {fold}: the epoch "
                "would be chosen on what is trained on; keep each on one side"
            )
    return faults[:1]


def _choosing(
    names: NDArray[np.str_], column: str, sides: Sequence[Mapping[str, Rows]], spec: ProtocolSpec
) -> list[str]:
    """What else is done with names on which the epoch is chosen."""
    if spec.selection not in ("nested", "best_valid"):
        return []
    notes = []
    for part, verb in (("train", "trained on"), ("test", "tested")):
        found = [both for parts in sides if (both := _common(names, parts["valid"], parts[part]))]
        if found:
            every = sorted({name for both in found for name in both})
            folds = f" in {len(found)} of {len(sides)} folds" if len(sides) > 1 else ""
            whom = f"{column}s that are {verb}"
            if (column, spec.unit, part) == ("group", "speaker", "test"):
                whom = "the tested speakers' partners, in the dialogues that are tested"
            notes.append(
                f"{_listed(every, column)} in valid and {part}{folds}: the epoch is chosen on "
                f"{whom}"
            )
    return notes


def _shared(names: NDArray[np.str_], parts: Mapping[str, Rows]) -> list[str]:
    """The names that test and also train or validate."""
    return _common(names, parts["test"], np.concatenate([parts["train"], parts["valid"]]))


def _common(names: NDArray[np.str_], one: Rows, other: Rows) -> list[str]:
    return sorted((set(names[one].tolist()) & set(names[other].tolist())) - {""})


def _column(corpus: Corpus, column: str) -> NDArray[np.str_]:
    """(N,) names, "" where unknown."""
    values = corpus.groups if column == "group" else corpus.speakers
    return np.array([str(value) if value else "" for value in values], dtype=np.str_)


def _listed(names: Sequence[str], column: str) -> str:
    shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    noun = column if len(names) == 1 else f"{column}s"
    verb = "stands" if len(names) == 1 else "stand"
    return f"{len(names)} {noun} ({shown}) {verb}"
