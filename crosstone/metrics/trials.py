"""How sure an error rate of trials is, whose two sides belong to speakers that return elsewhere.

Trials are not independent: one speaker stands in many. A replicate draws speakers with replacement.
A trial of one speaker counts as often as that speaker was drawn, a trial of two as often as the
product of both draws: that is how often it would occur if every drawn speaker were a person of
its own. Trials between two copies of one speaker would be neither kind and do not occur.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CrosstoneError
from crosstone.metrics.intervals import Estimate, Replicates, SeedDraws, mean_over_runs, resample
from crosstone.metrics.verification import Ranking

Floats = NDArray[np.float64]

P_TARGET = 0.01
"""Prior of a target trial in the `min_dcf` of tables, with both costs 1 (NIST)."""

_CHUNK_ENTRIES = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class TrialSample:
    """What one system did: the scores of n trials, with the speakers of both sides.

    target (n,) bool; scores (n,); enrol, test (n,) speakers, equal where target is True; folds,
    seeds (n,) integers. A run is a fold of a seed; each needs trials of both kinds.
    """

    target: NDArray[np.bool_]
    scores: Floats
    enrol: NDArray[np.str_]
    test: NDArray[np.str_]
    folds: NDArray[np.int64]
    seeds: NDArray[np.int64]

    def __post_init__(self) -> None:
        wrong = np.flatnonzero((self.enrol == self.test) != self.target)
        if wrong.size:
            raise CrosstoneError(
                f"trials: expected one speaker on both sides of a target trial and two otherwise, "
                f"found {wrong.size} others (first: trial {wrong[0]}, {self.enrol[wrong[0]]} and "
                f"{self.test[wrong[0]]}, target {bool(self.target[wrong[0]])})"
            )

    @property
    def speakers(self) -> NDArray[np.str_]:
        """All speakers, sorted."""
        return np.union1d(self.enrol, self.test)

    @property
    def num_seeds(self) -> int:
        """How many seeds there are."""
        return len(np.unique(self.seeds))


def trial_scores(sample: TrialSample) -> list[dict[str, float]]:
    """`eer` and `min_dcf` of each run, in the order of folds, then seeds."""
    runs = _ranked(sample, sample.speakers)
    ones = np.ones((1, len(sample.speakers)))
    return [{name: float(v[0]) for name, v in run.scores(ones).items()} for run in runs]


def bootstrap_trials(
    sample: TrialSample, *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Estimate]:
    """`eer` and `min_dcf` with percentile intervals over speakers and seeds.

    The pooled value ranks the trials of all runs together, under one threshold. NaN ends as in
    `intervals.bootstrap`.
    """
    speakers = sample.speakers
    system = _System(sample, speakers)
    drawn = resample(
        lambda weights, seeds: system.evaluate(weights, seeds[0]),
        len(speakers),
        [sample.num_seeds],
        replicates=replicates,
        seed=seed,
    )
    return {metric: found.estimate(level) for metric, found in drawn.items()}


def bootstrap_trials_difference(
    first: TrialSample,
    second: TrialSample,
    *,
    replicates: int = 1000,
    seed: int = 0,
    seeds: SeedDraws = "apart",
) -> dict[str, Replicates]:
    """First minus second, both scored on the same draws of speakers.

    Raises CrosstoneError if the samples do not hold the same speakers.
    """
    speakers = first.speakers
    if not np.array_equal(speakers, second.speakers):
        odd = sorted(set(speakers.tolist()) ^ set(second.speakers.tolist()))
        raise CrosstoneError(
            f"paired difference: expected the same speakers in both systems, found {len(odd)} in "
            f"one only ({', '.join(odd[:5])}); score both on the same trials"
        )
    one, other = _System(first, speakers), _System(second, speakers)

    def difference(weights: Floats, counts: Sequence[Floats]) -> dict[str, Floats]:
        here, there = one.evaluate(weights, counts[0]), other.evaluate(weights, counts[1])
        return {metric: here[metric] - there[metric] for metric in here}

    return resample(
        difference,
        len(speakers),
        [first.num_seeds, second.num_seeds],
        replicates=replicates,
        seed=seed,
        seeds=seeds,
    )


class _Run:
    """One run's trials in the order of their scores."""

    def __init__(self, sample: TrialSample, rows: NDArray[np.int64], speakers: NDArray[np.str_]):
        self.ranking = Ranking(sample.target[rows], sample.scores[rows])
        ranked = rows[self.ranking.order]
        self.enrol = np.searchsorted(speakers, sample.enrol[ranked])
        self.test = np.searchsorted(speakers, sample.test[ranked])
        self.seed = np.searchsorted(np.unique(sample.seeds), sample.seeds[ranked])
        self.members = np.union1d(self.enrol, self.test)

    def scores(self, weights: Floats, seeds: Floats | None = None) -> dict[str, Floats]:
        """Each metric (R,) under weights (R, G) of the speakers, and (R, S) of the seeds."""
        parts = []
        rows = max(1, _CHUNK_ENTRIES // len(self.enrol))
        for start in range(0, len(weights), rows):
            chunk = weights[start : start + rows]
            ranked = chunk[:, self.enrol]
            np.multiply(ranked, chunk[:, self.test], out=ranked, where=~self.ranking.target)
            if seeds is not None:
                ranked *= seeds[start : start + rows][:, self.seed]
            rates = self.ranking.rates(ranked)
            parts.append((rates.eer(), rates.min_dcf(P_TARGET, 1.0, 1.0)))
        eer, min_dcf = (np.concatenate(values) for values in zip(*parts, strict=True))
        return {"eer": eer, "min_dcf": min_dcf}


class _System:
    """All runs of one system, each ranked once, and all of them ranked together."""

    def __init__(self, sample: TrialSample, speakers: NDArray[np.str_]):
        self.runs = _ranked(sample, speakers)
        everything = np.arange(len(sample.scores))
        self.pooled = self.runs[0] if len(self.runs) == 1 else _Run(sample, everything, speakers)

    def evaluate(self, weights: Floats, seeds: Floats) -> dict[str, Floats]:
        """Each metric (2, R): mean over runs, and pooled."""
        per_run = [run.scores(weights) for run in self.runs]
        shares = np.stack(
            [
                seeds[:, run.seed[0]] * weights[:, run.members].sum(axis=1) / len(run.members)
                for run in self.runs
            ]
        )
        pooled = per_run[0] if len(self.runs) == 1 else self.pooled.scores(weights, seeds)
        return mean_over_runs(per_run, shares, pooled)


def _ranked(sample: TrialSample, speakers: NDArray[np.str_]) -> list[_Run]:
    keys = np.stack([sample.folds, sample.seeds], axis=1)
    runs, run_of_row = np.unique(keys, axis=0, return_inverse=True)
    return [
        _Run(sample, np.flatnonzero(run_of_row.ravel() == u), speakers) for u in range(len(runs))
    ]
