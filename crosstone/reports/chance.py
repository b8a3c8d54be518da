"""How likely chance alone makes the difference of a pair, and whether its test can tell at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crosstone.metrics import PairedTest, Replicates, benjamini_hochberg, holm
from crosstone.reports.wording import count, number
from crosstone.scoring.clusters import Clusters
from crosstone.scoring.pairing import Pair

Correction = Literal["holm", "bh"]

CORRECTIONS = {"holm": holm, "bh": benjamini_hochberg}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chance:
    """The test of one pair in one metric."""

    p: float
    test: str
    """What p comes from, as words after "by"."""
    least: float
    """The smallest p that its clusters and its draws allow (`least_p`)."""
    clusters: Clusters


def chance_of(pair: Pair, metric: str, found: Replicates | None = None) -> Chance:
    """The exchange of whole clusters; for trials the draw of speakers.

    found: the replicates of the pair in this metric, where they were drawn before.
    """
    clusters = pair.clusters
    units = count(clusters.count, clusters.by)
    test = pair.permutation().get(metric)
    if test is None:
        found = found or pair.replicates()[metric]
        least = least_p(clusters, found)
        return Chance(p=found.p_value(), test=f"drawing {units}", least=least, clusters=clusters)
    ways = f"{test.drawn:,} drawn" if test.drawn else f"all {2**clusters.count:,}"
    said = f"exchanging {units} between the two in {ways} ways"
    if test.pooled:
        said += f", of the pooled difference {number(test.difference, True)} since folds differ"
    return Chance(p=test.p, test=said, least=least_p(clusters, test), clusters=clusters)


def least_p(clusters: Clusters, found: PairedTest | Replicates) -> float:
    """The smallest p that so many clusters and so many draws allow, however large the difference.

    A draw of few speakers is trusted no further than their exchange.
    """
    if isinstance(found, Replicates):
        finest = 2 / (len(found.drawn[0]) + 1)
    else:
        finest = 1 / (found.drawn + 1) if found.drawn else 0.0
    return max(min(1.0, 2.0 ** (1 - clusters.count)), finest)


def corrected(chances: Sequence[Chance], correction: Correction) -> list[tuple[float, float]]:
    """For each pair its p corrected over all, and the least that its clusters and draws allow."""
    correct = CORRECTIONS[correction]
    floors = [c.least if math.isfinite(c.p) else math.nan for c in chances]
    return list(zip(correct([c.p for c in chances]), correct(floors), strict=True))


def can_tell(floor: float, level: float) -> bool:
    """True if a difference, were it large enough, could be shown."""
    return floor < 1 - level
