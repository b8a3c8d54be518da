"""What a clustered bootstrap promises: coverage, width, pairing, seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    Interval,
    Sample,
    bootstrap,
    bootstrap_difference,
    classification_scores,
    classification_statistics,
    regression_scores,
    regression_statistics,
)


def sample(
    right: np.ndarray, clusters: np.ndarray | list[str], runs: np.ndarray | list[int] | None = None
) -> Sample:
    """A two-class sample in which row i is right where right[i]; targets alternate."""
    target = np.arange(len(right)) % 2
    predicted = np.where(right, target, 1 - target)
    runs = np.zeros(len(right), dtype=np.int64) if runs is None else np.asarray(runs)
    return Sample(
        classification_statistics(target, predicted, 2), np.asarray(clusters, dtype=np.str_), runs
    )


def clustered(generator: np.random.Generator, groups: int, size: int, spread: float) -> Sample:
    rates = np.clip(generator.normal(0.7, spread, groups), 0, 1)
    right = generator.random((groups, size)) < rates[:, None]
    return sample(right.ravel(), np.repeat(np.arange(groups).astype(str), size))


def test_two_clusters_by_hand() -> None:
    """One cluster all right, one all wrong: replicates are 0, 1/2 or 1."""
    estimate = bootstrap(
        sample(np.array([True, True, False, False]), ["a", "a", "b", "b"]), classification_scores
    )["wa"]
    assert estimate.mean == Interval(0.5, 0.0, 1.0)
    assert estimate.pooled == estimate.mean


def test_the_mean_over_runs_weighs_each_run_once() -> None:
    right = np.array([True] * 2 + [True, False, False, False, False, False])
    runs = [0, 0, 1, 1, 1, 1, 1, 1]
    estimate = bootstrap(
        sample(right, [f"s{i}" for i in range(8)], runs), classification_scores, replicates=50
    )["wa"]
    assert estimate.mean.value == pytest.approx((1 + 1 / 6) / 2)
    assert estimate.pooled.value == pytest.approx(3 / 8)


def test_where_each_run_is_one_cluster_the_mean_varies_as_a_mean_of_runs() -> None:
    """Five folds of one session each: the interval is the bootstrap of five fold values."""
    rates = [0.5, 0.6, 0.7, 0.8, 0.9]
    right = np.concatenate([np.arange(10) < 10 * rate for rate in rates])
    groups = np.repeat(np.arange(5), 10)
    estimate = bootstrap(
        sample(right, groups.astype(str), groups), classification_scores, replicates=4000, seed=1
    )["wa"].mean
    generator = np.random.default_rng(5)
    means = np.mean(generator.choice(rates, (4000, 5)), axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert estimate.value == pytest.approx(0.7)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.021)


def test_the_seed_decides_and_order_does_not() -> None:
    generator = np.random.default_rng(0)
    given_ = clustered(generator, 12, 6, 0.2)
    order = generator.permutation(len(given_.folds))
    shuffled = Sample(given_.statistics[order], given_.clusters[order], given_.folds[order])
    first = bootstrap(given_, classification_scores, replicates=200, seed=3)
    assert bootstrap(shuffled, classification_scores, replicates=200, seed=3) == first
    assert bootstrap(given_, classification_scores, replicates=200, seed=4) != first


def test_covers_the_truth_about_as_often_as_it_says() -> None:
    """Clusters with rates about 0.7: intervals over clusters cover, those over items do not."""
    generator = np.random.default_rng(11)
    covered = np.zeros(2)
    trials = 120
    for trial in range(trials):
        drawn = clustered(generator, 30, 20, 0.15)
        items = Sample(drawn.statistics, np.arange(len(drawn.folds)).astype(np.str_), drawn.folds)
        for kind, one in enumerate((drawn, items)):
            interval = bootstrap(one, classification_scores, replicates=300, seed=trial)["wa"].mean
            covered[kind] += interval.low <= 0.697 <= interval.high  # 0.7 less what clipping takes
    by_cluster, by_item = covered / trials
    assert 0.88 <= by_cluster <= 0.99
    assert by_item < 0.85


def test_clusters_widen_the_interval_where_items_are_alike() -> None:
    drawn = clustered(np.random.default_rng(2), 25, 30, 0.25)
    items = Sample(drawn.statistics, np.arange(len(drawn.folds)).astype(np.str_), drawn.folds)
    wide, narrow = (
        bootstrap(one, classification_scores, replicates=500)["ua"].mean for one in (drawn, items)
    )
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=15)
def test_a_system_differs_from_itself_by_exactly_nothing(seed: int) -> None:
    drawn = clustered(np.random.default_rng(seed), 6, 5, 0.3)
    for found in bootstrap_difference(
        drawn, drawn, classification_scores, replicates=40, seed=seed
    ).values():
        mean = found.estimate().mean
        assert mean == Interval(0.0, 0.0, 0.0)
        assert not mean.excludes(0.0)
        assert (found.p_value(), found.variance()) == (1, 0)


def test_pairing_is_tighter_than_two_intervals() -> None:
    generator = np.random.default_rng(3)
    better = clustered(generator, 30, 20, 0.2)
    worse = Sample(better.statistics.copy(), better.clusters, better.folds)
    flipped = np.arange(0, len(worse.folds), 20)  # one item of each cluster goes wrong
    worse.statistics[flipped] = sample(
        np.zeros(len(flipped), dtype=bool), worse.clusters[flipped], worse.folds[flipped]
    ).statistics
    found = bootstrap_difference(better, worse, classification_scores, replicates=400)["wa"]
    difference = found.estimate()
    alone = bootstrap(better, classification_scores, replicates=400)["wa"].mean
    assert difference.mean.excludes(0.0)
    assert difference.mean.high - difference.mean.low < 0.3 * (alone.high - alone.low)
    assert found.p_value() == pytest.approx(2 / 401)
    back = bootstrap_difference(worse, better, classification_scores, replicates=400)["wa"]
    assert back.estimate().mean.low == pytest.approx(-difference.mean.high)
    assert back.p_value() == found.p_value()


def test_seeds_may_differ_in_number() -> None:
    right = np.array([True, False, True, True])
    clusters = ["a", "b", "c", "d"]
    one = sample(right, clusters)
    two = sample(np.tile(right, 2), clusters * 2, [0] * 4 + [1] * 4)
    found = bootstrap_difference(one, two, classification_scores, replicates=60)["wa"]
    interval = found.estimate().mean
    assert (interval.low, interval.high) == pytest.approx((0, 0))


def with_seeds(rates: list[float], clusters: int = 40) -> Sample:
    """Every seed is right on its own share of each cluster of ten."""
    right = np.concatenate([np.tile(np.arange(10) < 10 * rate, clusters) for rate in rates])
    names = np.repeat(np.arange(clusters).astype(str), 10)
    one = sample(right, np.tile(names, len(rates)))
    seeds = np.repeat(np.arange(len(rates)), clusters * 10)
    return Sample(one.statistics, one.clusters, one.folds, seeds)


def test_seeds_are_drawn_too() -> None:
    """Clusters are all alike, so the interval is that of the mean of three drawn seeds of four."""
    rates = [0.5, 0.6, 0.7, 0.8]
    estimate = bootstrap(with_seeds(rates), classification_scores, replicates=4000)["wa"]
    means = np.random.default_rng(5).choice(rates, (20_000, 3)).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert estimate.mean.value == estimate.pooled.value == pytest.approx(0.65)
    for interval in (estimate.mean, estimate.pooled):
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.026)


def test_seeds_of_a_pair_are_drawn_apart_together_or_not_at_all() -> None:
    one, other = with_seeds([0.5, 0.9]), with_seeds([0.5, 0.9])
    drawn = bootstrap_difference(one, other, classification_scores, replicates=500)["wa"]
    assert drawn.variance() == pytest.approx(2 * np.var([0.5, 0.9], ddof=1) / 2, rel=0.2)
    for same in ("together", "kept"):
        alike = bootstrap_difference(one, other, classification_scores, replicates=500, seeds=same)[
            "wa"
        ]
        assert alike.variance() == pytest.approx(0)
    better = bootstrap_difference(
        with_seeds([0.5, 0.9]),
        with_seeds([0.4, 0.4]),
        classification_scores,
        replicates=500,
        seeds="together",
    )["wa"]
    assert better.variance() == pytest.approx(np.var([0.5, 0.9], ddof=1) / 2, rel=0.2)


def test_unequal_numbers_of_seeds_cannot_be_drawn_together() -> None:
    pair = with_seeds([0.5, 0.9]), with_seeds([0.5, 0.7, 0.9])
    with pytest.raises(CrosstoneError, match=r"draw them together, found 2 and 3; draw them apart"):
        bootstrap_difference(*pair, classification_scores, replicates=10, seeds="together")
    bootstrap_difference(*pair, classification_scores, replicates=10)


def test_other_clusters_cannot_be_paired() -> None:
    right = np.array([True, False])
    with pytest.raises(CrosstoneError, match=r"found 2 in one only \(b, c\)"):
        bootstrap_difference(
            sample(right, ["a", "b"]), sample(right, ["a", "c"]), classification_scores
        )


def test_one_cluster_gives_no_interval() -> None:
    interval = bootstrap(sample(np.array([True, False]), ["a", "a"]), classification_scores)["wa"]
    assert interval.mean.value == 0.5
    assert np.isnan(interval.mean.low)
    assert np.isnan(interval.mean.high)
    assert not interval.mean.excludes(0.0)


def test_an_undefined_value_has_no_interval() -> None:
    statistics = regression_statistics([1.0, 2.0, -1.0], [0.5, 0.5, 0.5])
    estimates = bootstrap(
        Sample(statistics, np.array(["a", "b", "c"]), np.zeros(3, dtype=np.int64)),
        regression_scores,
        replicates=30,
    )
    assert np.isnan(estimates["pearson"].mean.value)
    assert np.isnan(estimates["pearson"].mean.low)
    assert np.isfinite(estimates["mae"].mean.low)


def test_an_undefined_run_leaves_the_mean_undefined() -> None:
    statistics = regression_statistics([1.0, 2.0, -1.0, 1.0], [0.5, 0.5, 0.1, 0.2])
    estimates = bootstrap(
        Sample(statistics, np.array(list("abcd")), np.array([0, 0, 1, 1])),
        regression_scores,
        replicates=30,
    )
    assert np.isnan(estimates["pearson"].mean.value)
    assert np.isfinite(estimates["pearson"].pooled.value)


def test_many_items_are_drawn_in_chunks_without_changing_a_draw() -> None:
    generator = np.random.default_rng(9)
    size = 3000  # 1,000,000 entries a chunk: 333 replicates at once
    estimate = bootstrap(
        sample(generator.random(size) < 0.6, np.arange(size).astype(str)),
        classification_scores,
        replicates=700,
    )["wa"].mean
    deviation = np.sqrt(0.6 * 0.4 / size)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * deviation, rel=0.12)


def test_a_sample_needs_equal_lengths() -> None:
    with pytest.raises(CrosstoneError, match="found 2 rows, 1 clusters, 2 folds"):
        Sample(np.ones((2, 4)), np.array(["a"]), np.zeros(2, dtype=np.int64))
