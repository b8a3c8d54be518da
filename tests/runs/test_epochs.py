"""Rules of selection on answers that every epoch left."""

import json

import pytest

from crosstone.errors import CheckpointError
from crosstone.runs.epochs import lines_by_rule, score_lines


def line(name, target, split, sure):
    other = {"calm": "cross", "cross": "calm"}[target]
    return {
        "id": name,
        "target": target,
        "split": split,
        "probabilities": {target: sure, other: 1 - sure},
    }


def write(folder, epochs):
    """epochs: for each, how sure it is of the truth of the validation and of the test side."""
    place = folder / "fold-0-seed-0" / "answers"
    place.mkdir(parents=True)
    for number, (valid, test) in enumerate(epochs, 1):
        lines = [line("v1", "calm", "valid", valid or 0.0), line("v2", "cross", "valid", 0.9)]
        lines += [line("t1", "calm", "test", test), line("t2", "cross", "test", 0.9)]
        text = "\n".join(map(json.dumps, lines if valid is not None else lines[2:]))
        (place / f"epoch-{number:04d}.jsonl").write_text(text)


def sure(folder, rule):
    lines = lines_by_rule(folder, rule, "ua")
    assert [found["id"] for found in lines] == ["t1", "t2"]
    return lines[0]["probabilities"]["calm"]


def test_each_rule_takes_its_epoch(tmp_path):
    write(tmp_path, [(0.2, 0.3), (0.7, 0.4), (0.3, 0.8), (0.2, 0.1)])
    assert sure(tmp_path, "nested") == 0.4  # the second validates best
    assert sure(tmp_path, "best_test") == 0.8  # the third is best on what is scored
    assert sure(tmp_path, "last") == 0.1


def test_of_equals_the_first_is_taken(tmp_path):
    write(tmp_path, [(0.6, 0.4), (0.9, 0.8)])
    assert sure(tmp_path, "nested") == 0.4


def test_values_are_scored_too():
    lines = [{"target": 1.0, "value": 0.5}, {"target": -1.0, "value": -1.0}]
    assert score_lines(lines)["mae"] == pytest.approx(0.25)


def test_a_run_without_answers_is_refused(tmp_path):
    (tmp_path / "fold-0-seed-0").mkdir()
    with pytest.raises(CheckpointError, match=r"answers of its epochs, found none.*keep_answers"):
        lines_by_rule(tmp_path, "last", "ua")


def test_a_rule_needs_the_side_that_it_looks_at(tmp_path):
    write(tmp_path, [(None, 0.4)])
    with pytest.raises(CheckpointError, match="rule nested expects answers on the valid side"):
        lines_by_rule(tmp_path, "nested", "ua")
