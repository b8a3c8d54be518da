"""Which rows stand or fall together when a number's interval is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError
from crosstone.scoring.predictions import Predictions
from crosstone.scoring.trials import Trials

MIN_SPEAKERS = 20
"""From this many speakers on, intervals are clustered by speaker."""

MIN_CLUSTERS = 5
"""With fewer clusters than this a bootstrap has next to nothing to draw from."""

Unit = Literal["speaker", "group", "item"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clusters:
    """The unit that the bootstrap draws."""

    by: Unit
    count: int
    why: str
    names: NDArray[np.str_]
    """(n,) the cluster of each row; of a trial, that of its first side."""
    asked: bool = False
    """True if the caller named the unit."""


def choose_clusters(
    predictions: Predictions | Trials,
    path: Path,
    *,
    asked: Unit | None = None,
    declared: Unit | None = None,
) -> Clusters:
    """Speakers where all are known and at least 20, otherwise the declared unit, groups, or items.

    asked: the unit to take whatever the counts; declared: the protocol's own unit; path is named in
    errors. A unit of fewer than 5 clusters (the one session of a hold-out) gives way to one of
    more. Trials are clustered by the speakers of both sides, or not at all. Raises CorpusError
    where the asked unit is unknown for some rows.
    """
    if isinstance(predictions, Trials):
        return _of_trials(predictions, path, asked)
    columns: dict[Unit, tuple[str | None, ...]] = {
        "speaker": predictions.speakers,
        "group": predictions.groups,
        "item": predictions.ids,
    }
    known = [unit for unit, names in columns.items() if None not in names]
    if asked is not None and asked not in known:
        missing = sum(name is None for name in columns[asked])
        raise CorpusError(
            f"{path}: expected a {asked} in every line, found none in {missing} of "
            f"{len(predictions.ids)}; cluster by {' or '.join(known)}"
        )
    counts: dict[Unit, int] = {unit: len(set(columns[unit])) for unit in known}
    by, why = (asked, "asked for") if asked is not None else _choose(counts, declared)
    names = np.array(columns[by], dtype=np.str_)
    return Clusters(by=by, count=counts[by], why=why, names=names, asked=asked is not None)


def exchangeable(clusters: Clusters, predictions: Predictions | Trials, fewest: int) -> Clusters:
    """The clusters, or, where fewer than a test needs, those of the largest unit that has enough.

    Groups and speakers give way to each other, never to items, which are not independent. An asked
    unit stays, and so do the speakers of trials.
    """
    if clusters.asked or clusters.count >= fewest or isinstance(predictions, Trials):
        return clusters
    columns: dict[Unit, tuple[str | None, ...]] = {
        "group": predictions.groups,
        "speaker": predictions.speakers,
    }
    counts = {unit: len(set(names)) for unit, names in columns.items() if None not in names}
    enough = [unit for unit in counts if counts[unit] >= fewest]
    if not enough:
        return clusters
    by = min(enough, key=lambda unit: counts[unit])
    return Clusters(
        by=by,
        count=counts[by],
        why=f"{clusters.count} {clusters.by}s are too few to exchange",
        names=np.array(columns[by], dtype=np.str_),
    )


def _of_trials(trials: Trials, path: Path, asked: Unit | None) -> Clusters:
    missing = sum(name is None for name in trials.speakers)
    if asked not in (None, "speaker") or (asked and missing):
        found = f"none on {missing} of {len(trials.speakers)}" if missing else "trials"
        raise CorpusError(
            f"{path}: trials are drawn by the speakers of both sides: expected --unit speaker and "
            f"one on every side, found --unit {asked} and {found}"
        )
    if missing:
        ids = np.array(trials.ids, dtype=np.str_)
        why = f"speakers are unknown on {missing} sides of trials, so there are no intervals"
        return Clusters(by="item", count=len(set(trials.ids)), why=why, names=ids)
    names = np.array(trials.enrol_speakers, dtype=np.str_)
    why = "both sides of a trial, each as often as its speaker was drawn"
    return Clusters(by="speaker", count=len(set(trials.speakers)), why=why, names=names)


def _choose(counts: Mapping[Unit, int], declared: Unit | None) -> tuple[Unit, str]:
    speakers = counts.get("speaker", 0)
    if speakers >= MIN_SPEAKERS:
        return "speaker", f"at least {MIN_SPEAKERS}"
    few = (
        f"{speakers} speakers, fewer than {MIN_SPEAKERS}" if speakers else "not all speakers known"
    )
    ranked: list[Unit] = [
        u for u in (declared, "group", "speaker") if u is not None and u in counts
    ]
    for unit in ranked:
        if counts[unit] >= MIN_CLUSTERS:
            return unit, f"the protocol's unit; {few}" if unit == declared else few
    if ranked and max(counts[unit] for unit in ranked) > 1:
        unit = max(ranked, key=lambda unit: counts[unit])
        return unit, f"no unit has {MIN_CLUSTERS} clusters, and this one has the most"
    return "item", "neither speaker nor group is known, or there is only one"
