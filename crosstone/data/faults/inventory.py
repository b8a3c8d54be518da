"""What a corpus holds, counted in one pass, beside what it should hold."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from crosstone.data.faults.histogram import histogram
from crosstone.data.utterance import Utterance

UNKNOWN = ""
"""The split of an utterance that has none."""


class Inventory:
    """Counts of utterances by speaker, group, split and label."""

    def __init__(self) -> None:
        self.num_utterances = 0
        self.speakers: Counter[str] = Counter()
        self.groups: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.classes: dict[str, Counter[tuple[str, str]]] = {}
        """Label → (value, split) → utterances, for labels that are names."""
        self.of_groups: dict[str, Counter[tuple[str, str]]] = {}
        """Label → (group, value) → utterances, for labels that are names."""
        self.numbers: dict[str, array[float]] = {}
        """Label → every value, for labels that are numbers."""

    def add(self, utterance: Utterance) -> None:
        """Count an utterance."""
        self.num_utterances += 1
        if utterance.speaker is not None:
            self.speakers[utterance.speaker] += 1
        if utterance.group is not None:
            self.groups[utterance.group] += 1
        if utterance.split is not None:
            self.splits[utterance.split] += 1
        for label, value in utterance.labels.items():
            if isinstance(value, str):
                counter = self.classes.setdefault(label, Counter())
                counter[value, utterance.split or UNKNOWN] += 1
                if utterance.group is not None:
                    self.of_groups.setdefault(label, Counter())[utterance.group, value] += 1
            else:
                self.numbers.setdefault(label, array("d")).append(value)

    def values(self, label: str) -> Counter[str]:
        """Value → utterances; the values of a number are its digits."""
        counts: Counter[str] = Counter()
        for (value, _), count in self.classes.get(label, {}).items():
            counts[value] += count
        counts.update(str(number) for number in self.numbers.get(label, ()))
        return counts

    def missing(self, name: str, expected: Mapping[str, Any]) -> list[str]:
        """A sentence for each count that differs from `expected`, as `missing_counts` says."""
        return [
            f"{name}: expected {wanted} {what}, found {there}; is every file there?"
            for what, wanted, there in self._compared(expected)
            if wanted != there
        ]

    def _compared(self, expected: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
        if "utterances" in expected:
            yield "utterances", expected["utterances"], self.num_utterances
        for kind in ("speakers", "groups", "splits"):
            found: Counter[str] = getattr(self, kind)
            wanted = expected.get(kind)
            if isinstance(wanted, int):
                yield kind, wanted, len(found)
            elif wanted is not None:
                for each, count in wanted.items():
                    yield f"utterances of {kind.removesuffix('s')} '{each}'", count, found[each]
        if "per_speaker" in expected:
            for speaker, count in self.speakers.items():
                yield f"utterances of speaker '{speaker}'", expected["per_speaker"], count
        for label, counts in expected.get("labels", {}).items():
            there = self.values(label)
            for value, count in counts.items():
                yield f"utterances with {label} '{value}'", count, there[value]
        for label, groups in expected.get("labels_by_group", {}).items():
            of_groups = self.of_groups.get(label, Counter())
            for group, counts in groups.items():
                for value, count in counts.items() if self.groups[group] else ():
                    what = f"utterances of group '{group}' with {label} '{value}'"
                    yield what, count, of_groups[group, value]

    def findings(self) -> dict[str, Any]:
        """The counts as JSON, names and labels in order."""
        labels: dict[str, Any] = {}
        for label, counter in sorted(self.classes.items()):
            values: dict[str, dict[str, int]] = {}
            for (value, split), count in sorted(counter.items()):
                values.setdefault(value, {})[split] = count
            labels[label] = {"kind": "classes", "values": values}
        for label, numbers in sorted(self.numbers.items()):
            labels[label] = {"kind": "numbers", **histogram(np.asarray(numbers))}
        return {
            "utterances": self.num_utterances,
            "speakers": dict(sorted(self.speakers.items())),
            "groups": dict(sorted(self.groups.items())),
            "splits": dict(sorted(self.splits.items())),
            "labels": labels,
            "per_speaker": _per_unit(self.speakers),
            "per_group": _per_unit(self.groups),
        }


def _per_unit(counts: Counter[str]) -> dict[str, Any]:
    return histogram(np.asarray(list(counts.values()), np.float64), whole=True)


def missing_counts(
    name: str, expected: Mapping[str, Any], utterances: Iterable[Utterance]
) -> list[str]:
    """A sentence for each count that differs from what the corpus called name should hold.

    expected: any of `utterances` (how many), `speakers`, `groups` and `splits` (how many, or name →
    utterances), `per_speaker` (utterances of each), `labels` (name → value → utterances),
    `labels_by_group` (name → group → value → utterances; of the groups that are there).
    """
    inventory = Inventory()
    for utterance in utterances:
        inventory.add(utterance)
    return inventory.missing(name, expected)


def brief(incomplete: Sequence[str]) -> list[str]:
    """The first of the counts that a copy lacks, and how many more there are."""
    if len(incomplete) < 2:
        return list(incomplete)
    first, others = incomplete[0].rsplit(";", 1)[0], len(incomplete) - 1
    more = "1 more count differs" if others == 1 else f"{others} more counts differ"
    return [f"{first}; {more} (crosstone check lists them)"]
