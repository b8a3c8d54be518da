"""A protocol: its unit, its folds, its target, its selection rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError

METRICS = {
    "classification": ("ua", "wa", "macro_f1", "weighted_f1"),
    "regression": ("mae", "pearson", "acc7", "acc5", "acc2_nonneg", "acc2_nonzero"),
}
"""What may stand first, by task."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ProtocolSpec:
    """How a number is made; every table prints it."""

    kind: Literal["holdout", "grouped-kfold", "leave-one-group-out"] = "grouped-kfold"
    """One part held out, k parts in turn, or every unit in turn."""

    unit: Literal["group", "speaker", "utterance"] = "group"
    """What no fold may split: the corpus's group (session, dialogue, video), or the speaker.
    `utterance` keeps nothing together: a speaker may then train and test, and the number is high
    for that reason alone."""

    target: str = "emotion"
    """The label that is predicted."""

    task: Literal["classification", "regression"] = "classification"

    labels: tuple[str, ...] = ()
    """Class names; empty takes those of the corpus, in alphabetical order."""

    split: str | None = None
    """Only the utterances of this part of the corpus's own partition."""

    folds: int = 5
    """k of grouped-kfold."""

    test_share: float = 0.2
    """Share of the utterances that a holdout tests, at most a half, as nearly as one part in n of
    whole units allows."""

    test_units: tuple[str, ...] = ()
    """Units that a holdout tests, by name, instead of a drawn share."""

    selection: Literal["last", "best_valid", "best_test"] = "last"
    """Which epoch is scored. best_valid holds whole units back from the training side; best_test
    looks at the test items and exists only to reproduce a leaky number."""

    headline: str = ""
    """The metric that stands first and that selects; empty is ua for classes, mae for a value."""

    train_fraction: float = 1.0
    """Share of the training utterances that keep their labels, drawn by seed."""

    fold_seed: int = 0
    """Draws the folds; apart from the training seeds, so that all share their folds."""

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.train_fraction <= 1:
            faults.append(f"train_fraction expects a share in (0, 1], found {self.train_fraction}")
        if not 0 < self.test_share <= 0.5:
            faults.append(f"test_share expects a share in (0, 0.5], found {self.test_share}")
        if self.folds < 2:
            faults.append(f"folds expects at least 2, found {self.folds}")
        if self.metric not in METRICS[self.task]:
            known = ", ".join(METRICS[self.task])
            faults.append(f"headline expects one of {known}, found '{self.headline}'")
        if faults:
            raise ConfigError("; ".join(faults))

    @property
    def metric(self) -> str:
        """Name of the headline metric."""
        return self.headline or ("ua" if self.task == "classification" else "mae")


@dataclass(frozen=True)
class Fold:
    """Rows of the corpus view that the folds were planned on."""

    index: int
    train: Rows
    valid: Rows
    test: Rows
    test_units: tuple[str, ...]


def plan_folds(corpus: Corpus, spec: ProtocolSpec) -> list[Fold]:
    """The folds of a corpus; no unit stands on both sides of one.

    Classes are spread over grouped folds as evenly as whole units allow, where every class has as
    many utterances as there are folds. Raises CorpusError where
    units are missing or too few, or where an utterance has no label for the target.
    """
    units = _units(corpus, spec)
    names = sorted(set(units))
    classes = _classes(corpus, spec)
    folds = []
    for index, test_names in enumerate(_test_parts(units, names, classes, spec)):
        test = np.flatnonzero(np.isin(units, test_names))
        rest = np.flatnonzero(~np.isin(units, test_names))
        valid = np.empty(0, np.int64)
        if spec.selection == "best_valid":
            rest, valid = _held_back(rest, units, classes, spec)
        train = _thinned(rest, classes, corpus, spec)
        folds.append(Fold(index, train, valid, test, tuple(map(str, test_names))))
    return folds


def _units(corpus: Corpus, spec: ProtocolSpec) -> NDArray[np.object_]:
    if spec.unit == "utterance":
        return np.array(list(corpus.ids), dtype=object)
    column = corpus.groups if spec.unit == "group" else corpus.speakers
    missing = [i for i, unit in enumerate(column) if not unit]
    if missing:
        column_name = "session (or group)" if spec.unit == "group" else "speaker"
        other = "speaker" if spec.unit == "group" else "group"
        raise CorpusError(
            f"{corpus.name}: the protocol keeps every {spec.unit} on one side, but "
            f"{len(missing)} of {len(corpus)} utterances have none (first: "
            f"{corpus.ids[missing[0]]}); fill the column '{column_name}' or set "
            f"protocol.unit={other}"
        )
    return column


def _classes(corpus: Corpus, spec: ProtocolSpec) -> NDArray[np.object_]:
    values = [utterance.labels.get(spec.target) for utterance in corpus]
    missing = [corpus.ids[i] for i, value in enumerate(values) if value is None]
    if missing:
        known = sorted({name for utterance in corpus for name in utterance.labels})
        raise CorpusError(
            f"{corpus.name}: {len(missing)} of {len(corpus)} utterances have no label "
            f"'{spec.target}' (first: {missing[0]}); the corpus has {', '.join(known) or 'none'}; "
            "correct protocol.target or label them"
        )
    return np.array([str(value) for value in values], dtype=object)


def _test_parts(
    units: NDArray[np.object_],
    names: Sequence[str],
    classes: NDArray[np.object_],
    spec: ProtocolSpec,
) -> list[Sequence[str]]:
    if spec.kind == "holdout" and spec.test_units:
        unknown = sorted(set(spec.test_units) - set(names))
        if unknown:
            raise CorpusError(
                f"protocol.test_units: no {spec.unit} named {', '.join(unknown)}; the corpus has "
                f"{', '.join(names[:12])}{' …' if len(names) > 12 else ''}"
            )
        return [spec.test_units]
    needed = 2 if spec.kind != "grouped-kfold" else spec.folds
    if len(names) < needed:
        raise CorpusError(
            f"protocol {spec.kind}: expected at least {needed} different values of '{spec.unit}', "
            f"found {len(names)}; choose protocol.unit=speaker, fewer folds or more data"
        )
    if spec.kind == "leave-one-group-out":
        return [[name] for name in names]
    parts = spec.folds
    if spec.kind == "holdout":
        parts = min(max(2, round(1 / spec.test_share)), len(names))
    drawn = [np.unique(units[test]).tolist() for _, test in _split(units, classes, parts, spec)]
    return drawn[:1] if spec.kind == "holdout" else drawn


def _split(
    units: NDArray[np.object_], classes: NDArray[np.object_], parts: int, spec: ProtocolSpec
) -> list[tuple[Rows, Rows]]:
    counts = np.unique(classes.astype(str), return_counts=True)[1]
    can_stratify = spec.task == "classification" and counts.min() >= parts
    splitter = StratifiedGroupKFold if can_stratify else GroupKFold
    drawn = splitter(parts, shuffle=True, random_state=spec.fold_seed).split(
        np.zeros(len(units)), classes.astype(str), units.astype(str)
    )
    return list(drawn)


def _held_back(
    rest: Rows, units: NDArray[np.object_], classes: NDArray[np.object_], spec: ProtocolSpec
) -> tuple[Rows, Rows]:
    names = np.unique(units[rest].astype(str))
    if len(names) < 2:
        raise CorpusError(
            "protocol.selection=best_valid holds whole units back from the training side, but only "
            f"{len(names)} is left there; choose selection=last"
        )
    train, valid = _split(units[rest], classes[rest], min(5, len(names)), spec)[0]
    return rest[train], rest[valid]


def _thinned(rows: Rows, classes: NDArray[np.object_], corpus: Corpus, spec: ProtocolSpec) -> Rows:
    """A share of the rows, class by class, drawn by the fold seed."""
    if spec.train_fraction == 1.0:
        return rows
    rng = np.random.default_rng([spec.fold_seed, len(corpus)])
    kept = []
    for name in sorted(set(classes[rows])) if spec.task == "classification" else [None]:
        members = rows if name is None else rows[classes[rows] == name]
        count = max(1, round(spec.train_fraction * len(members)))
        kept.append(rng.permutation(members)[:count])
    return np.sort(np.concatenate(kept))
