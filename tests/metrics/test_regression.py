"""Values small enough for paper, agreement with scipy and released code, and laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from scipy import stats
from sklearn.metrics import f1_score, mean_absolute_error

from crosstone.errors import CrosstoneError
from crosstone.metrics import MMSA_NAMES, canonical_name
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
    assert scores["acc7_round"] == pytest.approx(2 / 5)
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
    # above 0 or not, zeros in: target - - - + +, value - + - + +; its upper side: 2 of 3 claims
    assert scores["acc2_positive"] == pytest.approx(4 / 5)
    assert scores["f1_positive_binary"] == pytest.approx(2 * 2 / (2 + 3))
    # support 2 up and 3 down, predictions 3 up and 2 down; F1 of either side is 4 / 5
    assert scores["f1_positive"] == scores["f1_positive_swapped"] == pytest.approx(4 / 5)
    # non-negative: up 2 TP, 1 FN, 1 FP, F1 2/3; down 1 TN, F1 1/2
    assert scores["f1_nonneg"] == pytest.approx((3 * 2 / 3 + 2 / 2) / 5)
    assert scores["f1_nonneg_binary"] == pytest.approx(2 / 3)


def test_concordance_by_hand() -> None:
    """Means 2 and 3, variances 2/3 and 8/3, covariance 4/3: 2 · 4/3 over 2/3 + 8/3 + 1."""
    scores = score_regression([1.0, 2.0, 3.0], [1.0, 3.0, 5.0])
    assert scores["pearson"] == pytest.approx(1)
    assert scores["ccc"] == pytest.approx((8 / 3) / (13 / 3))
    assert score_regression([1.0, 2.0], [1.0, 2.0])["ccc"] == pytest.approx(1)
    assert score_regression([1.0, 2.0], [1.5, 1.5])["ccc"] == 0
    assert np.isnan(score_regression([1.5, 1.5], [1.5, 1.5])["ccc"])


def test_names_of_mmsa_are_understood() -> None:
    """Same definitions as its metricsTop, rounding apart; every alias is a metric that exists."""
    target, value = np.random.default_rng(0).normal(0, 1.5, (2, 200)).round(1)
    scores = score_regression(target, value)
    assert set(MMSA_NAMES.values()) <= set(scores)
    told = target != 0
    theirs = {
        "Has0_acc_2": np.mean((target >= 0) == (value >= 0)),
        "Has0_F1_score": f1_score(target >= 0, value >= 0, average="weighted"),
        "Non0_acc_2": np.mean((target[told] > 0) == (value[told] > 0)),
        "Non0_F1_score": f1_score(target[told] > 0, value[told] > 0, average="weighted"),
        "Mult_acc_5": np.mean(np.round(target.clip(-2, 2)) == np.round(value.clip(-2, 2))),
        "Mult_acc_7": np.mean(np.round(target.clip(-3, 3)) == np.round(value.clip(-3, 3))),
        "MAE": np.abs(target - value).mean(),
        "Corr": np.corrcoef(target, value)[0, 1],
    }
    assert set(theirs) == set(MMSA_NAMES)
    for name, expected in theirs.items():
        assert scores[canonical_name(name)] == pytest.approx(expected, abs=1e-12), name
    assert canonical_name("acc7") == "acc7_round"
    assert canonical_name("ua") == "ua"


@pytest.mark.parametrize(
    "value, seven, sdk",
    [(-2.0, -2, -2), (-2.1, -2, -3), (-0.5, 0, -1), (0.5, 0, 1), (1.0, 1, 1), (2.5, 2, 3)],
)
def test_rounding_and_sdk_bins_differ(value: float, seven: int, sdk: int) -> None:
    """Targets on whole numbers stand in their own bin of both conventions."""
    for name, expected in (("acc7_round", seven), ("acc7_sdk", sdk)):
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
    apart = target.var() + value.var() + (target.mean() - value.mean()) ** 2
    if apart > 1e-9:
        together = np.mean((target - target.mean()) * (value - value.mean()))
        assert scores["ccc"] == pytest.approx(2 * together / apart, abs=1e-9)
    f1 = f1_score(target >= 0, value >= 0, average="weighted", zero_division=0)
    assert scores["f1_nonneg"] == pytest.approx(f1)
    told = target != 0
    if told.any():
        sides = target[told] > 0, value[told] > 0
        assert scores["acc2_nonzero"] == pytest.approx((sides[0] == sides[1]).mean())
        f1 = f1_score(*sides, average="weighted", zero_division=0)
        assert scores["f1_nonzero"] == pytest.approx(f1)
        swapped = f1_score(*sides[::-1], average="weighted", zero_division=0)
        assert scores["f1_nonzero_swapped"] == pytest.approx(swapped)
        if sides[0].any() or sides[1].any():
            assert scores["f1_nonzero_binary"] == pytest.approx(f1_score(*sides, zero_division=0))


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
    golden = json.loads((GOLDEN / "mult.json").read_text())["mosei"]
    scores = score_regression(golden["truth"], golden["pred"])
    for flag, form in (("exclude_zero_True", "nonzero"), ("exclude_zero_False", "positive")):
        expected = golden["results"][flag]
        assert scores["mae"] == pytest.approx(expected["MAE"], rel=1e-5)  # theirs is in float32
        for ours, theirs in (
            ("pearson", "Correlation Coefficient"),
            ("acc7_round", "mult_acc_7"),
            ("acc5", "mult_acc_5"),
            (f"acc2_{form}", "Accuracy"),
            (f"f1_{form}_swapped", "F1 score"),
        ):
            assert scores[ours] == pytest.approx(expected[theirs], abs=1e-12), (flag, ours)


def test_jbls_released_code() -> None:
    """Its loss is logged divided by ln 2; with --eval-metric it drops targets of 0 on loading."""
    golden = json.loads((GOLDEN / "jbls.json").read_text())["values"]
    arrays = load_file(GOLDEN / "jbls_values.safetensors")
    target, value = arrays["target"], arrays["pred"].ravel()
    scores = score_regression(target, value)
    expected = golden["all"]
    assert scores["mae"] == pytest.approx(expected["mae"], rel=1e-5)
    assert scores["mae"] / np.log(2) == pytest.approx(expected["logged_loss_base2"], rel=1e-5)
    assert scores["acc7_round"] == pytest.approx(expected["acc7"], abs=1e-12)
    assert scores["acc2_nonzero"] == pytest.approx(expected["acc2_nonzero"], abs=1e-12)
    assert scores["f1_nonzero"] == pytest.approx(expected["f1_weighted_nonzero"], abs=1e-12)
    dropped = golden["as_with_eval_metric_flag_zero_labels_dropped"]
    told = score_regression(target[target != 0], value[target != 0])
    assert told["mae"] == pytest.approx(dropped["mae"], rel=1e-5)
    assert told["acc7_round"] == pytest.approx(dropped["acc7"], abs=1e-12)
    assert told["acc2_nonneg"] == pytest.approx(dropped["acc2"], abs=1e-12)
