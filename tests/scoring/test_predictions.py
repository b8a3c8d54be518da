"""Every fault of a predictions file is found at once and named with its line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.errors import CorpusError
from crosstone.scoring.predictions import read_predictions


def line(item: str = "u1", **changes: Any) -> dict[str, Any]:
    row = {
        "id": item,
        "group": "s1",
        "speaker": "anna",
        "fold": 0,
        "seed": 0,
        "split": "test",
        "target": "sad",
        "probabilities": {"happy": 0.25, "sad": 0.75},
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    file = path / "predictions.jsonl"
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in lines]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file


def test_reads_columns(tmp_path: Path) -> None:
    file = write(tmp_path, line("u1"), "", line("u2", target="happy", speaker=None, fold=1))
    read = read_predictions(file)
    assert read.ids == ("u1", "u2")
    assert read.speakers == ("anna", None)
    assert read.labels == ("happy", "sad")
    assert read.target.tolist() == [1, 0]
    np.testing.assert_allclose(read.outputs, [[0.25, 0.75]] * 2)
    assert read.folds.tolist() == [0, 1]
    assert read.task == "classification"


def test_the_order_of_labels_may_be_given(tmp_path: Path) -> None:
    read = read_predictions(write(tmp_path, line()), labels=["sad", "happy"])
    assert read.labels == ("sad", "happy")
    assert read.outputs.tolist() == [[0.75, 0.25]]


def test_reads_values(tmp_path: Path) -> None:
    file = write(tmp_path, line(target=1.5, value=2, probabilities=...))
    read = read_predictions(file)
    assert read.task == "regression"
    assert (read.target.tolist(), read.outputs.tolist()) == ([1.5], [2.0])


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        line("u1"),
        "{not json",
        "[1, 2]",
        line("u2", target=..., probabilities=...),
        line("u3", target="hapy"),
        line("u4", probabilities={"happy": 0.5, "sad": 0.2}),
        line("u5", probabilities={"happy": 0.5, "joy": 0.5}),
        line("u6", probabilities={"happy": -0.5, "sad": 1.5}),
        line("u1"),
        line("u7", fold="0", seed=True),
        line("u1", seed=1, target="happy", speaker="berta"),
        line("u8", target=1.0, value=0.5, probabilities=...),
    )
    with pytest.raises(CorpusError) as caught:
        read_predictions(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: 13 faults in 12 lines, nothing was scored\n")
    for expected in (
        "line 2: expected one JSON object, found Expecting property name",
        "line 3: expected one JSON object, found a list",
        "line 4: missing target, probabilities or value",
        "line 5: target: expected one of happy, sad, found 'hapy'",
        "line 6: probabilities: expected a sum of 1, found 0.7",
        "line 7: probabilities: expected the labels happy, sad, found unknown joy and no sad",
        "line 8: probabilities: expected numbers in [0, 1], found {'happy': -0.5, 'sad': 1.5}",
        "line 9: id 'u1' again in fold 0, seed 0 (first on line 1)",
        "line 10: fold: expected an integer, found '0'",
        "line 10: seed: expected an integer, found True",
        "line 11: id 'u1': target 'happy', but 'sad' on line 1",
        "line 11: id 'u1': speaker 'berta', but 'anna' on line 1",
        "line 12: expected the key 'probabilities', found 'value'",
        "write the file again with `crosstone evaluate`",
    ):
        assert expected in message


def test_nan_is_no_probability_and_no_value(tmp_path: Path) -> None:
    nan = float("nan")
    file = write(tmp_path, line(probabilities={"happy": nan, "sad": 1.0}))
    with pytest.raises(CorpusError, match=r"line 1: probabilities: expected numbers in \[0, 1\]"):
        read_predictions(file)
    file = write(tmp_path, line(target=1.0, value=nan, probabilities=...))
    with pytest.raises(CorpusError, match="line 1: value: expected a finite number, found nan"):
        read_predictions(file)


def test_the_same_item_may_return_in_another_seed(tmp_path: Path) -> None:
    assert len(read_predictions(write(tmp_path, line(), line(seed=1))).ids) == 2


def test_many_faults_of_a_kind_are_counted(tmp_path: Path) -> None:
    file = write(tmp_path, *(line(f"u{i}", target="joy") for i in range(25)))
    with pytest.raises(CorpusError, match="25 faults in 25 lines") as caught:
        read_predictions(file)
    assert "line 20:" in str(caught.value)
    assert "line 21:" not in str(caught.value)
    assert "and 5 more of this kind" in str(caught.value)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="expected a predictions file, found none"):
        read_predictions(tmp_path / "predictions.jsonl")
    with pytest.raises(CorpusError, match="expected lines with split 'test', found an empty file"):
        read_predictions(write(tmp_path))
    with pytest.raises(CorpusError, match="found splits 'valid'; score the split"):
        read_predictions(write(tmp_path, line(split="valid")))
