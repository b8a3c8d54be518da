"""Verification trials: pairs of utterances, and whether one person speaks both."""

import hashlib
import json
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from crosstone.data.utterance import read_object, to_line


@dataclass(frozen=True, slots=True)
class Trial:
    """Two utterances to compare."""

    enrol: str
    """Id of the utterance that stands for the person."""
    test: str
    """Id of the utterance that is put to the question."""
    target: bool
    """Whether the same person speaks both."""


KEYS = tuple(item.name for item in fields(Trial))


class Trials(Sequence[Trial]):
    """M trials, kept as two row numbers and a bool each; a Trial is made when it is asked for."""

    def __init__(
        self,
        ids: Sequence[str],
        enrol: NDArray[np.int64],
        test: NDArray[np.int64],
        targets: NDArray[np.bool_],
    ) -> None:
        self.ids = ids
        self.enrol = enrol
        """(M,) positions in ids."""
        self.test = test
        """(M,) positions in ids."""
        self.targets = targets
        """(M,) True where one person speaks both."""

    @classmethod
    def of(cls, ids: Sequence[str], rows: Sequence[tuple[int, int, bool]]) -> "Trials":
        """Trials by the positions of their utterances in ids."""
        table = np.array(rows, np.int64).reshape(-1, 3)
        return cls(ids, table[:, 0], table[:, 1], table[:, 2].astype(np.bool_))

    def __len__(self) -> int:
        return len(self.targets)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return Trial(
            self.ids[int(self.enrol[row])], self.ids[int(self.test[row])], bool(self.targets[row])
        )

    def among(self, rows: NDArray[np.int64], ids: Sequence[str]) -> "Trials":
        """The trials both of whose utterances are among rows, whose ids are given."""
        if not len(self):
            return Trials.of(ids, [])
        positions = np.full(len(self.ids), -1, np.int64)
        positions[rows] = np.arange(len(rows))
        enrol, test = positions[self.enrol], positions[self.test]
        kept = (enrol >= 0) & (test >= 0)
        return Trials(ids, enrol[kept], test[kept], self.targets[kept])

    @property
    def digest(self) -> bytes:
        """SHA-256 of positions and targets, in order; with the utterances' digests, the content."""
        digest = hashlib.sha256(self.enrol.astype("<i8").tobytes())
        digest.update(self.test.astype("<i8").tobytes())
        digest.update(self.targets.tobytes())
        return digest.digest()


def write_trials(
    path: Path, trials: Iterable[Trial], known: Container[str]
) -> tuple[int, list[str]]:
    """Write the trials as lines, synced; how many they are, and their faults, each a sentence.

    known: the ids of the corpus. A pair may stand there once, either way round. With a fault the
    file is of no use.
    """
    faults: list[str] = []
    first: dict[frozenset[str], int] = {}
    number = 0
    with path.open("wb") as file:
        for number, trial in enumerate(trials, start=1):
            record = asdict(trial)
            found = _faults(record, known)
            before = number if found else first.setdefault(frozenset(_sides(trial)), number)
            if before != number:
                found.append(f"{' and '.join(_sides(trial))} are trial {before} already")
            faults += [f"trial {number}: {fault}" for fault in found]
            if not faults:
                file.write(to_line(record))
        file.flush()
        os.fsync(file.fileno())
    return number, faults


def read_trials(path: Path, ids: Sequence[str]) -> tuple[Trials, list[str]]:
    """The trials of a file, of use only without faults, and its faults with their lines."""
    known = {identity: row for row, identity in enumerate(ids)}
    rows: list[tuple[int, int, bool]] = []
    faults: list[str] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            record, found = read_object(line)
            found = found or _faults(record, known)
            faults += [f"line {number}: {fault}" for fault in found]
            if not faults:
                rows.append((known[record["enrol"]], known[record["test"]], record["target"]))
    return Trials.of(ids, rows), faults


def _sides(trial: Trial) -> tuple[str, str]:
    return trial.enrol, trial.test


def _faults(record: Mapping[str, Any], known: Container[str]) -> list[str]:
    faults = [f"no '{key}'" for key in KEYS if key not in record]
    faults += [
        f"unknown key '{key}' (known: {', '.join(KEYS)})" for key in record if key not in KEYS
    ]
    sides = {key: record[key] for key in ("enrol", "test") if key in record}
    faults += [
        f"{key}: no utterance of this corpus has the id {json.dumps(identity)}"
        for key, identity in sides.items()
        if not isinstance(identity, str) or identity not in known
    ]
    if not faults and sides["enrol"] == sides["test"]:
        faults.append(f"'{sides['enrol']}' is compared with itself; name two utterances")
    if not isinstance(record.get("target", False), bool):
        faults.append(f"target: expected true or false, found {json.dumps(record['target'])}")
    return faults
