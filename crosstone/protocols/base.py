"""A protocol: its unit, its target, its folds, its counts, its selection rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crosstone.errors import ConfigError
from crosstone.metrics import canonical_name

METRICS = {
    "classification": ("ua", "wa", "macro_f1", "weighted_f1"),
    "regression": (
        *("mae", "pearson", "ccc", "acc7_round", "acc7_sdk", "acc5"),
        *("acc2_nonneg", "acc2_nonzero", "acc2_positive"),
    ),
    "verification": ("eer", "min_dcf"),
}
"""What may stand first, by task; `crosstone.metrics.ALIASES` are understood too."""

Selection = Literal["nested", "last", "best_valid", "best_test"]
Side = Literal["group", "speaker"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many utterances a protocol finds in a whole copy of its corpus; empty is unknown."""

    name: str = ""
    """Which copy, where several are in circulation."""

    utterances: int | None = None

    labels: Mapping[str, int] = field(default_factory=dict)
    """By class, after merging."""

    units: Mapping[str, int] = field(default_factory=dict)
    """By unit, as in sessions."""

    splits: Mapping[str, int] = field(default_factory=dict)
    """By train, valid and test of a protocol of one fold."""

    partition: Mapping[str, int] = field(default_factory=dict)
    """By the corpus's own train, valid and test, also of utterances that are left out."""


@dataclass(frozen=True, kw_only=True)
class ProtocolSpec:
    """How a number is made; every table prints it."""

    name: str = ""
    """A protocol of `crosstone protocols`, whose keys these are unless they say otherwise."""

    source: str = ""
    """Paper and table, or toolkit, that the protocol is taken from."""

    corpus: str = ""
    """Name of the one corpus that it is about; empty is any."""

    kind: Literal["holdout", "grouped-kfold", "leave-one-group-out", "predefined", "trials"] = (
        "grouped-kfold"
    )
    """One part held out, k parts in turn, every unit in turn, the corpus's own splits train, valid
    and test, or pairs of utterances (trials): the corpus's list, or drawn from its test side."""

    unit: Literal["group", "speaker", "utterance"] = "group"
    """What no fold may split: the corpus's group (session, dialogue, video), or the speaker.
    `utterance` keeps nothing together: a speaker may then train and test, and the number is high
    for that reason alone."""

    permits: tuple[Side, ...] = ()
    """Columns besides the unit whose values may stand in train and test. Elsewhere that is refused
    as a leak; where it is permitted every table says it."""

    target: str = "emotion"
    """The label that is predicted; of trials `speaker`, whom training tells apart."""

    task: Literal["classification", "regression", "verification"] = "classification"

    labels: tuple[str, ...] = ()
    """Class names, after merging; other utterances are left out and counted. Empty takes all those
    of the corpus, in alphabetical order."""

    label_map: Mapping[str, str] = field(default_factory=dict)
    """Labels that are merged into another, as in exc: hap."""

    scales: tuple[str, ...] = ()
    """Numeric labels that make the target: the name of the highest one, where it is above 0 and no
    other is as high; other utterances are left out and counted."""

    ambiguous: Literal["drop", "train"] = "drop"
    """What becomes of utterances without a majority, whose label is absent or one that no rater
    chose. train: where a rater voted for one of `labels`, they train by their votes, if neither
    they nor others of their unit test or validate; they are never scored."""

    split: str | None = None
    """Only the utterances of this part of the corpus's own partition."""

    folds: int = 5
    """k of grouped-kfold."""

    test_share: float = 0.2
    """Share of the utterances that a holdout tests, at most a half, as nearly as one part in n of
    whole units allows."""

    train_units: tuple[str, ...] = ()
    """Units that a holdout, or kind trials, trains on, by name; empty is all that are not named
    elsewhere."""

    valid_units: tuple[str, ...] = ()
    """Units that they keep for validation, by name."""

    test_units: tuple[str, ...] = ()
    """Units that they test, by name, instead of a drawn share or the split test."""

    max_trials: int = 40_000
    """Where the corpus lists no trials of the test side: how many are drawn from it at most, by
    fold_seed, as many of one speaker as of two."""

    ge2e_seed: int | None = None
    """Of trials: also score the test side as CTAL's released code does, by draws of four speakers
    with this seed (`crosstone.metrics.ge2e_eer`); null does not."""

    selection: Selection = "last"
    """Which epoch is scored. nested validates on one whole part of the training side: the one that
    the next fold tests. best_valid validates on the named or predefined part, or on units drawn
    from the training side. best_test looks at the scored items and exists only to reproduce a leaky
    number."""

    headline: str = ""
    """The metric that stands first and that selects; empty is ua for classes, mae for a value, eer
    for trials."""

    expected: tuple[Counts, ...] | None = None
    """What a whole copy holds, in each of its versions; null compares nothing."""

    enforce: bool = True
    """Refuse to train where no expected version is found; otherwise every table says what was."""

    train_fraction: float = 1.0
    """Share of the training utterances that keep their labels, drawn by seed."""

    fold_seed: int = 0
    """Draws the folds; apart from the training seeds, so that all share their folds."""

    def __post_init__(self) -> None:
        faults = [*self._faults_of_shares(), *self._faults_of_labels(), *self._faults_of_folds()]
        faults += self._faults_of_trials()
        if self.metric not in METRICS[self.task]:
            known = ", ".join(METRICS[self.task])
            faults.append(f"headline expects one of {known}, found '{self.headline}'")
        if faults:
            raise ConfigError("; ".join(faults))

    @property
    def metric(self) -> str:
        """Name of the headline metric."""
        first = {"classification": "ua", "regression": "mae", "verification": "eer"}
        return canonical_name(self.headline) or first[self.task]

    @property
    def scored(self) -> str:
        """What the scored side may be called; "test" only where no epoch was chosen on it."""
        return "selected on test" if self.selection == "best_test" else "test"

    def _faults_of_shares(self) -> list[str]:
        faults = []
        if not 0 < self.train_fraction <= 1:
            faults.append(f"train_fraction expects a share in (0, 1], found {self.train_fraction}")
        if not 0 < self.test_share <= 0.5:
            faults.append(f"test_share expects a share in (0, 0.5], found {self.test_share}")
        if self.folds < 2:
            faults.append(f"folds expects at least 2, found {self.folds}")
        return faults

    def _faults_of_labels(self) -> list[str]:
        faults = []
        if self.task != "classification" and (self.labels or self.label_map or self.scales):
            faults.append("labels, label_map and scales are for task classification")
        if self.ambiguous == "train" and not self.labels:
            faults.append(
                "ambiguous=train expects the classes by name in labels, found none; without them "
                "what the raters did not agree on would be a class of its own"
            )
        lost = sorted({new for new in self.label_map.values() if new not in self.labels})
        if self.labels and lost:
            faults.append(f"label_map merges into {', '.join(lost)}, which labels does not name")
        gone = sorted(k for k, new in self.label_map.items() if k != new and k in self.labels)
        if gone:
            faults.append(f"labels names {', '.join(gone)}, which label_map merges into another")
        if len(set(self.labels)) < len(self.labels):
            faults.append(f"labels expects each name once, found {', '.join(self.labels)}")
        return faults

    def _faults_of_folds(self) -> list[str]:
        faults = []
        sides = {s: set(getattr(self, f"{s}_units")) for s in ("train", "valid", "test")}
        if any(sides.values()) and self.kind not in ("holdout", "trials"):
            faults.append(
                "train_units, valid_units and test_units are for kind holdout or trials, not "
                f"{self.kind}"
            )
        if (sides["train"] or sides["valid"]) and not sides["test"]:
            faults.append("train_units and valid_units expect test_units beside them, found none")
        for one, other in (("train", "test"), ("valid", "test"), ("train", "valid")):
            if both := sorted(sides[one] & sides[other]):
                faults.append(
                    f"{one}_units and {other}_units both name {', '.join(both[:6])}"
                    f"{' …' if len(both) > 6 else ''} ({len(both)} of unit {self.unit}); "
                    "a unit may stand on one side only"
                )
        if self.selection == "nested" and self.kind not in ("leave-one-group-out", "grouped-kfold"):
            faults.append(
                "selection nested expects kind leave-one-group-out or grouped-kfold, found "
                f"{self.kind}; choose best_valid"
            )
        if self.unit in self.permits:
            faults.append(f"permits names {self.unit}, which is the unit that no fold may split")
        return faults

    def _faults_of_trials(self) -> list[str]:
        faults = []
        if (self.kind == "trials") != (self.task == "verification"):
            faults.append(
                f"kind trials and task verification belong together, found {self.kind} and "
                f"{self.task}"
            )
        if self.task == "verification" and (self.unit, self.target) != ("speaker", "speaker"):
            faults.append(
                "task verification tells speakers apart, and tests others than it trains on: "
                f"expected unit speaker and target speaker, found {self.unit} and {self.target}"
            )
        if self.max_trials < 2:
            faults.append(f"max_trials expects at least 2, found {self.max_trials}")
        if self.ge2e_seed is not None and (self.task != "verification" or self.ge2e_seed < 0):
            faults.append(
                "ge2e_seed is for task verification, 0 or more, found "
                f"{self.ge2e_seed} for {self.task}"
            )
        return faults
