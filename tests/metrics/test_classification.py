"""Counts small enough for paper, agreement with scikit-learn and released code, and laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from crosstone.errors import CrosstoneError
from crosstone.metrics import classification as c

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
# targets a a a a, b b, c; predictions a a a b, b c, c
BY_HAND = c.confusion_matrix([0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 2, 2], 3)

pairs = st.integers(2, 5).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=40),
    )
)


def split(items: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(items)
    return table[:, 0], table[:, 1]


def test_by_hand() -> None:
    assert BY_HAND.tolist() == [[3, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert c.wa(BY_HAND) == pytest.approx(5 / 7)
    assert c.ua(BY_HAND) == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    f1 = [6 / 7, 2 / 4, 2 / 3]  # 2 TP / (targets + predictions)
    np.testing.assert_allclose(c.class_f1(BY_HAND), f1)
    assert c.macro_f1(BY_HAND) == pytest.approx(sum(f1) / 3)
    assert c.weighted_f1(BY_HAND) == pytest.approx((4 * f1[0] + 2 * f1[1] + f1[2]) / 7)
    np.testing.assert_allclose(c.class_recall(BY_HAND), [3 / 4, 1 / 2, 1])
    np.testing.assert_allclose(c.class_precision(BY_HAND), [1, 1 / 2, 1 / 2])
    np.testing.assert_allclose(c.class_accuracy(BY_HAND), [6 / 7, 5 / 7, 6 / 7])


def test_one_vs_rest_accuracy_sums_to_twice_the_accuracy() -> None:
    assert (1 - c.class_accuracy(BY_HAND)).sum() == pytest.approx(2 * (1 - c.wa(BY_HAND)))


@given(pairs)
@settings(deadline=None, max_examples=60)
def test_agrees_with_scikit_learn(case: tuple[int, list[tuple[int, int]]]) -> None:
    classes, items = case
    target, predicted = split(items)
    matrix = c.confusion_matrix(target, predicted, classes)
    np.testing.assert_array_equal(
        matrix, oracle.confusion_matrix(target, predicted, labels=range(classes))
    )
    recalls = oracle.recall_score(target, predicted, average=None, labels=np.unique(target))
    assert c.ua(matrix) == pytest.approx(recalls.mean())
    assert c.wa(matrix) == pytest.approx(oracle.accuracy_score(target, predicted))
    for average, ours in (("macro", c.macro_f1), ("weighted", c.weighted_f1)):
        theirs = oracle.f1_score(target, predicted, average=average, zero_division=0)
        assert ours(matrix) == pytest.approx(theirs)
    for label in range(classes):
        binary = target == label, predicted == label
        assert c.class_accuracy(matrix)[label] == pytest.approx(oracle.accuracy_score(*binary))
        theirs = oracle.f1_score(*binary, average="weighted", zero_division=0)
        assert c.class_weighted_f1(matrix)[label] == pytest.approx(theirs)


@given(pairs, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_neither_order_nor_the_numbering_of_classes_matters(
    case: tuple[int, list[tuple[int, int]]], random: object
) -> None:
    classes, items = case
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    renamed = list(range(classes))
    random.shuffle(renamed)  # type: ignore[attr-defined]
    before = c.classification_scores(c.confusion_matrix(*split(items), classes).ravel())
    target, predicted = (np.array(renamed)[x] for x in split(shuffled))
    after = c.classification_scores(c.confusion_matrix(target, predicted, classes).ravel())
    for name, value in before.items():
        assert after[name] == pytest.approx(value), name


def test_leading_axes_are_scored_one_by_one() -> None:
    stack = np.stack([BY_HAND, BY_HAND.T, np.eye(3)])
    for metric in (c.wa, c.ua, c.macro_f1, c.weighted_f1):
        np.testing.assert_allclose(metric(stack), [metric(matrix) for matrix in stack])


def test_statistics_sum_to_the_matrix() -> None:
    statistics = c.classification_statistics([0, 0, 1], [0, 1, 1], 2)
    assert statistics.shape == (3, 4)
    assert statistics.sum(axis=0).tolist() == [1, 1, 0, 1]


def test_a_class_without_targets_leaves_the_mean_recall() -> None:
    matrix = c.confusion_matrix([0, 0, 1], [0, 2, 1], 3)
    assert np.isnan(c.class_recall(matrix)[2])
    assert c.ua(matrix) == pytest.approx((1 / 2 + 1) / 2)
    assert c.macro_f1(matrix) == pytest.approx((2 / 3 + 1 + 0) / 3)  # predicted, so it counts


def test_a_class_with_neither_target_nor_prediction_leaves_macro_f1() -> None:
    assert c.macro_f1(c.confusion_matrix([0, 1], [0, 1], 3)) == 1.0


def test_nothing_at_all_is_undefined() -> None:
    for metric in (c.wa, c.ua, c.macro_f1, c.weighted_f1):
        assert np.isnan(metric(np.zeros((2, 2))))


def test_equal_probabilities_go_to_the_first() -> None:
    assert c.predicted_classes([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]]).tolist() == [0, 2]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([], [], 2), "found none; nothing to score"),
        (([0, 1], [0], 2), "expected target and predicted of one shape"),
        (([0, 2], [0, 1], 2), "target: expected class indices from 0 to 1, found 2"),
        (([0, 1], [0, -1], 2), "predicted: expected class indices from 0 to 1, found -1"),
        (([0.0, 1.0], [0, 1], 2), "target: expected integer class indices, found float64"),
    ],
)
def test_wrong_input_is_named(arguments: tuple[list[int], list[int], int], message: str) -> None:
    with pytest.raises(CrosstoneError, match=message):
        c.confusion_matrix(*arguments)


def test_nan_probabilities_are_refused_with_their_rows() -> None:
    with pytest.raises(CrosstoneError, match=r"NaN or infinity in 1 of 2 rows \(first: row 1\)"):
        c.predicted_classes([[0.5, 0.5], [np.nan, 1.0]])
    with pytest.raises(CrosstoneError, match=r"expected shape \(items, classes\), found \(2,\)"):
        c.predicted_classes([0.5, 0.5])


def test_ctal_released_code() -> None:
    golden = json.loads((GOLDEN / "ctal.json").read_text())["emotion"]
    matrix = c.confusion_matrix(golden["true"], golden["pred"], 4)
    assert c.wa(matrix) == pytest.approx(golden["wa"], abs=1e-12)
    assert c.ua(matrix) == pytest.approx(golden["ua"], abs=1e-12)
    assert golden["absent_class_ua"] == "nan"  # ours leaves the class out, see above
    # what it selects epochs by
    assert 0.9 * c.wa(matrix) + 0.1 * c.ua(matrix) == pytest.approx(golden["key"], abs=1e-12)


def test_mult_released_code() -> None:
    golden = json.loads((GOLDEN / "mult.json").read_text())
    mosei = golden["mosei"]
    sides = (np.array(mosei[key]) > 0 for key in ("truth", "pred"))
    matrix = c.confusion_matrix(*(side.astype(int) for side in sides), 2)
    assert c.ua(matrix) == pytest.approx(golden["weighted_accuracy_mosei_emo_fn"], abs=1e-12)
