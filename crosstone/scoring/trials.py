"""Predictions of a verification run read back: one line per trial, checked, then columns."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crosstone.scoring.lines import LineFaults, is_number, missing_split, read_objects
from crosstone.scoring.predictions import AGAIN

_REQUIRED = ("enrol", "test", "target", "score", "fold", "seed", "split")
_SIDES = (("enrol", "enrol_speaker"), ("test", "test_speaker"))


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """The scored trials of one system, as columns of n rows.

    ids (n,) both utterances of each trial; enrol_speakers, test_speakers (n,) with None where
    unknown; folds, seeds (n,); target (n,) True where one speaker is on both sides; scores (n,),
    higher is more alike.
    """

    ids: tuple[str, ...]
    enrol_speakers: tuple[str | None, ...]
    test_speakers: tuple[str | None, ...]
    folds: NDArray[np.int64]
    seeds: NDArray[np.int64]
    target: NDArray[np.bool_]
    scores: NDArray[np.float64]
    sha256: str

    @property
    def task(self) -> Literal["verification"]:
        """What the lines are about."""
        return "verification"

    @property
    def labels(self) -> tuple[str, ...]:
        """No classes."""
        return ()

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """(2n,) the speakers of both sides."""
        return self.enrol_speakers + self.test_speakers

    @property
    def groups(self) -> tuple[str | None, ...]:
        """A trial belongs to no group."""
        return ()


def read_trials(path: Path, *, split: str = "test") -> Trials:
    """The trials of one split of a predictions file, in the file's order.

    Raises CorpusError that lists every fault of the file with its line number.
    """
    raw = path.read_bytes()
    reader = _Reader()
    for number, row in read_objects(raw, reader.faults):
        reader.take(number, row)
    reader.faults.raise_any(path, AGAIN)
    rows = [row for row in reader.rows if row["split"] == split]
    if not rows:
        raise missing_split(path, split, reader.rows)
    return trial_columns(rows, hashlib.sha256(raw).hexdigest())


def trial_columns(rows: Sequence[Mapping[str, Any]], sha256: str) -> Trials:
    """Checked rows as columns."""
    return Trials(
        ids=tuple(f"{row['enrol']} {row['test']}" for row in rows),
        enrol_speakers=tuple(row.get("enrol_speaker") for row in rows),
        test_speakers=tuple(row.get("test_speaker") for row in rows),
        folds=np.array([row["fold"] for row in rows], dtype=np.int64),
        seeds=np.array([row["seed"] for row in rows], dtype=np.int64),
        target=np.array([row["target"] for row in rows], dtype=np.bool_),
        scores=np.array([row["score"] for row in rows], dtype=np.float64),
        sha256=sha256,
    )


class _Reader:
    """Takes lines one by one, keeping good rows and a sentence for every fault."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.faults = LineFaults()
        self._first_line: dict[tuple[Any, ...], int] = {}
        self._targets: dict[tuple[str, str], tuple[int, bool]] = {}
        self._speakers: dict[str, tuple[int, str | None]] = {}

    def take(self, number: int, row: Mapping[str, Any]) -> None:
        missing = [key for key in _REQUIRED if key not in row]
        if missing:
            return self._fault("missing keys", number, f"missing {', '.join(missing)}")
        before = len(self.faults)
        self._check_keys(number, row)
        if len(self.faults) == before:
            self._check_repeats(number, row)
            self._check_speakers(number, row)
        self.rows.append(row)

    def _check_keys(self, number: int, row: Mapping[str, Any]) -> None:
        self.faults.check_types(
            number,
            row,
            strings=("enrol", "test", "split"),
            integers=("fold", "seed"),
            optional=[key for _, key in _SIDES],
        )
        if not isinstance(row["target"], bool):
            self._fault("keys", number, f"target: expected true or false, found {row['target']!r}")
        if not is_number(row["score"]):
            self._fault("scores", number, f"score: expected a number, found {row['score']!r}")

    def _check_repeats(self, number: int, row: Mapping[str, Any]) -> None:
        trial = (row["enrol"], row["test"])
        key = (*trial, row["split"], row["fold"], row["seed"])
        first = self._first_line.setdefault(key, number)
        if first != number:
            self._fault(
                "duplicates",
                number,
                f"trial {trial[0]} {trial[1]} again in fold {row['fold']}, seed {row['seed']} "
                f"(first on line {first})",
            )
        first, known = self._targets.setdefault(trial, (number, row["target"]))
        if row["target"] != known:
            self._fault(
                "contradictions",
                number,
                f"trial {trial[0]} {trial[1]}: target {row['target']}, but {known} on line {first}",
            )

    def _check_speakers(self, number: int, row: Mapping[str, Any]) -> None:
        one, other = (row.get(key) for _, key in _SIDES)
        if one and other and (one == other) != row["target"]:
            self._fault(
                "speakers",
                number,
                f"target {row['target']}, but the speakers are {one} and {other}",
            )
        for side, key in _SIDES:
            first, known = self._speakers.setdefault(row[side], (number, row.get(key)))
            if row.get(key) != known:
                self._fault(
                    "contradictions",
                    number,
                    f"utterance {row[side]}: speaker {row.get(key)!r}, but {known!r} on line "
                    f"{first}",
                )

    def _fault(self, kind: str, number: int, sentence: str) -> None:
        self.faults.add(kind, number, sentence)
