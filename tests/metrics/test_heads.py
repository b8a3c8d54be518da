"""Two-way heads: by hand, apart from the arg-max, and released code."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    calibration_scores,
    calibration_statistics,
    head_matrices,
    head_scores,
    head_statistics,
)
from crosstone.metrics import classification as c

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
TARGET = np.eye(3, dtype=bool)[[0, 1, 2, 0]]
CLAIMED = np.array([[0.9, 0.8, 0.1], [0.2, 0.4, 0.3], [0.1, 0.1, 0.6], [0.7, 0.2, 0.6]])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_by_hand() -> None:
    matrices = head_matrices(head_statistics(TARGET, CLAIMED).sum(axis=0))
    assert matrices.tolist() == [[[2, 0], [0, 2]], [[2, 1], [1, 0]], [[2, 1], [0, 1]]]
    scores = head_scores(head_statistics(TARGET, CLAIMED).sum(axis=0))
    assert scores["head_accuracy"] == pytest.approx((4 + 2 + 3) / 12)
    assert scores["head_f1"] == pytest.approx((1 + 0 + 2 / 3) / 3)


def test_heads_are_not_the_arg_max() -> None:
    """The arg-max is right of all but none is claimed for item 1, and two are for items 0 and 3."""
    guessed = c.predicted_classes(CLAIMED)
    one_vs_rest = c.class_accuracy(c.confusion_matrix(TARGET.argmax(axis=1), guessed, 3))
    assert one_vs_rest.tolist() == [1, 1, 1]
    heads = c.wa(head_matrices(head_statistics(TARGET, CLAIMED).sum(axis=0)))
    assert heads.tolist() == [1, 0.5, 0.75]


def test_a_class_with_neither_target_nor_claim_leaves_the_mean_f1() -> None:
    statistics = head_statistics([[True, False]], [[0.9, 0.1]])
    assert head_scores(statistics.sum(axis=0))["head_f1"] == 1


@pytest.mark.parametrize("released", ["jbls", "mult"])
def test_released_code(released: str) -> None:
    document = json.loads((GOLDEN / f"{released}.json").read_text())
    if released == "jbls":
        golden, order = document["heads"]["per_emotion"], document["heads"]["order"]
        arrays = load_file(GOLDEN / "jbls_heads.safetensors")
        logits, truth = arrays["logits"], np.eye(4, dtype=bool)[arrays["target"]]
        names = ("acc", "f1_weighted", "f1_binary")
    else:
        golden, order = document["iemocap"]["results"], document["iemocap"]["order"]
        logits = np.array(document["iemocap"]["preds_logits_[N,8]->[N,4,2]"])
        truth = np.array(document["iemocap"]["truth_[N,4]"], dtype=bool)
        names = ("Accuracy", "F1 Score", "")
    claimed = softmax(logits.reshape(-1, 4, 2))[..., 1]
    statistics = head_statistics(truth, claimed)
    matrices = head_matrices(statistics.sum(axis=0))
    columns = (c.wa(matrices), c.weighted_f1(matrices), c.class_f1(matrices)[:, 1])
    for name, column in zip(names, columns, strict=True):
        if name:
            expected = [golden[emotion][name] for emotion in order]
            np.testing.assert_allclose(column, expected, atol=1e-12, rtol=0)
    if released == "jbls":
        overall = head_scores(statistics.sum(axis=0))["head_accuracy"]
        assert overall == pytest.approx(document["heads"]["logged_overall_binary_acc"], abs=1e-12)


def test_jbls_loss() -> None:
    """Summed over the four heads of an item: four times the mean over all decisions."""
    golden = json.loads((GOLDEN / "jbls.json").read_text())["heads"]
    arrays = load_file(GOLDEN / "jbls_heads.safetensors")
    truth = np.eye(4, dtype=np.int64)[arrays["target"]].ravel()
    table = calibration_statistics(truth, softmax(arrays["logits"].reshape(-1, 2)))
    nll = calibration_scores(table.sum(axis=0))["nll"]
    assert 4 * nll == pytest.approx(golden["loss_per_sample"], rel=1e-5)


def test_wrong_input_is_named() -> None:
    with pytest.raises(CrosstoneError, match=r"found \(1, 2\) and \(1, 3\)"):
        head_statistics([[True, False]], [[0.1, 0.2, 0.3]])
    with pytest.raises(CrosstoneError, match=r"in 1 of 2 rows \(first: row 1\); apply the sigmoid"):
        head_statistics([[True], [False]], [[0.5], [1.5]])
