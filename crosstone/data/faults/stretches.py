"""Where utterances meet: stretches of one recording that overlap, units in several splits."""

from array import array
from collections import defaultdict
from itertools import combinations

import numpy as np

from crosstone.data.utterance import Utterance

SHARED_SECONDS = 0.01
"""Stretches that share less only touch."""
EVALUATED = ("valid", "test")


class Stretches:
    """Gathers where each utterance lies in its recording, in 28 bytes."""

    def __init__(self) -> None:
        self._files = array("i")
        self._starts = array("d")
        self._ends = array("d")
        self._rows = array("q")
        self._codes: dict[str, int] = {}

    def add(self, row: int, utterance: Utterance) -> None:
        """Take in the utterance in this row; one without audio is nowhere."""
        if utterance.audio is None:
            return
        self._rows.append(row)
        self._files.append(self._codes.setdefault(utterance.audio, len(self._codes)))
        self._starts.append(utterance.start or 0.0)
        self._ends.append(float("inf") if utterance.end is None else utterance.end)

    @property
    def num_files(self) -> int:
        """How many recordings the utterances are in."""
        return len(self._codes)

    def overlaps(self) -> list[tuple[int, int, float]]:
        """(row, row of one before it, seconds shared): stretches that begin before it has ended.

        Stretches that are the same are no overlap: they are one sound twice.
        """
        files, starts = np.asarray(self._files), np.asarray(self._starts)
        ends, rows = np.asarray(self._ends), np.asarray(self._rows)
        order = np.lexsort((ends, starts, files))
        found = []
        before = -1
        for i in order:
            if before < 0 or files[i] != files[before]:
                before = i
                continue
            shared = min(ends[before], ends[i]) - starts[i]
            is_same = starts[i] == starts[before] and ends[i] == ends[before]
            if shared > SHARED_SECONDS and not is_same:
                found.append((int(rows[i]), int(rows[before]), float(shared)))
            if ends[i] > ends[before]:
                before = i
        return found


class Units:
    """Gathers in which splits each speaker and each group is."""

    def __init__(self) -> None:
        self._splits: dict[str, dict[str, set[str]]] = {
            "speaker": defaultdict(set),
            "group": defaultdict(set),
        }
        self._all: set[str] = set()

    def add(self, utterance: Utterance) -> None:
        """Take in an utterance that has a split."""
        if utterance.split is None:
            return
        self._all.add(utterance.split)
        for kind, units in self._splits.items():
            unit = getattr(utterance, kind)
            if unit is not None:
                units[unit].add(utterance.split)

    def shared(self) -> dict[str, dict[str, list[str]]]:
        """speaker and group → "test and train" → the names in both, where any are.

        Of the pairs of splits those with validation or test; all, where none is called so.
        """
        evaluated = self._all & set(EVALUATED) or self._all
        pairs = [pair for pair in combinations(sorted(self._all), 2) if evaluated & set(pair)]
        found: dict[str, dict[str, list[str]]] = {}
        for kind, units in self._splits.items():
            names = {
                f"{one} and {other}": sorted(u for u, s in units.items() if {one, other} <= s)
                for one, other in pairs
            }
            found[kind] = {pair: both for pair, both in names.items() if both}
        return found
