import json

import pytest

from crosstone.errors import CheckpointError
from crosstone.training import read_log
from crosstone.training.log import RunLog


def test_lines_are_there_at_once_and_length_counts_bytes(tmp_path):
    path = tmp_path / "run" / "log.jsonl"
    log = RunLog(path)
    log.write("start", title="Größe", loss=float("nan"), parts={"a": [float("inf"), 1.0]})
    log.sync()
    assert path.stat().st_size == log.length
    expected = {"event": "start", "title": "Größe", "loss": None, "parts": {"a": [None, 1.0]}}
    assert read_log(path) == [expected]
    log.close()


def test_reopening_cuts_to_the_length_given(tmp_path):
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    log.write("step", step=1)
    length = log.length
    log.write("step", step=2)
    log.close()
    again = RunLog(path, length=length)
    again.write("step", step=3)
    again.close()
    assert [line["step"] for line in read_log(path)] == [1, 3]
    assert again.length == path.stat().st_size
    fresh = RunLog(path)
    fresh.close()
    assert path.read_bytes() == b""


def test_a_log_shorter_than_recorded_is_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"event": "start"}) + "\n")
    with pytest.raises(CheckpointError, match=r"log\.jsonl: expected the 99 bytes .* found 19;"):
        RunLog(path, length=99)


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = RunLog(None)
    log.write("start")
    log.sync()
    log.close()
    assert not list(tmp_path.iterdir())
