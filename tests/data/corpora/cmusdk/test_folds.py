"""Standard folds from the SDK's Python file, which is never run, and from JSON."""

import json

import pytest

from crosstone.data.corpora.cmusdk.folds import read_folds
from crosstone.errors import CorpusError

PYTHON = """
import sys; sys.exit("this file was run")
standard_train_fold=['-3g5yACwYnA', '267278']
standard_valid_fold: list = ['_26JmJnPKfM']
standard_test_fold=['iiK8YX8oH1E', \\
    'c5xsKMxpXnc']
unused = open("nothing")
"""


def test_the_file_of_the_sdk_is_read_and_not_run(tmp_path):
    path = tmp_path / "cmu_mosei_std_folds.py"
    path.write_text(PYTHON)
    assert read_folds(path) == {
        "-3g5yACwYnA": "train",
        "267278": "train",
        "_26JmJnPKfM": "valid",
        "iiK8YX8oH1E": "test",
        "c5xsKMxpXnc": "test",
    }


@pytest.mark.parametrize("valid", ["valid", "val", "dev", "standard_valid_fold"])
def test_a_json_file(tmp_path, valid):
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"train": ["a", 267278], valid: ["b"], "test": []}))
    assert read_folds(path) == {"a": "train", "267278": "train", "b": "valid"}


def test_faults_are_listed_at_once(tmp_path):
    path = tmp_path / "folds.json"
    path.write_text('{"train": ["a", "b"], "test": ["b"]}')
    with pytest.raises(CorpusError) as caught:
        read_folds(path)
    assert str(caught.value).splitlines()[1:] == [
        "  no list valid or val or dev or standard_valid_fold",
        "  video 'b' is in train and in test",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a_folds.json", "[", "not JSON"),
        ("a_folds.json", "[]", "expected a JSON object, found list"),
        ("a_std_folds.py", "train = [", "not Python"),
        ("a_std_folds.py", "standard_train_fold = f()", "no list train or standard_train_fold"),
    ],
)
def test_what_are_no_folds(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=r"; give the SDK's cmu_mosei_std_folds\.py or") as caught:
        read_folds(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert said in str(caught.value)


def test_folds_that_cannot_be_read(tmp_path):
    with pytest.raises(CorpusError, match="expected a list of folds, cannot read it"):
        read_folds(tmp_path / "gone_folds.json")
