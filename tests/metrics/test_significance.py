"""Paired tests small enough for paper, corrections against scipy, laws, and how much is needed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    Sample,
    benjamini_hochberg,
    bootstrap_difference,
    classification_scores,
    classification_statistics,
    holm,
    mcnemar,
    needed_items,
    paired_permutation,
)


def sample(
    right: np.ndarray, clusters: np.ndarray, folds: object = None, seeds: object = None
) -> Sample:
    target = np.zeros(len(right), dtype=np.int64)
    statistics = classification_statistics(target, np.where(right, 0, 1), 2)
    folds = np.zeros(len(right), dtype=np.int64) if folds is None else np.asarray(folds)
    return Sample(
        statistics,
        np.asarray(clusters).astype(np.str_),
        folds,
        None if seeds is None else np.asarray(seeds),
    )


def test_mcnemar_by_hand() -> None:
    """Five items told apart, all for the first: 2 · (1/2)^5."""
    first = np.array([1, 1, 1, 1, 1, 1, 0], dtype=bool)
    second = np.array([0, 0, 0, 0, 0, 1, 0], dtype=bool)
    found = mcnemar(first, second)
    assert (found.difference, found.p) == pytest.approx((5 / 7, 2 / 32))
    assert (found.units, found.drawn) == (7, 0)
    # in clusters with a surplus of 3 and of 2: ±5 are two of the four sums
    assert mcnemar(first, second, list("aaabbbb")).p == pytest.approx(2 / 4)
    assert mcnemar(first, first).p == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_mcnemar_is_the_binomial_test_of_scipy(items: list[tuple[bool, bool]]) -> None:
    first, second = (np.array(side) for side in zip(*items, strict=True))
    only = int((first & ~second).sum()), int((~first & second).sum())
    expected = stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
    assert mcnemar(first, second).p == pytest.approx(expected)
    by_item = mcnemar(first, second, np.arange(len(first)))
    assert by_item.p == pytest.approx(expected)
    assert mcnemar(second, first).p == pytest.approx(expected)


def test_mcnemar_of_many_items_keeps_its_digits() -> None:
    first = np.arange(9000) < 4700
    found = mcnemar(first, ~first).p
    assert found == pytest.approx(stats.binomtest(4700, 9000).pvalue)


def test_permutation_by_hand() -> None:
    """Three clusters, accuracies 1 1 1 against 0 0 1/2: sums 2 + 2 + 1, of 8 signs 2 reach 5."""
    clusters = np.repeat(["a", "b", "c"], 2)
    first = sample(np.ones(6, dtype=bool), clusters)
    second = sample(np.array([0, 0, 0, 0, 1, 0], dtype=bool), clusters)
    found = paired_permutation(first, second, classification_scores)["wa"]
    assert (found.difference, found.p) == pytest.approx((5 / 6, 2 / 8))
    assert (found.units, found.drawn) == (3, 0)


def test_permutation_by_item_is_mcnemar() -> None:
    generator = np.random.default_rng(0)
    right = generator.random((2, 300)) < [[0.75], [0.65]]
    one, other = (sample(side, np.arange(300)) for side in right)
    found = paired_permutation(one, other, classification_scores)["wa"]
    assert found.drawn == 10_000
    assert found.p == pytest.approx(mcnemar(*right).p, abs=0.015)


def test_folds_are_averaged_and_exchanged_apart() -> None:
    """A fold of one item counts as much as one of three."""
    clusters = np.array(["a", "b", "b", "b"])
    folds = [0, 1, 1, 1]
    first = sample(np.array([1, 1, 1, 0], dtype=bool), clusters, folds)
    second = sample(np.array([0, 0, 0, 0], dtype=bool), clusters, folds)
    found = paired_permutation(first, second, classification_scores)["wa"]
    assert (found.difference, found.p) == pytest.approx(((1 + 2 / 3) / 2, 2 / 4))
    # other folds in the second: both are pooled
    found = paired_permutation(
        first, sample(np.zeros(4, dtype=bool), clusters), classification_scores
    )["wa"]
    assert found.difference == pytest.approx(3 / 4)


def test_seeds_are_averaged_before_the_exchange() -> None:
    right = np.array([1, 1, 0, 1], dtype=bool)
    clusters = np.array(list("abcd"))
    one = sample(right, clusters)
    two = sample(
        np.concatenate([right, ~right]), np.tile(clusters, 2), None, [0, 0, 0, 0, 1, 1, 1, 1]
    )
    found = paired_permutation(one, two, classification_scores)["wa"]
    assert (found.difference, found.p) == pytest.approx((1 / 4, 10 / 16))  # ± ½ four times


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=15)
def test_a_system_does_not_differ_from_itself(seed: int) -> None:
    right = np.random.default_rng(seed).random(40) < 0.7
    one = sample(right, np.arange(40) % 8)
    found = paired_permutation(one, one, classification_scores)["wa"]
    assert (found.difference, found.p) == (0, 1)
    drawn = bootstrap_difference(one, one, classification_scores)["wa"]
    assert (drawn.observed[0], drawn.p_value()) == (0, 1)


def test_tests_keep_their_level() -> None:
    """Two systems alike within clusters: by cluster about 1 in 20 is called different."""
    generator = np.random.default_rng(7)
    false_claims = np.zeros(4)
    trials = 200
    for _ in range(trials):
        surplus = generator.normal(0, 0.15, (2, 12, 1))  # what each system makes of a speaker
        right = (generator.random((2, 12, 25)) < 0.7 + surplus).reshape(2, -1)
        clusters = np.repeat(np.arange(12), 25)
        one, other = (sample(side, clusters) for side in right)
        false_claims += [
            paired_permutation(one, other, classification_scores)["wa"].p < 0.05,
            mcnemar(*right, clusters).p < 0.05,
            mcnemar(*right).p < 0.05,
            bootstrap_difference(one, other, classification_scores, replicates=300)["wa"].p_value()
            < 0.05,
        ]
    permutation, clustered, by_item, by_bootstrap = false_claims / trials
    assert permutation <= 0.09
    assert clustered <= 0.09
    assert by_item > 0.2  # what forgetting the speakers costs
    assert by_bootstrap <= 0.14


def test_other_clusters_cannot_be_exchanged() -> None:
    right = np.ones(2, dtype=bool)
    with pytest.raises(CrosstoneError, match="same clusters in both systems, found 2 and 1"):
        paired_permutation(
            sample(right, np.array(["a", "b"])),
            sample(right, np.array(["a", "a"])),
            classification_scores,
        )
    with pytest.raises(CrosstoneError, match="mcnemar: expected right or wrong for the same"):
        mcnemar([True], [True, False])


def test_corrections_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.2]
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.2])
    assert benjamini_hochberg(p) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.2])
    with_gap = [0.01, float("nan"), 0.03]
    assert holm(with_gap) == pytest.approx([0.02, float("nan"), 0.03], nan_ok=True)
    assert benjamini_hochberg(with_gap) == pytest.approx([0.02, float("nan"), 0.03], nan_ok=True)
    assert holm([]) == benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_corrections_are_ordered(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    for raw, milder, stricter in zip(p, benjamini_hochberg(p), holm(p), strict=True):
        assert raw - 1e-12 <= milder <= stricter + 1e-12
        assert stricter <= 1


def test_needed_by_hand() -> None:
    """A standard error of 0.01 shows 2.8 times itself; half of that needs four times the data."""
    z = 1.95996398454 + 0.84162123357
    drawn = 1e-4 * 19 / 20  # what 20 draws of 20 show of it
    found = needed_items(z * 0.005, drawn, item_variance=2.375e-5, num_items=1000, num_clusters=20)
    assert (found.items, found.clusters) == pytest.approx((4000, 80), abs=50)
    assert (found.design_effect, found.detectable) == pytest.approx((4, z * 0.01))
    seeds = {"item_variance": 2.5e-5, "num_items": 1000, "num_clusters": 20}
    found = needed_items(z * 0.01, drawn, seed_variance=0.5e-4, **seeds)
    assert found.items == pytest.approx(2000, abs=50)  # rounded up to whole clusters
    assert needed_items(z * 0.005, 1e-4, seed_variance=0.5e-4, **seeds).items is None
    assert needed_items(0.0, 1e-4, **seeds).items is None
    assert needed_items(1.0, 1e-4, **seeds).clusters == 6  # five can give no p below 2 / 32
    assert needed_items(0.1, float("nan"), **seeds).items is None
    assert needed_items(0.1, 0.0, **seeds).clusters == 6  # the same difference in every cluster


def test_what_is_said_to_be_needed_has_the_power() -> None:
    """Data of the needed size shows the difference in about 80 of 100 repetitions."""
    generator = np.random.default_rng(3)

    def draw(speakers: int) -> tuple[Sample, Sample]:
        helped = generator.normal(0.06, 0.1, (speakers, 1))
        clusters = np.repeat(np.arange(speakers), 20)
        right = [(generator.random((speakers, 20)) < 0.6 + gain).ravel() for gain in (helped, 0)]
        return sample(right[0], clusters), sample(right[1], clusters)

    one, other = draw(400)
    options = {"replicates": 400, "seed": 0}
    by_cluster = bootstrap_difference(one, other, classification_scores, **options)["wa"]
    items = [Sample(s.statistics, np.arange(8000).astype(str), s.folds) for s in (one, other)]
    by_item = bootstrap_difference(*items, classification_scores, **options)["wa"]
    found = needed_items(
        0.06,
        by_cluster.variance(),
        item_variance=by_item.variance(),
        num_items=8000,
        num_clusters=400,
    )
    assert found.clusters is not None
    assert 1.2 < found.design_effect < 2
    shown = [
        paired_permutation(*draw(found.clusters), classification_scores, permutations=400)["wa"].p
        < 0.05
        for _ in range(120)
    ]
    assert 0.68 <= np.mean(shown) <= 0.92
