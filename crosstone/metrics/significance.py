"""Whether two systems differ on the same items: paired tests, corrections, and how much data."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError
from crosstone.metrics.intervals import Sample, ScoreFunction

Floats = NDArray[np.float64]

_CHUNK_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A two-sided test of the difference first minus second."""

    difference: float
    p: float
    """NaN where the test is undefined."""
    units: int
    """How many items or clusters the test exchanged or drew."""
    drawn: int = 0
    """How many outcomes were drawn; 0 where every one was counted."""
    pooled: bool = False
    """True if the difference is of all rows pooled, since the systems' folds differ."""


def mcnemar(
    first_right: ArrayLike, second_right: ArrayLike, clusters: ArrayLike | None = None
) -> PairedTest:
    """McNemar's exact test of two accuracies on the same items, by item or by cluster.

    first_right, second_right (n,) bool; the difference is in accuracy. By item it is the binomial
    test of the items that only one got right. By cluster, the two systems are exchanged in whole
    clusters (n,), and the distribution of the surplus of right items is counted exactly.
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise CrosstoneError(
            f"mcnemar: expected right or wrong for the same items, at least one, found "
            f"{first.shape} and {second.shape}"
        )
    surplus = first.astype(np.int64) - second.astype(np.int64)
    if clusters is None:
        told = int((surplus != 0).sum())
        p = _binomial(told, (told - abs(int(surplus.sum()))) // 2)
        return PairedTest(float(surplus.mean()), p, len(surplus))
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    steps = np.bincount(index, surplus, minlength=len(names)).astype(np.int64)
    chances = np.ones(1)  # of the sums -r … r of the steps, each with either sign
    for size in np.abs(steps[steps != 0]).tolist():
        wider = np.zeros(len(chances) + 2 * size)
        wider[: len(chances)] += chances / 2
        wider[2 * size :] += chances / 2
        chances = wider
    distance = np.abs(np.arange(len(chances)) - len(chances) // 2)
    p = min(1.0, float(chances[distance >= abs(int(steps.sum()))].sum()))
    return PairedTest(float(surplus.mean()), p, len(names))


def paired_permutation(
    first: Sample,
    second: Sample,
    scores: ScoreFunction,
    *,
    permutations: int = 10_000,
    seed: int = 0,
) -> dict[str, PairedTest]:
    """Every metric tested by exchanging the two systems in whole clusters, with random signs.

    If the systems were alike, their outputs could be exchanged in any cluster. The statistics of
    several seeds are averaged first, and the metric is the mean over folds; where the systems'
    folds differ, that of all rows pooled. All 2^G exchanges are counted where there are no more
    of them than `permutations`. Raises CrosstoneError if the clusters differ.
    """
    names = np.unique(first.clusters)
    if not np.array_equal(names, np.unique(second.clusters)):
        raise CrosstoneError(
            f"paired permutation: expected the same clusters in both systems, found {len(names)} "
            f"and {len(np.unique(second.clusters))}; score both on the same items"
        )
    one, other = _cells(first, names), _cells(second, names)
    pooled = [cell.place for cell in one] != [cell.place for cell in other]
    if pooled:
        one, other = ([_pooled(cells, len(names))] for cells in (one, other))

    def difference(kept: Floats) -> dict[str, Floats]:
        values: dict[str, Floats] = {}
        for a, b in zip(one, other, strict=True):
            mine = b.sums.sum(axis=0) + kept[:, a.clusters] @ (a.sums - b.sums)
            theirs = a.sums.sum(axis=0) + b.sums.sum(axis=0) - mine
            scored, against = scores(mine), scores(theirs)
            for metric in scored:
                gap = (scored[metric] - against[metric]) / len(one)
                values[metric] = values.get(metric, np.zeros(len(kept))) + gap
        return values

    observed = {metric: float(v[0]) for metric, v in difference(np.ones((1, len(names)))).items()}
    exact = 2 ** len(names) <= permutations
    parts = [difference(kept) for kept in _exchanges(len(names), permutations, exact, seed)]
    tests = {}
    for metric, value in observed.items():
        found = np.abs(np.concatenate([part[metric] for part in parts]))
        p, drawn = _p_value(abs(value), found, exact), 0 if exact else found.size
        tests[metric] = PairedTest(value, p, len(names), drawn, pooled)
    return tests


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values in the order given: below 0.05, the chance of any false claim is.

    NaN stays NaN and is not counted.
    """
    adjusted, order = _ordered(p_values)
    highest = 0.0
    for rank, k in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[k]))
        adjusted[k] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values: the expected share of false claims.

    NaN stays NaN and is not counted.
    """
    adjusted, order = _ordered(p_values)
    lowest = 1.0
    for rank in range(len(order) - 1, -1, -1):
        lowest = min(lowest, p_values[order[rank]] * len(order) / (rank + 1))
        adjusted[order[rank]] = lowest
    return adjusted


@dataclass(frozen=True, slots=True)
class Needed:
    """How much data shows a difference."""

    items: int | None
    """None where no number is enough: no difference, or one that the seeds' spread hides."""
    clusters: int | None
    design_effect: float
    """Variance by cluster over that by item: so many items of clusters are worth one alone."""
    detectable: float
    """The smallest difference that the present data shows with this power."""


def needed_items(
    difference: float,
    variance: float,
    *,
    item_variance: float,
    num_items: int,
    num_clusters: int,
    seed_variance: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
) -> Needed:
    """Whole clusters, as large as the present ones, and their items that show a difference.

    variance: of the paired difference over draws of clusters, at the present size; it falls as
    1 / clusters. G draws of G clusters show only (G - 1) / G of it, which is made good here.
    item_variance: the same had the items been drawn one by one. seed_variance: what the seeds of
    training add, which no further item removes. One two-sided test at 1 - level; never fewer
    clusters than give exchanges enough for it (`fewest_units`).
    """
    normal = NormalDist()
    z = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    effect = variance / item_variance if item_variance > 0 else math.nan
    variance *= num_clusters / (num_clusters - 1) if num_clusters > 1 else math.nan
    detectable = z * math.sqrt(variance + seed_variance)
    left = (difference / z) ** 2 - seed_variance
    if not (math.isfinite(variance) and left > 0):
        return Needed(None, None, effect, detectable)
    clusters = max(fewest_units(level), math.ceil(num_clusters * variance / left))
    return Needed(math.ceil(num_items * clusters / num_clusters), clusters, effect, detectable)


def fewest_units(level: float = 0.95) -> int:
    """How many exchanged units can give a p below 1 - level at all, which is 6 at 0.95."""
    return math.floor(math.log2(2 / (1 - level))) + 1


def _binomial(tosses: int, fewer: int) -> float:
    """Chance that a fair coin falls on one side this seldom or more seldom, on either side."""
    ways = total = 1
    for k in range(1, fewer + 1):
        ways = ways * (tosses - k + 1) // k
        total += ways
    return min(1.0, float(2 * total / (1 << tosses)))


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """One fold of a system, its seeds averaged."""

    clusters: NDArray[np.int64]  # (G_fold,) positions among all clusters
    sums: Floats  # (G_fold, K)
    place: tuple[tuple[int, float], ...]  # its clusters with their numbers of items


def _cells(sample: Sample, names: NDArray[np.str_]) -> list[_Cell]:
    index = np.searchsorted(names, sample.clusters)
    cells = []
    for fold in np.unique(sample.folds):
        rows = np.flatnonzero(sample.folds == fold)
        clusters, position, counts = np.unique(index[rows], return_inverse=True, return_counts=True)
        sums = np.zeros((len(clusters), sample.statistics.shape[1]))
        np.add.at(sums, position, sample.statistics[rows])
        seeds = 1 if sample.seeds is None else len(np.unique(sample.seeds[rows]))
        place = tuple(zip(clusters.tolist(), (counts / seeds).tolist(), strict=True))
        cells.append(_Cell(clusters, sums / seeds, place))
    return sorted(cells, key=lambda cell: cell.place)


def _pooled(cells: Sequence[_Cell], num_clusters: int) -> _Cell:
    total = np.zeros((num_clusters, cells[0].sums.shape[1]))
    for cell in cells:
        total[cell.clusters] += cell.sums
    return _Cell(np.arange(num_clusters), total, ())


def _exchanges(count: int, permutations: int, exact: bool, seed: int) -> Iterator[Floats]:
    """1 where a cluster keeps its systems, 0 where they are exchanged, in chunks of (P, G)."""
    if exact:
        codes = np.arange(2**count)[:, None] >> np.arange(count)
        yield (codes & 1).astype(np.float64)
        return
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK_ENTRIES // count)
    for start in range(0, permutations, rows):
        size = min(rows, permutations - start)
        yield generator.integers(0, 2, (size, count)).astype(np.float64)


def _p_value(observed: float, drawn: Floats, exact: bool) -> float:
    """Share of exchanges at least as far from 0; a drawn sample counts the observed one too."""
    if not math.isfinite(observed) or not np.isfinite(drawn).all():
        return math.nan
    beyond = int((drawn >= observed - 1e-12 * max(1.0, observed)).sum())
    return beyond / drawn.size if exact else (beyond + 1) / (drawn.size + 1)


def _ordered(p_values: Sequence[float]) -> tuple[list[float], list[int]]:
    defined = [k for k, p in enumerate(p_values) if math.isfinite(p)]
    return [math.nan] * len(p_values), sorted(defined, key=lambda k: p_values[k])
