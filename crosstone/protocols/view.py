"""A corpus as a protocol sees it: labels merged, what it does not ask for left out and counted."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpus import Corpus, Utterance
from crosstone.errors import CorpusError
from crosstone.protocols.base import ProtocolSpec

PARTS = ("train", "valid", "test")
"""What a corpus's own partition calls its parts."""


@dataclass(frozen=True)
class Merging:
    """Gives an utterance the label that a protocol predicts, made from the corpus's own, and what
    is merged in the label also in the votes."""

    target: str
    merged: tuple[tuple[str, str], ...] = ()
    scales: tuple[str, ...] = ()

    def __call__(self, utterance: Utterance) -> Utterance:
        """The utterance with its target; without one where no single scale is the highest."""
        labels = dict(utterance.labels)
        if self.scales:
            labels.pop(self.target, None)
            if name := self._highest(labels):
                labels[self.target] = name
        label = labels.get(self.target)
        for old, new in self.merged:
            if label == old:
                labels[self.target] = new
        return dataclasses.replace(utterance, labels=labels, votes=self._votes(utterance))

    def _votes(self, utterance: Utterance) -> Mapping[str, Mapping[str, tuple[str | float, ...]]]:
        if not self.merged or self.target not in utterance.votes:
            return utterance.votes
        into: dict[str | float, str] = dict(self.merged)
        merged = {
            rater: tuple(into.get(choice, choice) for choice in chosen)
            for rater, chosen in utterance.votes[self.target].items()
        }
        return {**utterance.votes, self.target: merged}

    def _highest(self, labels: Mapping[str, str | float]) -> str | None:
        values = {name: float(labels[name]) for name in self.scales if name in labels}
        top = max(values.values(), default=0.0)
        names = [name for name, value in values.items() if value == top]
        return names[0] if top > 0 and len(names) == 1 else None


@dataclass(frozen=True)
class Naming:
    """Gives an utterance its speaker as the label that a protocol of trials trains on."""

    target: str

    def __call__(self, utterance: Utterance) -> Utterance:
        """The utterance with its target."""
        labels = {**utterance.labels, self.target: str(utterance.speaker)}
        return dataclasses.replace(utterance, labels=labels)


@dataclass(frozen=True)
class View:
    """The utterances that a protocol is about, and what it left out."""

    corpus: Corpus
    """First those that may be scored, then those that may only train."""
    units: NDArray[np.object_]
    """(N,) the unit of each, as the protocol names it."""
    targets: NDArray[np.object_]
    """(N,) the label of each as text; "" for trials and for the ambiguous."""
    left_out: Mapping[str, int]
    """Reason → utterances."""
    num_ambiguous: int = 0
    """Utterances, the last ones, that may only train (`ProtocolSpec.ambiguous`)."""

    @property
    def scorable(self) -> NDArray[np.int64]:
        """Rows that may be scored."""
        return np.arange(len(self.corpus) - self.num_ambiguous)

    @property
    def ambiguous(self) -> NDArray[np.int64]:
        """Rows that may only train."""
        return np.arange(len(self.corpus) - self.num_ambiguous, len(self.corpus))


def protocol_view(corpus: Corpus, spec: ProtocolSpec) -> View:
    """The part of a corpus that a protocol is about, with the labels that it predicts.

    Raises CorpusError for another corpus than the protocol's, for a missing unit, for a class that
    no utterance has, and for a missing label, unless the protocol names its classes or takes the
    corpus's own partition: then such an utterance is left out and counted.
    """
    if spec.corpus and corpus.name != spec.corpus:
        raise CorpusError(
            f"protocol {spec.name or spec.kind}: is about the corpus '{spec.corpus}', found "
            f"'{corpus.name}'; correct data.corpus or choose another protocol (crosstone protocols)"
        )
    if spec.label_map or spec.scales:
        corpus = corpus.relabelled(
            Merging(spec.target, tuple(sorted(spec.label_map.items())), spec.scales)
        )
    if spec.task == "verification":
        corpus = corpus.relabelled(Naming(spec.target))
    left_out: Counter[str] = Counter()
    units = _units(corpus, spec)
    keep = _placed(corpus, units, spec, left_out)
    targets = np.full(len(corpus), "", dtype=object)
    ambiguous = np.zeros(len(corpus), dtype=np.bool_)
    if spec.task != "verification":
        targets = _targets(corpus, spec)
        if spec.ambiguous == "train":
            ambiguous = keep & _learnable(corpus, targets, spec)
            targets[ambiguous] = ""
        keep = _asked_for(corpus, targets, keep & ~ambiguous, spec, left_out)
    rows = np.concatenate([np.flatnonzero(keep), np.flatnonzero(ambiguous)])
    chosen = corpus if keep.all() else corpus.select(rows)
    left = dict(sorted(left_out.items()))
    return View(chosen, units[rows], targets[rows], left, int(ambiguous.sum()))


def labelled_view(corpus: Corpus, spec: ProtocolSpec) -> View:
    """The utterances that have a label of the protocol, whatever side they stand on.

    Raises CorpusError as `protocol_view` does.
    """
    alone = dataclasses.replace(
        spec,
        kind="grouped-kfold",
        unit="utterance",
        ambiguous="drop",
        selection="last",
        permits=(),
        train_units=(),
        valid_units=(),
        test_units=(),
    )
    return protocol_view(corpus, alone)


def _units(corpus: Corpus, spec: ProtocolSpec) -> NDArray[np.object_]:
    if spec.unit == "utterance":
        return np.array(list(corpus.ids), dtype=object)
    column = corpus.groups if spec.unit == "group" else corpus.speakers
    missing = [i for i, unit in enumerate(column) if not unit]
    if missing:
        column_name = "session (or group)" if spec.unit == "group" else "speaker"
        other = "speaker" if spec.unit == "group" else "group"
        instead = f" or set protocol.unit={other}" if spec.task != "verification" else ""
        raise CorpusError(
            f"{corpus.name}: the protocol keeps every {spec.unit} on one side, but "
            f"{len(missing)} of {len(corpus)} utterances have none (first: "
            f"{corpus.ids[missing[0]]}); fill the column '{column_name}'{instead}"
        )
    return column


def _placed(
    corpus: Corpus, units: NDArray[np.object_], spec: ProtocolSpec, left_out: Counter[str]
) -> NDArray[np.bool_]:
    """Which utterances stand on a side that the protocol names."""
    if spec.kind == "predefined":
        splits = corpus.splits.astype(object)
        present = {str(split) for split in splits if split}
        lacking = [part for part in ("train", "test") if part not in present]
        if lacking:
            raise CorpusError(
                f"{corpus.name}: kind predefined expects the corpus's own splits train, valid and "
                f"test, found {', '.join(sorted(present)) or 'none'}; prepare it with its "
                "partition, or choose protocol.kind=grouped-kfold"
            )
        for split in splits[~np.isin(splits, PARTS)]:
            left_out[f"in split '{split}'" if split else "in no split"] += 1
        return np.isin(splits, PARTS)
    if spec.kind == "trials" and not spec.test_units:
        splits = corpus.splits.astype(object)
        placed = tried(corpus)
        if not placed.any():
            raise CorpusError(
                f"{corpus.name}: kind trials expects a list of trials beside the utterances, or "
                "the split test to draw them from, found neither; prepare the corpus with its "
                "trials, or name protocol.test_units"
            )
        placed |= np.isin(splits, ("train", "valid"))
        for split in splits[~placed]:
            left_out[f"in no trial, in split '{split}'" if split else "in no trial or split"] += 1
        return placed
    if spec.train_units:
        named = {*spec.train_units, *spec.valid_units, *spec.test_units}
        outside = ~np.isin(units, list(named))
        for unit in units[outside]:
            left_out[f"of {spec.unit} '{unit}'"] += 1
        return ~outside
    return np.ones(len(corpus), dtype=np.bool_)


def tried(corpus: Corpus) -> NDArray[np.bool_]:
    """(N,) whether a trial names the utterance; without trials, whether it is of the split test."""
    if not len(corpus.trials):
        return np.asarray(corpus.splits == "test", dtype=np.bool_)
    named = np.zeros(len(corpus), dtype=np.bool_)
    named[corpus.trials.enrol] = True
    named[corpus.trials.test] = True
    return named


def _targets(corpus: Corpus, spec: ProtocolSpec) -> NDArray[np.object_]:
    """(N,) labels as text, None where there is none."""
    values = [utterance.labels.get(spec.target) for utterance in corpus]
    return np.array([None if value is None else str(value) for value in values], dtype=object)


def _learnable(
    corpus: Corpus, targets: NDArray[np.object_], spec: ProtocolSpec
) -> NDArray[np.bool_]:
    """Which utterances have no majority, but a vote for a class; their label, where they have one,
    is none that a rater chose, such as IEMOCAP's xxx."""
    found = np.zeros(len(corpus), dtype=np.bool_)
    for i, utterance in enumerate(corpus):
        if targets[i] not in spec.labels:
            votes = utterance.votes.get(spec.target, {})
            chosen = {str(choice) for each in votes.values() for choice in each}
            found[i] = targets[i] not in chosen and not chosen.isdisjoint(spec.labels)
    return found


def _asked_for(
    corpus: Corpus,
    targets: NDArray[np.object_],
    keep: NDArray[np.bool_],
    spec: ProtocolSpec,
    left_out: Counter[str],
) -> NDArray[np.bool_]:
    """Which of the kept utterances have a label that the protocol predicts."""
    unlabelled = keep & np.array([target is None for target in targets], dtype=np.bool_)
    missing = np.flatnonzero(unlabelled)
    if len(missing) and (len(missing) == keep.sum() or not _may_lack_labels(spec)):
        known = sorted({name for utterance in corpus for name in utterance.labels})
        raise CorpusError(
            f"{corpus.name}: {len(missing)} of {len(corpus)} utterances have no label "
            f"'{spec.target}' (first: {corpus.ids[missing[0]]}); the corpus has "
            f"{', '.join(known) or 'none'}; correct protocol.target or label them"
        )
    if len(missing):
        reason = f"without '{spec.target}'"
        if spec.scales:
            reason = f"without one highest of {', '.join(spec.scales)}"
        left_out[reason] += len(missing)
    keep = keep & ~unlabelled
    if not spec.labels:
        return keep
    there = Counter(targets[keep])
    absent = [label for label in spec.labels if label not in there]
    if absent:
        raise CorpusError(
            f"{corpus.name}: no utterance has {spec.target} {', '.join(map(repr, absent))}, which "
            f"protocol.labels names; the corpus has {', '.join(sorted(there)) or 'none'}; correct "
            "protocol.labels or protocol.label_map"
        )
    wanted = np.isin(targets, spec.labels)
    for target in targets[keep & ~wanted]:
        left_out[f"with {spec.target} '{target}'"] += 1
    return keep & wanted


def _may_lack_labels(spec: ProtocolSpec) -> bool:
    return bool(spec.labels) or spec.kind == "predefined"
