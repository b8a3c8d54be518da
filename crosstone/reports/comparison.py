"""Systems beside each other: which may be compared, by how much they differ, what bounds them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.errors import CrosstoneError
from crosstone.metrics import LOWER_IS_BETTER, Interval
from crosstone.scoring.pairing import pair_scores
from crosstone.scoring.score import Scores, plain, score_predictions

_SHARE = re.compile(r", \d+(\.\d+)? ?% of the labels$")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class System:
    """A run set under the name that its tables use."""

    name: str
    """Unlike that of any other system of the report."""
    title: str
    """The name without its share of the labels, for use under a heading that says it."""
    folder: Path
    scores: Scores

    @property
    def protocol(self) -> Mapping[str, Any]:
        """The protocol as run.json states it."""
        return self.scores.facts.get("protocol") or {}

    @property
    def corpus(self) -> Mapping[str, Any]:
        """The corpus as run.json states it."""
        return self.scores.facts.get("corpus") or {}

    @property
    def train_fraction(self) -> float:
        """Share of the training labels that it saw."""
        return float(self.protocol.get("train_fraction") or 1.0)

    @property
    def modalities(self) -> frozenset[str] | None:
        """What it takes in, from run.json or its family; None where neither says."""
        declared = self.scores.facts.get("modalities")
        if declared:
            return frozenset(declared)
        family = str(self.scores.facts.get("family") or "")
        return frozenset({family}) if family in ("audio", "text") else None

    @property
    def headline(self) -> Interval:
        """Mean over folds and seeds of the protocol's first metric."""
        return self.scores.metrics[self.scores.headline].mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """First minus second, on the same items and the same draws of clusters."""

    first: str
    second: str
    metrics: Mapping[str, Interval]
    """Mean over folds and seeds, per metric."""
    by: str
    clusters: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Comparison:
    """Systems that answer one question on one corpus, with their differences."""

    systems: tuple[System, ...]
    differences: tuple[Difference, ...]
    unpaired: tuple[str, ...]
    """A sentence for each difference that cannot be taken."""
    ceilings: Mapping[str, float]
    """The best that a listener of each kind can reach, from the corpus; empty if unknown."""
    ceiling_metric: str
    """The metric that the ceilings bound."""

    @property
    def headline(self) -> str:
        """The metric that its systems are ranked by."""
        return self.systems[0].scores.headline

    @property
    def best(self) -> System:
        """The system with the best headline; of equals, the last.

        One whose epoch was chosen on the scored items is best only where all are like that.
        """
        return _best(self.systems)


def read_systems(run_sets: Iterable[Path | str], **scoring: Any) -> tuple[System, ...]:
    """Every run set scored from its predictions and given a name that no other has.

    scoring: keyword arguments of `score_predictions`. Equal names are told apart by their share of
    the labels, then by their folders. Raises CrosstoneError if there is no run set.
    """
    folders = [Path(folder) for folder in run_sets]
    if not folders:
        raise CrosstoneError(
            "report: expected at least one run set, found none; name their folders"
        )
    scored = [score_predictions(folder, **scoring) for folder in folders]
    titles = [str(s.facts.get("name") or f.name) for s, f in zip(scored, folders, strict=True)]
    names = titles
    shares = [(s.facts.get("protocol") or {}).get("train_fraction") or 1.0 for s in scored]
    if len(set(names)) < len(names):
        names = [
            f"{name}, {100 * share:g} % of the labels"
            if names.count(name) > 1 and share != 1
            else name
            for name, share in zip(names, shares, strict=True)
        ]
    names = [
        f"{name} ({folder})" if names.count(name) > 1 else name
        for name, folder in zip(names, folders, strict=True)
    ]
    return tuple(
        System(name=name, title=_SHARE.sub("", title), folder=folder, scores=scores)
        for name, title, folder, scores in zip(names, titles, folders, scored, strict=True)
    )


def compare(first: System, second: System) -> Difference:
    """First minus second with intervals over the clusters of the pair.

    Raises CrosstoneError unless both predicted the same items with the same targets.
    """
    pair = pair_scores(first.scores, second.scores, (first.name, second.name))
    drawn = pair.replicates()
    level = first.scores.level
    return Difference(
        first=first.name,
        second=second.name,
        metrics={name: found.estimate(level).mean for name, found in drawn.items()},
        by=pair.clusters.by,
        clusters=pair.clusters.count,
    )


def comparisons(
    systems: Sequence[System],
    *,
    baseline: str | Path | None = None,
    pairs: Sequence[tuple[str | Path, str | Path]] = (),
) -> tuple[Comparison, ...]:
    """The systems gathered by corpus and target, each gathering with its paired differences.

    baseline: the system (name or folder) that every other is held against, other minus baseline;
    without it, the best system minus every other. Either way only systems that saw the same share
    of the labels are paired. pairs: further differences, first minus second.
    """
    chosen = None if baseline is None else find_system(systems, baseline)
    asked = [(find_system(systems, a), find_system(systems, b)) for a, b in pairs]
    out = []
    for comparison in gathered(systems):
        members = comparison.systems
        wanted = _default_pairs(members, chosen)
        wanted += [p for p in asked if p not in wanted and p[0] in members and p[1] in members]
        differences, unpaired = [], []
        for first, second in wanted:
            try:
                differences.append(compare(first, second))
            except CrosstoneError as error:
                unpaired.append(f"{error}.")
        out.append(replace(comparison, differences=tuple(differences), unpaired=tuple(unpaired)))
    return tuple(out)


def gathered(systems: Sequence[System]) -> tuple[Comparison, ...]:
    """The systems gathered by corpus and target, without differences."""
    found: dict[tuple[Any, ...], list[System]] = {}
    for system in systems:
        found.setdefault(_question(system), []).append(system)
    out = []
    for members in found.values():
        ceilings, metric = _ceilings(members)
        out.append(
            Comparison(
                systems=tuple(members),
                differences=(),
                unpaired=(),
                ceilings=ceilings,
                ceiling_metric=metric,
            )
        )
    return tuple(out)


def find_system(systems: Sequence[System], which: str | Path) -> System:
    """The system of this name or folder; raises CrosstoneError that lists the names."""
    for system in systems:
        if which == system.name or Path(which) == system.folder:
            return system
    raise CrosstoneError(
        f"report: expected the name or folder of a run set, found {str(which)!r}; there are "
        f"{', '.join(system.name for system in systems)}"
    )


def paired_table(
    run_sets: Iterable[Path | str],
    *,
    baseline: str | Path | None = None,
    pairs: Sequence[tuple[str | Path, str | Path]] = (),
    **scoring: Any,
) -> list[dict[str, Any]]:
    """One JSON-ready entry per corpus and target: systems, differences, ceilings.

    Arguments as in `comparisons` and `score_predictions`.
    """
    systems = read_systems(run_sets, **scoring)
    return [
        {
            "corpus": dict(comparison.best.corpus),
            "headline": comparison.headline,
            "ceilings": dict(comparison.ceilings),
            "ceiling_metric": comparison.ceiling_metric,
            "systems": [
                {
                    "name": system.name,
                    "folder": str(system.folder),
                    **_chosen(system.scores.as_dict()),
                    "train_fraction": system.train_fraction,
                    "by": system.scores.clusters.by,
                    "clusters": system.scores.clusters.count,
                }
                for system in comparison.systems
            ],
            "differences": [
                {
                    "first": difference.first,
                    "second": difference.second,
                    "by": difference.by,
                    "clusters": difference.clusters,
                    "metrics": {
                        name: {
                            **plain(asdict(interval)),
                            "excludes_zero": interval.excludes(0.0),
                        }
                        for name, interval in difference.metrics.items()
                    },
                }
                for difference in comparison.differences
            ],
            "unpaired": list(comparison.unpaired),
        }
        for comparison in comparisons(systems, baseline=baseline, pairs=pairs)
    ]


def _default_pairs(members: Sequence[System], chosen: System | None) -> list[tuple[System, System]]:
    if chosen is not None:
        rest = [s for s in members if s is not chosen and chosen in members]
        return [(s, chosen) for s in rest if s.train_fraction == chosen.train_fraction]
    pairs = []
    for share in sorted({s.train_fraction for s in members}, reverse=True):
        level = [s for s in members if s.train_fraction == share]
        best = _best(level)
        pairs += [(best, s) for s in level if s is not best]
    return pairs


def _best(systems: Sequence[System]) -> System:
    sign = -1 if systems[0].scores.headline in LOWER_IS_BETTER else 1
    ranked = [s for s in systems if np.isfinite(s.headline.value)] or list(systems)
    ranked = [s for s in ranked if s.protocol.get("selection") != "best_test"] or ranked
    return max(reversed(ranked), key=lambda s: sign * s.headline.value)


def _question(system: System) -> tuple[Any, ...]:
    corpus, protocol = system.corpus, system.protocol
    return (
        corpus.get("name"),
        corpus.get("hash"),
        protocol.get("target"),
        system.scores.labels,
        system.scores.headline,
    )


def _ceilings(members: Sequence[System]) -> tuple[dict[str, float], str]:
    """Ceilings as numbers, and the metric they bound: the headline if each states it, else `wa`.

    A corpus states each as a number, an accuracy, or as a mapping from metrics to numbers; they are
    about its `emotion` unless its key `target` names another label.
    """
    stated: Mapping[str, Any] = next(
        (s.corpus["ceilings"] for s in members if s.corpus.get("ceilings")), {}
    )
    headline, target = members[0].scores.headline, members[0].protocol.get("target")
    if target != stated.get("target", "emotion") or not members[0].scores.labels:
        return {}, "wa"
    nested = [value for value in stated.values() if isinstance(value, Mapping)]
    metric = headline if nested and all(headline in value for value in nested) else "wa"
    numbers = {
        str(name): value.get(metric) if isinstance(value, Mapping) else value
        for name, value in stated.items()
    }
    return {
        name: float(value)
        for name, value in numbers.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }, metric


def _chosen(document: Mapping[str, Any]) -> dict[str, Any]:
    wanted = ("family", "selection", "transductive", "items", "metrics")
    return {key: document[key] for key in wanted}
