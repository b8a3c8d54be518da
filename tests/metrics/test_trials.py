"""The bootstrap over speakers of trials: weights by hand, coverage, pairing."""

import numpy as np
import pytest

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    TrialSample,
    bootstrap_trials,
    bootstrap_trials_difference,
    eer,
    trial_scores,
)
from crosstone.metrics.trials import _System


def make(
    generator: np.random.Generator, speakers: int = 20, each: int = 4, spread: float = 0.0
) -> TrialSample:
    """All pairs of a few recordings; a speaker's own closeness moves all trials of that speaker."""
    names = np.repeat([f"s{k:02}" for k in range(speakers)], each)
    closeness = np.repeat(generator.normal(0, spread, speakers), each)
    one, other = np.triu_indices(len(names), 1)
    target = names[one] == names[other]
    scores = generator.normal(size=len(one)) + 2.5 * target
    scores += np.where(target, closeness[one], (closeness[one] + closeness[other]) / 2)
    zeros = np.zeros(len(one), dtype=np.int64)
    return TrialSample(target, scores, names[one], names[other], zeros, zeros)


def test_a_replicate_weighs_a_trial_by_its_speakers() -> None:
    """Speaker a drawn twice, b once, c never: target trials count 2 and 1, a with b counts 2."""
    enrol = np.array(["a", "b", "c", "a", "a", "b"])
    test = np.array(["a", "b", "c", "b", "c", "c"])
    scores = np.array([3.0, 0.5, 9.0, 1.0, 9.0, 9.0])
    zeros = np.zeros(6, dtype=np.int64)
    sample = TrialSample(enrol == test, scores, enrol, test, zeros, zeros)
    found = _System(sample, sample.speakers).evaluate(np.array([[2.0, 1.0, 0.0]]), np.ones((1, 1)))
    repeated = eer([True, True, True, False, False], [3.0, 3.0, 0.5, 1.0, 1.0])
    assert found["eer"] == pytest.approx(np.full((2, 1), repeated))


def test_runs_have_a_mean_and_a_pooled_value() -> None:
    one = make(np.random.default_rng(0))
    moved = TrialSample(
        np.tile(one.target, 2),
        np.concatenate([one.scores, -one.scores + 7]),
        np.tile(one.enrol, 2),
        np.tile(one.test, 2),
        np.zeros(2 * len(one.scores), dtype=np.int64),
        np.repeat([0, 1], len(one.scores)),
    )
    runs = trial_scores(moved)
    alone = eer(one.target, one.scores)
    assert [run["eer"] for run in runs] == pytest.approx([alone, 1 - alone])
    found = bootstrap_trials(moved, replicates=20)["eer"]
    assert found.mean.value == pytest.approx(0.5)
    assert found.pooled.value == pytest.approx(eer(moved.target, moved.scores))
    assert found.mean.low < 0.4 < 0.6 < found.mean.high  # the seeds are drawn


def test_covers_the_truth_where_drawing_trials_would_not() -> None:
    """Target scores N(2.5, 2), others N(0, 1.5): both rates are Φ(-0.947) at 1.16."""
    truth, trials = 0.1717, 60
    covered = np.zeros(2)
    for seed in range(trials):
        generator = np.random.default_rng(seed)
        sample = make(generator, spread=1.0)
        interval = bootstrap_trials(sample, replicates=150, seed=seed)["eer"].mean
        drawn = generator.integers(0, len(sample.scores), (40, len(sample.scores)))
        by_trial = [eer(sample.target[rows], sample.scores[rows]) for rows in drawn]
        low, high = np.quantile(by_trial, [0.025, 0.975])
        covered += [interval.low <= truth <= interval.high, low <= truth <= high]
    by_speaker, by_trial_share = covered / trials
    assert 0.8 <= by_speaker <= 0.99
    assert by_trial_share < by_speaker - 0.08


def test_a_pair_is_tighter_than_two_intervals() -> None:
    generator = np.random.default_rng(5)
    worse = make(generator, spread=1.0)
    better = TrialSample(
        worse.target,
        worse.scores + 0.5 * worse.target,
        worse.enrol,
        worse.test,
        worse.folds,
        worse.seeds,
    )
    found = bootstrap_trials_difference(better, worse, replicates=200)["eer"]
    interval = found.estimate().mean
    alone = bootstrap_trials(worse, replicates=200)["eer"].mean
    assert interval.high < 0
    assert interval.high - interval.low < 0.6 * (alone.high - alone.low)
    nothing = bootstrap_trials_difference(worse, worse, replicates=50)["min_dcf"]
    assert nothing.variance() == 0


def test_wrong_speakers_are_named() -> None:
    one = make(np.random.default_rng(0), speakers=4)
    with pytest.raises(CrosstoneError, match=r"found 6 others \(first: trial 0, s00 and s00"):
        TrialSample(
            one.target & (one.enrol != "s00"),
            one.scores,
            one.enrol,
            one.test,
            one.folds,
            one.seeds,
        )
    with pytest.raises(CrosstoneError, match=r"found 1 in one only \(s04\)"):
        bootstrap_trials_difference(one, make(np.random.default_rng(0), speakers=5))
