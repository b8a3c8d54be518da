"""How sure a number is: percentile bootstrap over whole clusters and seeds, for one or a pair.

Items of one speaker or session are alike, so replicates draw whole clusters with replacement, and
the seeds of training where there are several. Metrics are functions of summed statistics (see
`classification` and `regression`), which makes a replicate a weighted sum over clusters: 2,000
replicates of 10,000 items are a few matrix products. Of S seeds, S - 1 are drawn: S draws of so few
would show only (S - 1) / S of their variance.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]
ScoreFunction = Callable[[Floats], Mapping[str, Floats]]
Evaluate = Callable[[Floats, Sequence[Floats]], Mapping[str, Floats]]
SeedDraws = Literal["apart", "together", "kept"]
"""How the seeds of two systems are drawn: each on their own, since they are different trainings;
the same of both, which are one training read in two ways; or not at all."""


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
class Replicates:
    """One metric as observed, and in every replicate; the mean over runs, then pooled."""

    observed: Floats
    """(2,)"""
    drawn: Floats
    """(2, R)"""

    def estimate(self, level: float = 0.95) -> Estimate:
        """The percentile intervals.

        An undefined value, no replicate, or more than 5 % undefined ones give NaN ends.
        """
        return Estimate(*(self._interval(kind, level) for kind in (0, 1)))

    def variance(self) -> float:
        """Variance of the mean over runs; NaN where it has no interval."""
        drawn = self._defined(0)
        return float(drawn.var(ddof=1)) if drawn.size > 1 else float("nan")

    def p_value(self) -> float:
        """Twice the smaller share of replicates on one side of 0, of the mean over runs.

        NaN where it has no interval; never below 2 / (R + 1).
        """
        drawn = self._defined(0)
        if not drawn.size:
            return float("nan")
        beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
        return min(1.0, 2 * (beyond + 1) / (drawn.size + 1))

    def _interval(self, kind: int, level: float) -> Interval:
        drawn, value = self._defined(kind), float(self.observed[kind])
        if not drawn.size:
            return Interval(value, float("nan"), float("nan"))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return Interval(value, float(low), float(high))

    def _defined(self, kind: int) -> Floats:
        defined = self.drawn[kind][np.isfinite(self.drawn[kind])]
        enough = defined.size >= max(1, (1 - _MAX_UNDEFINED) * self.drawn.shape[1])
        return defined if enough and np.isfinite(self.observed[kind]) else np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What one system did: additive statistics of each row, with its cluster, fold and seed.

    statistics (n, K); clusters (n,) strings; folds (n,) integers; seeds (n,) integers, None for
    one. A run is a fold of a seed.
    """

    statistics: Floats
    clusters: NDArray[np.str_]
    folds: NDArray[np.int64]
    seeds: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.statistics), len(self.clusters), len(self.folds)}
        if self.seeds is not None:
            lengths.add(len(self.seeds))
        if len(lengths) != 1 or 0 in lengths:
            raise CrosstoneError(
                f"sample: expected as many clusters, folds and seeds as rows, at least one, found "
                f"{len(self.statistics)} rows, {len(self.clusters)} clusters, {len(self.folds)} "
                f"folds{'' if self.seeds is None else f', {len(self.seeds)} seeds'}"
            )

    @property
    def num_seeds(self) -> int:
        """How many seeds there are."""
        return 1 if self.seeds is None else len(np.unique(self.seeds))


def bootstrap(
    sample: Sample,
    scores: ScoreFunction,
    *,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Every metric of `scores` with its percentile interval over clusters and seeds.

    A replicate weighs each run by the share of its clusters that were drawn, so that the interval
    of the mean over runs is right both where a run holds many clusters and where it is one, and by
    how often its seed was drawn. A mean is NaN if one of its runs is. A single cluster, an
    undefined value, or more than 5 % undefined replicates give an interval of NaN.
    """
    drawn = bootstrap_replicates(sample, scores, replicates=replicates, seed=seed)
    return {metric: found.estimate(level) for metric, found in drawn.items()}


def bootstrap_replicates(
    sample: Sample, scores: ScoreFunction, *, replicates: int = 2000, seed: int = 0
) -> dict[str, Replicates]:
    """Every metric of `scores` in every replicate of `bootstrap`."""
    names, index = np.unique(sample.clusters, return_inverse=True)
    grouped = _grouped(sample, index)

    def evaluate(weights: Floats, seeds: Sequence[Floats]) -> Mapping[str, Floats]:
        return _evaluate(grouped, scores, weights, seeds[0])

    return resample(evaluate, len(names), [sample.num_seeds], replicates=replicates, seed=seed)


def bootstrap_difference(
    first: Sample,
    second: Sample,
    scores: ScoreFunction,
    *,
    replicates: int = 2000,
    seed: int = 0,
    seeds: SeedDraws = "apart",
) -> dict[str, Replicates]:
    """First minus second, both scored on the same draws of the same clusters.

    The samples may differ in their number of seeds, unless those are drawn together. Raises
    CrosstoneError if the samples do not hold the same clusters.
    """
    names = np.unique(first.clusters)
    if not np.array_equal(names, np.unique(second.clusters)):
        odd = sorted(set(first.clusters.tolist()) ^ set(second.clusters.tolist()))
        raise CrosstoneError(
            f"paired difference: expected the same clusters in both systems, found {len(odd)} in "
            f"one only ({', '.join(odd[:5])}); score both on the same items"
        )
    groups = [_grouped(s, np.searchsorted(names, s.clusters)) for s in (first, second)]

    def difference(weights: Floats, counts: Sequence[Floats]) -> Mapping[str, Floats]:
        one, other = (
            _evaluate(grouped, scores, weights, drawn)
            for grouped, drawn in zip(groups, counts, strict=True)
        )
        return {metric: one[metric] - other[metric] for metric in one}

    return resample(
        difference,
        len(names),
        [first.num_seeds, second.num_seeds],
        replicates=replicates,
        seed=seed,
        seeds=seeds,
    )


def resample(
    evaluate: Evaluate,
    num_clusters: int,
    num_seeds: Sequence[int],
    *,
    replicates: int,
    seed: int,
    seeds: SeedDraws = "apart",
) -> dict[str, Replicates]:
    """What `evaluate` gives as observed and for every draw of clusters and of each system's seeds.

    evaluate: how often each cluster counts (R, G), and for each system how often each of its seeds
    does (R, S) → each metric (2, R), mean over runs and pooled. A single cluster is not drawn.
    Raises CrosstoneError for seeds that are drawn together and are not as many.
    """
    if seeds == "together" and len(set(num_seeds)) > 1:
        raise CrosstoneError(
            "paired difference: expected as many seeds of each system, to draw them together, "
            f"found {' and '.join(map(str, num_seeds))}; draw them apart, or score the same seeds"
        )
    places = [0] * len(num_seeds) if seeds == "together" else range(len(num_seeds))
    seed_draws = [np.random.default_rng([seed, 1 + k]) for k in places]
    observed = evaluate(np.ones((1, num_clusters)), [np.ones((1, s)) for s in num_seeds])
    drawn: dict[str, list[Floats]] = {metric: [] for metric in observed}
    for weights in _draws(np.random.default_rng(seed), num_clusters, replicates):
        counts = [
            np.ones((len(weights), s))
            if seeds == "kept"
            else _counts(generator, s, len(weights), max(1, s - 1))
            for s, generator in zip(num_seeds, seed_draws, strict=True)
        ]
        for metric, values in evaluate(weights, counts).items():
            drawn[metric].append(values)
    return {
        metric: Replicates(value[:, 0], np.concatenate([np.empty((2, 0)), *drawn[metric]], axis=1))
        for metric, value in observed.items()
    }


def mean_over_runs(
    runs: Sequence[Mapping[str, Floats]], shares: Floats, pooled: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Each metric (2, R): the mean of the runs (R,) by their shares (runs, R), and the pooled."""
    out = {}
    for metric, value in pooled.items():
        values = np.stack([run[metric] for run in runs])
        values[shares == 0] = 0.0  # not drawn: no weight, whatever its value
        with np.errstate(invalid="ignore"):
            out[metric] = np.stack([(values * shares).sum(axis=0) / shares.sum(axis=0), value])
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _RunSums:
    clusters: NDArray[np.int64]  # (G_run,) positions among all clusters
    sums: Floats  # (G_run, K)
    seed: int  # position among the seeds


def _grouped(sample: Sample, index: NDArray[np.int64]) -> list[_RunSums]:
    """Per run: which clusters it holds, and the sum of the statistics of each."""
    seeds = np.zeros_like(sample.folds) if sample.seeds is None else sample.seeds
    seed_names = np.unique(seeds).tolist()
    grouped = []
    for fold, seed in np.unique(np.stack([sample.folds, seeds], axis=1), axis=0):
        rows = np.flatnonzero((sample.folds == fold) & (seeds == seed))
        clusters, position = np.unique(index[rows], return_inverse=True)
        order = np.argsort(position, kind="stable")
        starts = np.searchsorted(position[order], np.arange(len(clusters)))
        sums = np.add.reduceat(sample.statistics[rows[order]], starts, axis=0)
        grouped.append(_RunSums(clusters, sums, seed_names.index(seed)))
    return grouped


def _evaluate(
    grouped: list[_RunSums], scores: ScoreFunction, weights: Floats, seeds: Floats
) -> dict[str, Floats]:
    """Each metric (2, R): mean over runs, and pooled, under the weights of clusters and seeds."""
    total = np.zeros((len(weights), grouped[0].sums.shape[1]))
    per_run: list[Mapping[str, Floats]] = []
    shares = np.empty((len(grouped), len(weights)))
    for u, run in enumerate(grouped):
        own = weights[:, run.clusters]
        sums = own @ run.sums
        total += seeds[:, run.seed, None] * sums
        per_run.append(scores(sums))
        shares[u] = seeds[:, run.seed] * own.sum(axis=1) / len(run.clusters)
    return mean_over_runs(per_run, shares, scores(total))


def _draws(generator: np.random.Generator, num_clusters: int, replicates: int) -> Iterator[Floats]:
    """How often each cluster was drawn, in chunks of (R, G)."""
    if num_clusters < 2:
        return
    rows = max(1, _CHUNK_ENTRIES // num_clusters)
    for start in range(0, replicates, rows):
        yield _counts(generator, num_clusters, min(rows, replicates - start), num_clusters)


def _counts(generator: np.random.Generator, amount: int, rows: int, draws: int) -> Floats:
    """How often each of so many was drawn in so many draws with replacement, by row."""
    drawn = generator.integers(0, amount, size=(rows, draws))
    drawn += np.arange(rows)[:, None] * amount
    counts = np.bincount(drawn.ravel(), minlength=rows * amount)
    return counts.reshape(rows, amount).astype(np.float64)
