"""The same words or the same sound in several utterances, and in several groups."""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Repeat:
    """What several utterances have in common."""

    rows: tuple[int, ...]
    """Where they stand in the corpus, in order."""
    num_groups: int
    """In how many groups they are; an utterance without one counts as a group of its own."""


class Repeats:
    """Gathers one key for each utterance, in 20 bytes, and finds those that come again."""

    def __init__(self) -> None:
        self._rows = array("q")
        self._keys = array("q")
        self._groups = array("i")
        self._codes: dict[str, int] = {}

    def add(self, row: int, key: int, group: str | None) -> None:
        """Take in that the utterance in this row has this key of 64 bits."""
        self._rows.append(row)
        self._keys.append(key)
        code = -1 if group is None else self._codes.setdefault(group, len(self._codes))
        self._groups.append(code)

    @property
    def num_keys(self) -> int:
        """How many different keys there are."""
        return len(np.unique(np.asarray(self._keys)))

    def found(self) -> list[Repeat]:
        """Every key that two utterances or more have, those with most utterances first."""
        keys = np.asarray(self._keys)
        if not len(keys):
            return []
        rows, groups = np.asarray(self._rows), np.asarray(self._groups)
        order = np.lexsort((rows, keys))
        starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
        ends = np.r_[starts[1:], len(keys)]
        chosen = np.flatnonzero(ends - starts > 1)
        repeats = [
            _repeat(rows[order[starts[i] : ends[i]]], groups[order[starts[i] : ends[i]]])
            for i in chosen
        ]
        return sorted(repeats, key=lambda repeat: (-len(repeat.rows), repeat.rows[0]))


def _repeat(rows: NDArray[np.int64], groups: NDArray[np.int32]) -> Repeat:
    known = np.unique(groups[groups >= 0])
    return Repeat(tuple(map(int, rows)), len(known) + int(np.sum(groups < 0)))
