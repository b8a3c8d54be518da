"""Two systems on the same items: their difference in every draw, and its tests."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    PairedTest,
    Replicates,
    Sample,
    SeedDraws,
    TrialSample,
    bootstrap_difference,
    bootstrap_trials_difference,
    fewest_units,
    mcnemar,
    paired_permutation,
    predicted_classes,
)
from crosstone.metrics.intervals import ScoreFunction
from crosstone.scoring.clusters import Clusters, exchangeable
from crosstone.scoring.measures import statistics_of
from crosstone.scoring.predictions import Predictions
from crosstone.scoring.score import Scores
from crosstone.scoring.trials import Trials


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """First against second, row by row in the same clusters."""

    first: Scores
    second: Scores
    clusters: Clusters
    """The first's, or those of a unit that is not too few to be exchanged."""
    rows: tuple[Sample, Sample] | None
    """None for trials."""
    trials: tuple[TrialSample, TrialSample] | None
    """None for rows."""
    scores: ScoreFunction
    """Makes metrics of summed statistics of rows."""

    def replicates(self, *, seeds: SeedDraws = "apart") -> dict[str, Replicates]:
        """First minus second in every metric, both on the same draws of clusters."""
        if self.trials is not None:
            return bootstrap_trials_difference(
                *self.trials,
                replicates=self.first.replicates,
                seed=self.first.seed,
                seeds=seeds,
            )
        assert self.rows is not None
        return self._drawn(*self.rows, seeds)

    def by_item(self) -> dict[str, Replicates]:
        """The same with items drawn one by one and seeds as they are; empty for trials."""
        if self.rows is None:
            return {}
        ids = [np.array(s.predictions.ids, dtype=np.str_) for s in (self.first, self.second)]
        one, other = (
            dataclasses.replace(sample, clusters=names)
            for sample, names in zip(self.rows, ids, strict=True)
        )
        return self._drawn(one, other, "kept")

    def permutation(self) -> dict[str, PairedTest]:
        """Every metric tested by exchanging whole clusters; empty for trials.

        Scores of trials stand on scales of their own and cannot be exchanged.
        """
        if self.rows is None:
            return {}
        return paired_permutation(*self.rows, self.scores, seed=self.first.seed)

    def _drawn(self, one: Sample, other: Sample, seeds: SeedDraws) -> dict[str, Replicates]:
        return bootstrap_difference(
            one,
            other,
            self.scores,
            replicates=self.first.replicates,
            seed=self.first.seed,
            seeds=seeds,
        )

    def mcnemar(self) -> PairedTest | None:
        """The exact test of accuracy by cluster; None without classes or with several seeds."""
        right = []
        for scores in (self.first, self.second):
            columns = scores.predictions
            if isinstance(columns, Trials) or not columns.labels:
                return None
            if len(set(columns.ids)) < len(columns.ids):
                return None
            hits = predicted_classes(columns.outputs) == columns.target
            right.append(dict(zip(columns.ids, hits.tolist(), strict=True)))
        ids = list(right[0])
        cluster_of = dict(
            zip(self.first.predictions.ids, self.clusters.names.tolist(), strict=True)
        )
        return mcnemar(
            [right[0][item] for item in ids],
            [right[1][item] for item in ids],
            [cluster_of[item] for item in ids],
        )


def pair_scores(first: Scores, second: Scores, names: tuple[str, str]) -> Pair:
    """The two as a pair; raises CrosstoneError unless they predicted the same of the same items.

    names: what they are called in errors.
    """
    one, other = first.predictions, second.predictions
    said = f"{names[0]} and {names[1]} are not paired"
    if one.task != other.task:
        raise CrosstoneError(f"{said}: one is {one.task}, the other {other.task}")
    facts = [dict(zip(p.ids, p.target.tolist(), strict=True)) for p in (one, other)]
    odd = set(facts[0]) ^ set(facts[1])
    if odd:
        raise CrosstoneError(
            f"{said}: {len(odd)} of {len(set(facts[0]) | set(facts[1]))} items were scored for one "
            "of them only"
        )
    moved = sum(facts[0][item] != facts[1][item] for item in facts[0])
    if moved or one.labels != other.labels:
        raise CrosstoneError(f"{said}: {moved} of {len(facts[0])} targets differ")
    if isinstance(one, Trials) or isinstance(other, Trials):
        assert isinstance(first.sample, TrialSample)
        assert isinstance(second.sample, TrialSample)
        samples = (first.sample, second.sample)
        return Pair(first, second, first.clusters, None, samples, lambda sums: {})
    return _pair_of_rows(first, second, one, other)


def _pair_of_rows(first: Scores, second: Scores, one: Predictions, other: Predictions) -> Pair:
    if one.is_graded != other.is_graded:  # of one, only labels are known
        one, other = (dataclasses.replace(p, is_graded=False) for p in (one, other))
    one, other = (dataclasses.replace(p, uncalibrated=None) for p in (one, other))
    statistics, scores, _ = statistics_of(one)
    against, _, _ = statistics_of(other)
    chosen = exchangeable(first.clusters, one, fewest_units(first.level))
    cluster_of = dict(zip(one.ids, chosen.names.tolist(), strict=True))
    clusters = np.array([cluster_of[item] for item in other.ids], dtype=np.str_)
    samples = (
        Sample(statistics, chosen.names, one.folds, one.seeds),
        Sample(against, clusters, other.folds, other.seeds),
    )
    return Pair(first, second, chosen, samples, None, scores)
