"""Trials: what is written is what is read, views keep their own, and faults are listed."""

import json
import pickle
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from crosstone.data.corpus import Corpus, Source, Trial, Utterance
from crosstone.errors import CorpusError

PAIRS = st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] != pair[1])


def write(folder: Path, trials, size: int = 5) -> Corpus:
    rows = [Utterance(id=f"u{i}", text=f"row {i}", speaker=f"s{i % 2}") for i in range(size)]
    return Corpus.write(
        folder, name="tiny", root=folder, source=Source(), utterances=rows, trials=trials
    )


def trial(enrol: int, test: int) -> Trial:
    return Trial(f"u{enrol}", f"u{test}", enrol % 2 == test % 2)


@settings(deadline=None, max_examples=30)
@given(
    pairs=st.lists(PAIRS, max_size=6, unique_by=frozenset),
    rows=st.lists(st.integers(0, 4), unique=True),
)
def test_what_is_written_is_what_is_read(pairs, rows):
    trials = [trial(*pair) for pair in pairs]
    with tempfile.TemporaryDirectory() as folder:
        first = write(Path(folder) / "a", iter(trials))
        again = Corpus.open(Path(folder) / "a")
        assert list(first.trials) == list(again.trials) == trials
        assert first.trials[:2] == trials[:2]
        again = write(Path(folder) / "a", again.trials)  # onto itself
        assert (again.hash, list(again.trials)) == (first.hash, trials)
        assert (first.hash == write(Path(folder) / "b", []).hash) == (not trials)
        assert first.select(range(5)) == first
        view = pickle.loads(pickle.dumps(first.select(rows)))
        kept = {f"u{row}" for row in rows}
        assert list(view.trials) == [each for each in trials if {each.enrol, each.test} <= kept]


def test_trials_are_content(tmp_path):
    whole = write(tmp_path / "a", [trial(0, 2), trial(1, 2)])
    hashes = {
        whole.hash,
        write(tmp_path / "b", [trial(1, 2), trial(0, 2)]).hash,
        write(tmp_path / "c", [trial(2, 0), trial(1, 2)]).hash,
        write(tmp_path / "d", [Trial("u0", "u2", False), trial(1, 2)]).hash,
    }
    assert len(hashes) == 4
    untried = whole.select([0, 1])
    assert not untried.trials
    assert untried.hash == write(tmp_path / "e", []).select([0, 1]).hash


def test_columns_of_trials(tmp_path):
    trials = write(tmp_path, [trial(0, 2), trial(1, 4), trial(3, 4)]).select([4, 1, 3]).trials
    assert trials.enrol.tolist() == [1, 2]
    assert trials.test.tolist() == [0, 0]
    assert trials.targets.tolist() == [False, False]
    assert trials[-1] == Trial("u3", "u4", False)
    with pytest.raises(IndexError):
        trials[2]


def test_a_pair_stands_once_either_way_round(tmp_path):
    with pytest.raises(CorpusError) as caught:
        write(tmp_path, [trial(0, 2), trial(1, 2), trial(0, 2), trial(2, 1)])
    assert "trial 3: u0 and u2 are trial 1 already" in str(caught.value)
    assert "trial 4: u2 and u1 are trial 2 already" in str(caught.value)


def test_a_corpus_written_without_trials_loses_them(tmp_path):
    write(tmp_path, [trial(0, 1)])
    assert (tmp_path / "trials.jsonl").read_text() == '{"enrol":"u0","test":"u1","target":false}\n'
    assert list(write(tmp_path, []).trials) == []
    assert not (tmp_path / "trials.jsonl").exists()


def test_every_faulty_trial_is_listed_and_nothing_is_written(tmp_path):
    before = write(tmp_path, [trial(0, 1)])
    with pytest.raises(CorpusError) as caught:
        write(tmp_path, [trial(0, 7), trial(1, 2), trial(3, 3), Trial("u0", "u1", 1)])
    assert str(caught.value).splitlines() == [
        f"{tmp_path}: corpus not written: 3 faults",
        '  trial 1: test: no utterance of this corpus has the id "u7"',
        "  trial 3: 'u3' is compared with itself; name two utterances",
        "  trial 4: target: expected true or false, found 1",
    ]
    assert Corpus.open(tmp_path) == before


def test_every_faulty_line_is_listed_when_trials_are_read(tmp_path):
    write(tmp_path, [trial(0, 1), trial(1, 2)])
    path = tmp_path / "trials.jsonl"
    lines = [
        '{"enrol":"u0","test":"u1","target":true}',
        '{"enrol":"u0"',
        '{"enrol":"u0","test":"u1"}',
        '{"enrol":["u0"],"test":"u1","target":true,"score":1}',
    ]
    path.write_text("\n".join(lines))
    corpus = Corpus.open(tmp_path)
    assert corpus[0].id == "u0"
    with pytest.raises(CorpusError) as caught:
        _ = corpus.trials
    head, *found = str(caught.value).splitlines()
    assert head == f"{path}: 4 faults"
    assert found[0].startswith("  line 2: not one JSON object")
    assert found[1:] == [
        "  line 3: no 'target'",
        "  line 4: unknown key 'score' (known: enrol, test, target)",
        '  line 4: enrol: no utterance of this corpus has the id ["u0"]',
    ]
    path.write_text(lines[0])
    with pytest.raises(CorpusError, match=r"expected 2 trials, as corpus.json says, found 1"):
        _ = Corpus.open(tmp_path).trials
    path.unlink()
    with pytest.raises(CorpusError, match=r"cannot read it .*prepare the corpus again"):
        _ = Corpus.open(tmp_path).hash


def test_the_count_of_trials_is_a_number(tmp_path):
    write(tmp_path, [trial(0, 1)])
    header = tmp_path / "corpus.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "trials": "many"}))
    with pytest.raises(CorpusError, match="trials: expected int, found str"):
        Corpus.open(tmp_path)
