"""Values small enough for paper, agreement with scipy and released code, and laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score, mean_absolute_error

from crosstone.errors import CrosstoneError
from crosstone.metrics import classification as c
from crosstone.metrics.regression import (
    STATISTICS,
    regression_scores,
    regression_statistics,
    score_regression,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"

sentiments = st.lists(
    st.tuples(st.integers(-9, 9).map(lambda k: k / 3), st.integers(-40, 40).map(lambda k: k / 10)),
    min_size=3,
    max_size=40,
)


def test_by_hand() -> None:
    target = [-3.0, -1.0, 0.0, 1.0, 2.0]
    value = [-2.0, 0.5, -0.5, 1.4, 4.0]
    scores = score_regression(target, value)
    assert scores["mae"] == pytest.approx((1 + 1.5 + 0.5 + 0.4 + 2) / 5)
    # rounded values -2, 0 (half to even), 0, 1, 3 after clipping
    assert scores["acc7"] == pytest.approx(2 / 5)
    # clipped to [-2, 2]: targets -2 -1 0 1 2, values -2 0 0 1 2
    assert scores["acc5"] == pytest.approx(4 / 5)
    # bins -3 -1 0 1 2 against -2 (since -2 is in [-2, -1)), 1, -1, 2, 3
    assert scores["acc7_sdk"] == pytest.approx(0)
    # below 0 or not: target - - + + +, value - + - + +
    assert scores["acc2_nonneg"] == pytest.approx(3 / 5)
    # zeros out: target - - + +, value - + + +
    assert scores["acc2_nonzero"] == pytest.approx(3 / 4)
    assert scores["f1_nonzero"] == pytest.approx((2 * (2 / 3) + 2 * (4 / 5)) / 4)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(target, value).statistic)


@pytest.mark.parametrize(
    "value, seven, sdk",
    [(-2.0, -2, -2), (-2.1, -2, -3), (-0.5, 0, -1), (0.5, 0, 1), (1.0, 1, 1), (2.5, 2, 3)],
)
def test_rounding_and_sdk_bins_differ(value: float, seven: int, sdk: int) -> None:
    """Targets on whole numbers stand in their own bin of both conventions."""
    for name, expected in (("acc7", seven), ("acc7_sdk", sdk)):
        hits = [score_regression([whole], [value])[name] for whole in range(-3, 4)]
        bins = [w for w, hit in zip(range(-3, 4), hits, strict=True) if hit]
        assert bins == [expected], name


@given(sentiments)
@settings(deadline=None, max_examples=60)
def test_agrees_with_scipy_and_scikit_learn(items: list[tuple[float, float]]) -> None:
    target, value = np.array(items).T
    scores = score_regression(target, value)
    assert scores["mae"] == pytest.approx(mean_absolute_error(target, value))
    if np.ptp(target) > 0 and np.ptp(value) > 0:
        assert scores["pearson"] == pytest.approx(np.corrcoef(target, value)[0, 1], abs=1e-9)
    else:
        assert np.isnan(scores["pearson"])
    f1 = f1_score(target >= 0, value >= 0, average="weighted", zero_division=0)
    assert scores["f1_nonneg"] == pytest.approx(f1)
    told = target != 0
    if told.any():
        sides = target[told] > 0, value[told] > 0
        assert scores["acc2_nonzero"] == pytest.approx((sides[0] == sides[1]).mean())
        f1 = f1_score(*sides, average="weighted", zero_division=0)
        assert scores["f1_nonzero"] == pytest.approx(f1)


@given(sentiments, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_order_does_not_matter(items: list[tuple[float, float]], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = (score_regression(*np.array(x).T) for x in (items, shuffled))
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_a_constant_prediction_has_no_correlation() -> None:
    scores = score_regression([0.1, -1.0, 2.0], [0.1, 0.1, 0.1])
    assert np.isnan(scores["pearson"])
    assert scores["mae"] == pytest.approx((0 + 1.1 + 1.9) / 3)


def test_no_target_but_zero_leaves_the_two_sided_accuracy_undefined() -> None:
    scores = score_regression([0.0, 0.0], [1.0, -1.0])
    assert np.isnan(scores["acc2_nonzero"])
    assert scores["acc2_nonneg"] == 0.5


def test_a_large_offset_keeps_the_digits_of_the_correlation() -> None:
    target = np.array([0.0, 1.0, 2.0, 3.0])
    value = np.array([0.0, 2.0, 1.0, 3.0])
    assert score_regression(target + 1e9, value + 1e9)["pearson"] == pytest.approx(0.8, abs=1e-12)


def test_statistics_of_many_groups_are_scored_at_once() -> None:
    generator = np.random.default_rng(0)
    target, value = generator.normal(size=(2, 12))
    statistics = regression_statistics(target, value)
    assert statistics.shape == (12, len(STATISTICS))
    stacked = regression_scores(np.stack([statistics[:6].sum(0), statistics[6:].sum(0)]))
    for name, both in stacked.items():
        halves = [score_regression(target[s], value[s])[name] for s in (slice(6), slice(6, 12))]
        np.testing.assert_allclose(both, halves, atol=1e-12)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([], []), "expected at least one item, found none"),
        (([1.0], [1.0, 2.0]), r"one shape \(items,\), found \(1,\) and \(2,\)"),
        (([1.0, 2.0], [1.0, np.nan]), r"value: expected finite .* in 1 of 2 items \(first: item 1"),
        (([np.inf, 2.0], [1.0, 1.0]), "target: expected finite"),
    ],
)
def test_wrong_input_is_named(arguments: tuple[list[float], list[float]], message: str) -> None:
    with pytest.raises(CrosstoneError, match=message):
        score_regression(*arguments)


def test_ctal_released_code() -> None:
    golden = json.loads((GOLDEN / "ctal.json").read_text())["sentiment"]
    scores = score_regression(golden["true"], golden["pred"])
    for ours, theirs in (
        ("mae", "mae"),
        ("pearson", "corr"),
        ("acc2_nonzero", "acc_2class"),
        ("f1_nonzero", "f1_2class"),
    ):
        assert scores[ours] == pytest.approx(golden[theirs], abs=1e-12), ours


def test_mult_released_code() -> None:
    """Its F1 has the arguments swapped, which is ours of the transposed counts."""
    golden = json.loads((GOLDEN / "mult.json").read_text())["mosei"]
    target, value = np.array(golden["truth"]), np.array(golden["pred"])
    scores = score_regression(target, value)
    without = golden["results"]["exclude_zero_True"]
    assert scores["mae"] == pytest.approx(without["MAE"], abs=1e-6)  # theirs is in float32
    assert scores["pearson"] == pytest.approx(without["Correlation Coefficient"], abs=1e-6)
    assert scores["acc7"] == pytest.approx(without["mult_acc_7"], abs=1e-12)
    assert scores["acc5"] == pytest.approx(without["mult_acc_5"], abs=1e-12)
    assert scores["acc2_nonzero"] == pytest.approx(without["Accuracy"], abs=1e-12)
    for kept, expected in (
        (target != 0, without),
        (np.ones(len(target), dtype=bool), golden["results"]["exclude_zero_False"]),
    ):
        sides = ((x[kept] > 0).astype(int) for x in (target, value))
        matrix = c.confusion_matrix(*sides, 2)
        assert c.wa(matrix) == pytest.approx(expected["Accuracy"], abs=1e-12)
        assert c.weighted_f1(matrix.T) == pytest.approx(expected["F1 score"], abs=1e-12)
