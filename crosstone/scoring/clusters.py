"""Which rows stand or fall together when a number's interval is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError
from crosstone.scoring.predictions import Predictions

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
    """(n,) the cluster of each row."""


def choose_clusters(
    predictions: Predictions,
    path: Path,
    *,
    asked: Unit | None = None,
    declared: Unit | None = None,
) -> Clusters:
    """Speakers where all are known and at least 20, otherwise the declared unit, groups, or items.

    asked: the unit to take whatever the counts; declared: the protocol's own unit; path is named in
    errors. A unit of fewer than 5 clusters (the one session of a hold-out) gives way to one of
    more. Raises CorpusError where the asked unit is unknown for some rows.
    """
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
    return Clusters(by=by, count=counts[by], why=why, names=np.array(columns[by], dtype=np.str_))


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
