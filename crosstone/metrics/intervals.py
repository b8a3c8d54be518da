"""How sure a number is: percentile bootstrap over whole clusters, for one system or a pair.

Items of one speaker or session are alike, so replicates draw whole clusters with replacement.
Metrics are functions of summed statistics (see `classification` and `regression`), which makes a
replicate a weighted sum over clusters: 2,000 replicates of 10,000 items are a few matrix products.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]
ScoreFunction = Callable[[Floats], Mapping[str, Floats]]

_MAX_UNDEFINED = 0.05
_CHUNK_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval; NaN ends say that it has none."""

    value: float
    low: float
    high: float

    def excludes(self, x: float) -> bool:
        """True if the interval is defined and x lies outside of it."""
        return self.low > x or self.high < x


@dataclass(frozen=True, slots=True)
class Estimate:
    """One metric as the mean over runs (folds and seeds) and of all rows pooled."""

    mean: Interval
    pooled: Interval


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What one system did: additive statistics of each row, with the row's cluster and run.

    statistics (n, K); clusters (n,) strings; runs (n,) integers, one value per fold and seed.
    """

    statistics: Floats
    clusters: NDArray[np.str_]
    runs: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = {len(self.statistics), len(self.clusters), len(self.runs)}
        if len(lengths) != 1 or 0 in lengths:
            raise CrosstoneError(
                f"sample: expected as many clusters and runs as rows, at least one, found "
                f"{len(self.statistics)} rows, {len(self.clusters)} clusters, {len(self.runs)} runs"
            )


def bootstrap(
    sample: Sample,
    scores: ScoreFunction,
    *,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Every metric of `scores` with its percentile interval over clusters.

    A replicate weighs each run by the share of its clusters that were drawn, so that the interval
    of the mean over runs is right both where a run holds many clusters and where it is one. A mean
    is NaN if one of its runs is. A single cluster, an undefined value, or more than 5 % undefined
    replicates give an interval of NaN.
    """
    names, index = np.unique(sample.clusters, return_inverse=True)
    grouped = _grouped(sample, index)

    def evaluate(weights: Floats) -> dict[str, Floats]:
        return _evaluate(grouped, scores, weights)

    return _estimates(evaluate, len(names), replicates, level, seed)


def bootstrap_difference(
    first: Sample,
    second: Sample,
    scores: ScoreFunction,
    *,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """First minus second, both scored on the same draws of the same clusters.

    Raises CrosstoneError if the samples do not hold the same clusters. The samples may differ in
    their number of seeds.
    """
    names = np.unique(first.clusters)
    if not np.array_equal(names, np.unique(second.clusters)):
        odd = sorted(set(first.clusters.tolist()) ^ set(second.clusters.tolist()))
        raise CrosstoneError(
            f"paired difference: expected the same clusters in both systems, found {len(odd)} in "
            f"one only ({', '.join(odd[:5])}); score both on the same items"
        )
    groups = [_grouped(s, np.searchsorted(names, s.clusters)) for s in (first, second)]

    def difference(weights: Floats) -> dict[str, Floats]:
        one, other = (_evaluate(grouped, scores, weights) for grouped in groups)
        return {metric: one[metric] - other[metric] for metric in one}

    return _estimates(difference, len(names), replicates, level, seed)


def _estimates(
    evaluate: Callable[[Floats], dict[str, Floats]],
    num_clusters: int,
    replicates: int,
    level: float,
    seed: int,
) -> dict[str, Estimate]:
    observed = evaluate(np.ones((1, num_clusters)))
    drawn = [evaluate(weights) for weights in _draws(num_clusters, replicates, seed)]
    return {
        metric: Estimate(
            *(
                _percentile(value[kind, 0], [chunk[metric][kind] for chunk in drawn], level)
                for kind in (0, 1)
            )
        )
        for metric, value in observed.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class _RunSums:
    clusters: NDArray[np.int64]  # (G_run,) positions among all clusters
    sums: Floats  # (G_run, K)


def _grouped(sample: Sample, index: NDArray[np.int64]) -> list[_RunSums]:
    """Per run: which clusters it holds, and the sum of the statistics of each."""
    grouped = []
    for run in np.unique(sample.runs):
        rows = np.flatnonzero(sample.runs == run)
        clusters, position = np.unique(index[rows], return_inverse=True)
        order = np.argsort(position, kind="stable")
        starts = np.searchsorted(position[order], np.arange(len(clusters)))
        sums = np.add.reduceat(sample.statistics[rows[order]], starts, axis=0)
        grouped.append(_RunSums(clusters, sums))
    return grouped


def _evaluate(grouped: list[_RunSums], scores: ScoreFunction, weights: Floats) -> dict[str, Floats]:
    """Each metric (2, R): mean over runs, and pooled, under the weights (R, G) of the clusters."""
    total = np.zeros((len(weights), grouped[0].sums.shape[1]))
    per_run: list[Mapping[str, Floats]] = []
    shares = np.empty((len(grouped), len(weights)))
    for u, run in enumerate(grouped):
        own = weights[:, run.clusters]
        sums = own @ run.sums
        total += sums
        per_run.append(scores(sums))
        shares[u] = own.sum(axis=1) / len(run.clusters)
    pooled = scores(total)
    out = {}
    for metric, value in pooled.items():
        runs = np.stack([s[metric] for s in per_run])
        runs[shares == 0] = 0.0  # not drawn: no weight, whatever its value
        mean = (runs * shares).sum(axis=0) / shares.sum(axis=0)
        out[metric] = np.stack([mean, value])
    return out


def _draws(num_clusters: int, replicates: int, seed: int) -> Iterator[Floats]:
    """How often each cluster was drawn, in chunks of (R, G)."""
    if num_clusters < 2:
        return
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK_ENTRIES // num_clusters)
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        drawn = generator.integers(0, num_clusters, size=(size, num_clusters))
        drawn += np.arange(size)[:, None] * num_clusters
        counts = np.bincount(drawn.ravel(), minlength=size * num_clusters)
        yield counts.reshape(size, num_clusters).astype(np.float64)


def _percentile(value: float, drawn: list[Floats], level: float) -> Interval:
    replicates = np.concatenate(drawn) if drawn else np.empty(0)
    defined = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or defined.size < max(1, (1 - _MAX_UNDEFINED) * replicates.size):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))
