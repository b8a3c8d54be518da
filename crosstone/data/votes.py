"""What raters chose: as shares of classes to learn from, and as their agreement."""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from crosstone.data.utterance import Utterance
from crosstone.metrics import class_agreement, scale_agreement

OWN = "_self"
"""How the name of a target ends under which a speaker judged himself."""


def vote_shares(
    votes: Mapping[str, Sequence[str | float]], labels: Sequence[str]
) -> tuple[float, ...] | None:
    """The share of the votes that each label has, adding up to one; None where none has any.

    votes: rater → what that rater chose. Each rater has one vote, spread evenly over what he chose;
    what falls to no label is left out.
    """
    spread = [_spread(chosen, labels) for chosen in votes.values() if chosen]
    counts = [sum(column) for column in zip(*spread, strict=True)]
    total = sum(counts)
    return tuple(count / total for count in counts) if total else None


class Judgements:
    """What raters said of one target, gathered item by item."""

    def __init__(self) -> None:
        self._items = array("q")
        self._chosen: list[tuple[str | float, ...]] = []
        self._known: dict[tuple[str | float, ...], tuple[str | float, ...]] = {}
        self._num_items = 0

    def add(self, votes: Mapping[str, tuple[str | float, ...]]) -> None:
        """One item's: rater → what that rater chose."""
        for chosen in votes.values():
            if chosen:
                self._items.append(self._num_items)
                self._chosen.append(self._known.setdefault(chosen, chosen))
        self._num_items += 1

    @property
    def is_scale(self) -> bool:
        """Whether all judgements are numbers."""
        return not any(isinstance(choice, str) for chosen in self._known for choice in chosen)

    def agreement(self, labels: Sequence[str] = ()) -> dict[str, Any] | None:
        """How far the raters agree, as JSON; None where no item has two of them.

        labels: the classes that are asked about, by default all that were chosen; of a scale none.
        Keys: `kind` (classes, scale), those of `metrics.agreement.Agreement`, null where undefined,
        and of classes `outside`: the share of the votes that fell to no label. The mean stands for
        several numbers of one rater.
        """
        if not self._chosen:
            return None
        if self.is_scale and not labels:
            values = np.array([np.mean(np.asarray(c, np.float64)) for c in self._chosen])
            found = scale_agreement(np.asarray(self._items), values)
            about: dict[str, Any] = {"kind": "scale"}
        else:
            names = labels or sorted({str(c) for chosen in self._known for c in chosen})
            shares = np.array([_spread(chosen, names) for chosen in self._chosen])
            found = class_agreement(np.asarray(self._items), shares)
            about = {"kind": "classes", "outside": float(np.mean(1 - shares.sum(axis=1)))}
        if not found.items:
            return None
        numbers = asdict(found)
        scores = {name: _finite(value) for name, value in numbers.pop("scores").items()}
        return {**about, **{k: _finite(v) for k, v in numbers.items()}, "scores": scores}


class Ballots:
    """The judgements of a corpus, target by target, without those of speakers of themselves."""

    def __init__(self) -> None:
        self._by_target: dict[str, Judgements] = {}
        self._labels: set[str] = set()

    def add(self, utterance: Utterance) -> None:
        """The votes of an utterance."""
        self._labels.update(utterance.labels)
        for target, votes in utterance.votes.items():
            if not target.endswith(OWN):
                self._by_target.setdefault(target, Judgements()).add(votes)

    def findings(self) -> dict[str, Any]:
        """Target → `Judgements.agreement`; words only where a label bears the target's name, since
        others are comments."""
        found = {
            target: judgements.agreement()
            for target, judgements in sorted(self._by_target.items())
            if target in self._labels or judgements.is_scale
        }
        return {target: agreement for target, agreement in found.items() if agreement is not None}


def rater_agreement(
    utterances: Iterable[Utterance], target: str, labels: Sequence[str] = ()
) -> dict[str, Any] | None:
    """How far the raters of these utterances agree on a target, as `Judgements.agreement` says."""
    judgements = Judgements()
    for utterance in utterances:
        judgements.add(utterance.votes.get(target, {}))
    return judgements.agreement(labels)


def _spread(chosen: Sequence[str | float], labels: Sequence[str]) -> list[float]:
    return [sum(str(choice) == label for choice in chosen) / len(chosen) for label in labels]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
