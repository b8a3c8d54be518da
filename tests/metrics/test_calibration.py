"""Calibration by hand, against scikit-learn, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    calibration_scores,
    calibration_statistics,
    ece,
    reliability,
    risk_coverage,
)

TARGET = [0, 1, 1, 0]
PROBABILITIES = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]

tables = st.integers(2, 4).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.integers(0, classes - 1),
            st.lists(st.integers(1, 9), min_size=classes, max_size=classes),
        ),
        min_size=2,
        max_size=40,
    )
)


def arrays(table: list[tuple[int, list[int]]]) -> tuple[np.ndarray, np.ndarray]:
    weights = np.array([row[1] for row in table], dtype=np.float64)
    return np.array([row[0] for row in table]), weights / weights.sum(axis=1, keepdims=True)


def scores(target: object, probabilities: object, bins: int = 15) -> dict[str, float]:
    sums = calibration_statistics(target, probabilities, bins).sum(axis=0)  # type: ignore[arg-type]
    return {name: float(value) for name, value in calibration_scores(sums).items()}


def test_by_hand() -> None:
    found = scores(TARGET, PROBABILITIES, bins=10)
    # confidences 0.9 0.9 (one right), 0.6 (right), 0.7 (wrong), each pair in a bin of its own
    assert found["ece"] == pytest.approx((abs(1.8 - 1) + abs(0.6 - 1) + abs(0.7 - 0)) / 4)
    assert found["ece"] == pytest.approx(ece(TARGET, PROBABILITIES, bins=10))
    assert found["brier"] == pytest.approx(2 * (0.01 + 0.81 + 0.16 + 0.49) / 4)
    assert found["nll"] == pytest.approx(-np.log([0.9, 0.1, 0.6, 0.3]).mean())
    # in order of confidence 0.6 0.7 | 0.9 0.9
    by_mass = ece(TARGET, PROBABILITIES, bins=2, binning="mass")
    assert by_mass == pytest.approx((abs(1.3 - 1) + abs(1.8 - 1)) / 4)


def test_a_confidence_on_an_edge_falls_below_it() -> None:
    """Guo et al. 2017 cut (a, b]: 0.5 of two bins belongs to the first, with 0.4."""
    target, probabilities = [1, 1], [[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]
    assert scores(target, probabilities, bins=2)["ece"] == pytest.approx(abs(0.9 - 1) / 2)


def test_risk_and_coverage_by_hand() -> None:
    """Two items of confidence 0.9, one of them wrong; then 0.7 wrong, then 0.6 right."""
    curve = risk_coverage(TARGET, PROBABILITIES)
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.risk, [1 / 2, 1 / 2, 2 / 3, 1 / 2])
    assert curve.aurc == pytest.approx((1 / 2 + 1 / 2 + 2 / 3 + 1 / 2) / 4)
    assert (curve.at(0.6), curve.at(1.0)) == pytest.approx((2 / 3, 1 / 2))


def test_an_impossible_target_costs_infinity_and_nothing_else() -> None:
    found = scores([0, 1], [[0.0, 1.0], [0.2, 0.8]])
    assert found["nll"] == np.inf
    assert np.isfinite(found["brier"])
    assert np.isfinite(found["ece"])


@given(tables)
@settings(deadline=None, max_examples=50)
def test_agrees_with_scikit_learn(table: list[tuple[int, list[int]]]) -> None:
    target, probabilities = arrays(table)
    found = scores(target, probabilities)
    labels = list(range(probabilities.shape[1]))
    assert found["nll"] == pytest.approx(log_loss(target, probabilities, labels=labels))
    if len(labels) == 2:  # of two classes scikit-learn counts one, which is half
        theirs = brier_score_loss(target, probabilities[:, 1], pos_label=1)
        assert found["brier"] == pytest.approx(2 * theirs)


@given(tables, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_order_does_not_matter(table: list[tuple[int, list[int]]], random: object) -> None:
    shuffled = list(table)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    (t, p), (u, q) = arrays(table), arrays(shuffled)
    assert scores(t, p) == pytest.approx(scores(u, q))
    assert risk_coverage(t, p).aurc == pytest.approx(risk_coverage(u, q).aurc)
    for binning in ("width", "mass"):
        assert ece(t, p, bins=4, binning=binning) == pytest.approx(
            ece(u, q, bins=4, binning=binning)
        )


@given(tables)
@settings(deadline=None, max_examples=40)
def test_ranges(table: list[tuple[int, list[int]]]) -> None:
    target, probabilities = arrays(table)
    found = scores(target, probabilities)
    assert 0 <= found["ece"] <= 1
    assert 0 <= found["brier"] <= 2
    curve = risk_coverage(target, probabilities)
    assert 0 <= curve.aurc <= 1
    guessed = probabilities.argmax(axis=1)
    assert curve.risk[-1] == pytest.approx(np.mean(guessed != target))
    assert ece(target, probabilities, bins=1) == pytest.approx(
        ece(target, probabilities, bins=1, binning="mass")
    )


@pytest.mark.parametrize(
    "target, probabilities, message",
    [
        ([0], [0.5, 0.5], r"found \(1,\) and \(2,\)"),
        ([], np.empty((0, 2)), "at least one"),
        ([0, 2], [[0.5, 0.5]] * 2, "indices from 0 to 1 as targets, found int64 from 0 to 2"),
        ([0, 1], [[0.5, 0.5], [0.9, 0.9]], r"in 1 of 2 rows \(first: row 1\); apply the softmax"),
        ([0], [[np.nan, 1.0]], "sum to 1, found others in 1 of 1 rows"),
    ],
)
def test_wrong_input_is_named(target: object, probabilities: object, message: str) -> None:
    with pytest.raises(CrosstoneError, match=message):
        calibration_statistics(target, probabilities)  # type: ignore[arg-type]


def test_reliability_by_hand() -> None:
    """Confidences .9 (right), .9 (wrong), .6 (right), .7 (wrong) in ten bins."""
    found = reliability(TARGET, PROBABILITIES, 10)
    assert found.confidence.tolist() == pytest.approx([0.6, 0.7, 0.9])
    assert found.accuracy.tolist() == [1, 0, 0.5]
    assert found.count.tolist() == [1, 1, 2]


@given(tables)
def test_the_gaps_of_reliability_are_the_ece(table: list[tuple[int, list[int]]]) -> None:
    target, probabilities = arrays(table)
    found = reliability(target, probabilities)
    gaps = found.count * np.abs(found.confidence - found.accuracy)
    assert gaps.sum() / found.count.sum() == pytest.approx(ece(target, probabilities))
