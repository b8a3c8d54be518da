"""Corpora: what is written is what is read, and what cannot be read is listed line by line."""

import dataclasses
import json
import multiprocessing
import os
import pickle
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

SOURCE = Source(url="https://example.org", version="1", licence="CC0", citation="nobody")
NAMES = st.text(min_size=1)
SECONDS = st.floats(0, 1e6)


def utterance(i: int, **changes) -> Utterance:
    known = {
        "id": f"u{i}",
        "audio": f"wav/u{i}.wav",
        "duration": float(i),
        "text": f"row {i}",
        "speaker": f"s{i % 3}",
        "group": f"g{i % 2}",
        "labels": {"emotion": ("happy", "sad")[i % 2], "valence": i / 2},
    }
    return Utterance(**{**known, **changes})


def write(folder: Path, utterances, **changes) -> Corpus:
    known = {"name": "tiny", "root": folder, "source": SOURCE}
    return Corpus.write(folder, utterances=utterances, **{**known, **changes})


@st.composite
def utterances(draw) -> Utterance:
    has_audio = draw(st.booleans())
    return Utterance(
        id=draw(NAMES | st.just("\udcff odd name")),
        audio=draw(NAMES) if has_audio else None,
        start=draw(st.none() | SECONDS),
        end=draw(st.none() | SECONDS | st.integers(0, 9)),
        duration=draw(st.none() | SECONDS),
        text=draw(st.text() if not has_audio else st.none() | st.text()),
        text_source=draw(st.sampled_from([None, "gold", "asr"])),
        speaker=draw(st.none() | NAMES),
        group=draw(st.none() | NAMES),
        split=draw(st.none() | st.sampled_from(["train", "test"])),
        labels=draw(
            st.dictionaries(NAMES, st.text() | st.floats(allow_nan=False, allow_infinity=False))
        ),
        votes=draw(
            st.dictionaries(
                NAMES,
                st.dictionaries(
                    NAMES,
                    st.lists(st.text() | st.floats(0, 5), max_size=3).map(tuple),
                    max_size=2,
                ),
                max_size=2,
            )
        ),
    )


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(utterances(), max_size=5, unique_by=lambda row: row.id), extra=st.text())
def test_what_is_written_is_what_is_read(rows, extra):
    with tempfile.TemporaryDirectory() as folder:
        first = write(Path(folder) / "a", rows, root=folder, extras={"note": [extra, 1, None]})
        again = Corpus.open(Path(folder) / "a")
        (Path(folder) / "a" / "index.npz").unlink()
        scanned = Corpus.open(Path(folder) / "a")
        second = write(Path(folder) / "b", again, root=folder, extras=again.extras)
        assert list(first) == list(scanned) == list(second) == rows
        assert first == again == scanned == second
        assert first.hash == scanned.hash == second.hash
        assert list(scanned.ids) == [row.id for row in rows]
        assert list(scanned.speakers) == [row.speaker for row in rows]
        assert list(scanned.groups) == [row.group for row in rows]
        assert list(scanned.splits) == [row.split for row in rows]


def test_any_script_is_kept_readable_on_disk(tmp_path):
    texts = ["مرحبا", "你好，世界", "नमस्ते", "👩‍👧 ok", "line\nbreak\u2028and\x85more", '"quoted"']
    corpus = write(tmp_path, [Utterance(id=text, text=text) for text in texts])
    assert [row.text for row in corpus] == texts
    assert "你好，世界" in (tmp_path / "utterances.jsonl").read_text(encoding="utf-8")


def test_columns_and_lookups(tmp_path):
    corpus = write(tmp_path, [utterance(i) for i in range(5)] + [utterance(5, duration=None)])
    assert corpus.durations.dtype == np.float32
    np.testing.assert_array_equal(corpus.durations, [0, 1, 2, 3, 4, np.nan])
    assert corpus.speakers.tolist() == ["s0", "s1", "s2"] * 2
    assert corpus.labels("emotion") == {"happy": 3, "sad": 3}
    assert corpus[-1] == utterance(5, duration=None)
    assert corpus.ids[1:3] == ["u1", "u2"]
    assert corpus.audio_path(corpus[0]) == tmp_path.resolve() / "wav" / "u0.wav"
    assert corpus.audio_path(Utterance(id="a", text="b")) is None
    assert repr(corpus) == f"Corpus('tiny', 6 utterances, hash {corpus.hash})"
    assert (corpus.source, corpus.name, corpus.is_whole) == (SOURCE, "tiny", True)
    with pytest.raises(IndexError):
        corpus[6]
    with pytest.raises(
        CorpusError, match="no utterance has a label 'mood'; labels here: emotion, "
    ):
        corpus.labels("mood")


def test_views_share_rows_and_have_their_own_hash(tmp_path):
    corpus = write(tmp_path, [utterance(i) for i in range(6)])
    odd = corpus.where(lambda row: row.labels["emotion"] == "sad")
    assert [row.id for row in odd] == ["u1", "u3", "u5"]
    last = odd.select([2, 0])
    assert last.base_indices.tolist() == [5, 1]
    assert list(last.ids) == ["u5", "u1"]
    assert last.ids[:1] == ["u5"]
    assert last.speakers.tolist() == ["s2", "s1"]
    assert not last.is_whole
    assert len({corpus.hash, odd.hash, last.hash}) == 3
    assert odd == corpus.select(np.array([False, True] * 3))
    assert len(corpus.select([])) == 0
    assert corpus.select(range(6)) == corpus
    assert {odd, corpus.select([1, 3, 5])} == {odd}
    assert corpus != "tiny"
    with pytest.raises(IndexError):
        odd.select([3])
    with pytest.raises(IndexError, match="expected 6 booleans, found shape"):
        corpus.select(np.array([True]))
    with pytest.raises(TypeError, match="expected row positions as integers, found float64"):
        corpus.select([0.5])


def test_a_view_is_pickled_as_a_folder_and_rows(tmp_path):
    corpus = write(tmp_path, (utterance(i) for i in range(3000)))
    view = corpus.select([7, 3])
    assert len(pickle.dumps(view)) < 1000
    assert pickle.loads(pickle.dumps(view)) == view
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(view.__getitem__, [0, 1]) == [utterance(7), utterance(3)]
    kept = pickle.dumps(view)
    write(tmp_path, [utterance(0)])
    with pytest.raises(CorpusError, match="changed while it was in use; start again"):
        pickle.loads(kept)


def test_columns_take_a_few_dozen_bytes_per_utterance(tmp_path):
    corpus = write(tmp_path, (utterance(i) for i in range(5000)))
    assert (tmp_path / "index.npz").stat().st_size < 100 * len(corpus)


def test_root_moves_with_the_folder_when_within_it_or_given_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = write(Path("c"), [utterance(0)], root=tmp_path / "c" / "wavs")
    beside = write(Path("d"), [utterance(0)], root=Path("data"))
    away = write(Path("e"), [utterance(0)], root=tmp_path / "data")
    assert inside.root == (tmp_path / "c" / "wavs").resolve()
    assert beside.root == away.root == (tmp_path / "data").resolve()
    stored = [json.loads(Path(f, "corpus.json").read_text())["root"] for f in "cde"]
    assert stored == ["wavs", "../data", (tmp_path / "data").resolve().as_posix()]


def test_duplicate_and_faulty_utterances_are_all_listed_and_nothing_is_written(tmp_path):
    before = write(tmp_path, [utterance(0)])
    rows = [
        utterance(1),
        utterance(2),
        utterance(1),
        Utterance(id="x"),
        utterance(4, duration=float("nan"), labels={"emotion": None}),
        utterance(2),
    ]
    with pytest.raises(CorpusError) as caught:
        write(tmp_path, rows)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}: corpus not written: 5 faults",
        "  utterance 3: id 'u1' is already that of utterance 1",
        "  utterance 4: neither audio nor text",
        "  utterance 5: duration: expected a finite number of seconds, found nan (float)",
        "  utterance 5: label 'emotion': expected a string or a finite number, found None "
        "(NoneType)",
        "  utterance 6: id 'u2' is already that of utterance 2",
    ]
    assert Corpus.open(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "corpus.json",
        "index.npz",
        "utterances.jsonl",
    ]


def test_numpy_numbers_are_numbers(tmp_path):
    row = utterance(1, duration=np.float32(0.5), labels={"valence": np.int64(3)})
    assert write(tmp_path, [row])[0] == utterance(1, duration=0.5, labels={"valence": 3.0})


def test_votes_are_kept_rater_by_rater(tmp_path):
    votes = {"mood": {"E2": ("sad", "other"), "E1": ()}, "valence": {"E1": (np.float32(4),)}}
    corpus = write(tmp_path, [utterance(1, votes=votes)])
    assert corpus[0].votes == {
        "mood": {"E1": (), "E2": ("sad", "other")},
        "valence": {"E1": (4.0,)},
    }
    line = (tmp_path / "utterances.jsonl").read_text()
    assert line.endswith(
        '"votes":{"mood":{"E1":[],"E2":["sad","other"]},"valence":{"E1":[4.0]}}}\n'
    )
    faulty = {"mood": {1: ("sad",)}, 2: {}}
    with pytest.raises(CorpusError) as caught:
        write(tmp_path, [utterance(1, votes=faulty)])
    assert str(caught.value).splitlines()[1:] == [
        "  utterance 1: vote name: expected a string, found 2 (int)",
        "  utterance 1: votes 'mood': rater: expected a string, found 1 (int)",
    ]


def test_without_votes_and_trials_nothing_changes_on_disk(tmp_path):
    corpus = write(tmp_path, [utterance(0), utterance(1)])
    assert corpus.hash == "dc68912bc08c199b"
    assert (tmp_path / "utterances.jsonl").read_bytes() == (
        b'{"id":"u0","audio":"wav/u0.wav","duration":0.0,"text":"row 0","speaker":"s0",'
        b'"group":"g0","labels":{"emotion":"happy","valence":0.0}}\n'
        b'{"id":"u1","audio":"wav/u1.wav","duration":1.0,"text":"row 1","speaker":"s1",'
        b'"group":"g1","labels":{"emotion":"sad","valence":0.5}}\n'
    )
    assert "trials" not in json.loads((tmp_path / "corpus.json").read_text())
    assert list(corpus.trials) == []


def test_extras_must_be_json(tmp_path):
    with pytest.raises(CorpusError, match="name and extras must be JSON"):
        write(tmp_path, [utterance(1)], extras={"when": object()})


def test_every_faulty_line_is_listed_with_its_number(tmp_path):
    write(tmp_path, [utterance(0)])
    lines = [
        b'{"id":"a","text":"fine"}',
        b'{"id":"a"',
        b'{"text":"no name"}',
        b'{"id":"b","text":"x","speeker":"who"}',
        b'{"id":"c","text":"x","foo":1}',
        b'{"id":7,"text":"x"}',
        b'{"id":"d","text":5}',
        b'{"id":"e","text":"x","start":"0"}',
        b'{"id":"f","text":"x","end":true}',
        b'{"id":"g","text":"x","labels":["happy"]}',
        b'{"id":"h","text":"x","labels":{"happy":[]}}',
        b'{"id":"i","text":"\xff"}',
        b"[1]",
        b"",
        b'{"id":"j"}',
        b'{"id":"k","text":"x","start":NaN}',
        b'{"id":"l","id":"m","text":"x"}',
        b'{"id":"n","text":"x","text_source":"heard"}',
        b'{"id":"o","text":"x","start":1e999}',
        b'{"id":"p","text":"x","start":1' + b"0" * 400 + b"}",
        b'{"id":"q","text":"x","votes":[1]}',
        b'{"id":"r","text":"x","votes":{"mood":"sad"}}',
        b'{"id":"s","text":"x","votes":{"mood":{"E1":"sad","E2":[null],"E3":[]}}}',
    ]
    (tmp_path / "utterances.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(CorpusError) as caught:
        Corpus.open(tmp_path)
    head, *found = str(caught.value).splitlines()
    assert head == f"{tmp_path / 'utterances.jsonl'}: 23 faults"
    expected = [
        "line 2: not one JSON object",
        "line 3: no id",
        "line 4: unknown key 'speeker' (did you mean 'speaker'?)",
        "line 5: unknown key 'foo' (known: id, audio, ",
        "line 6: id: expected a string that is not empty, found 7 (int)",
        "line 7: text: expected a string, found 5 (int)",
        "line 8: start: expected a finite number of seconds, found '0' (str)",
        "line 9: end: expected a finite number of seconds, found True (bool)",
        "line 10: labels: expected an object of names and values, found ['happy'] (list)",
        "line 11: label 'happy': expected a string or a finite number, found [] (list)",
        "line 12: not UTF-8 (byte 18)",
        "line 13: expected a JSON object, found [1] (list)",
        "line 14: empty",
        "line 15: neither audio nor text",
        "line 16: not one JSON object (NaN is not a JSON number)",
        "line 17: not one JSON object (key given twice: id)",
        "line 18: text_source: expected one of gold, asr, found 'heard'",
        "line 19: start: expected a finite number of seconds, found inf (float)",
        "line 20: start: expected a finite number of seconds, found 1000",
        "line 21: votes: expected an object of what was judged, found [1] (list)",
        "line 22: votes 'mood': expected an object of raters, found 'sad' (str)",
        "line 23: votes 'mood' of 'E1': expected a list of strings or finite numbers, found 'sad'",
        "line 23: votes 'mood' of 'E2': expected a list of strings or finite numbers, found [None]",
    ]
    for line, clause in zip(found, expected, strict=True):
        assert line.strip().startswith(clause)


def test_lines_edited_by_hand_are_read_again(tmp_path):
    corpus = write(tmp_path, [utterance(0), utterance(1)])
    path = tmp_path / "utterances.jsonl"
    text = path.read_text().replace('"happy"', '"angry"').replace(",", " , ").replace("\n", "\r\n")
    path.write_bytes(text.encode())
    edited = Corpus.open(tmp_path)
    assert edited.labels("emotion") == {"angry": 1, "sad": 1}
    assert edited.hash != corpus.hash
    assert edited.select([1]).hash == corpus.select([1]).hash  # spaces are not content


def test_a_damaged_index_is_built_again(tmp_path):
    corpus = write(tmp_path, [utterance(0), utterance(1)])
    (tmp_path / "index.npz").write_bytes(b"PK\x03\x04 not an index")
    assert Corpus.open(tmp_path) == corpus


def test_lost_lines_are_noticed(tmp_path):
    write(tmp_path, [utterance(0), utterance(1)])
    path = tmp_path / "utterances.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(CorpusError, match=r"expected 2 utterances, as corpus.json says, found 1"):
        Corpus.open(tmp_path)
    path.unlink()
    with pytest.raises(CorpusError, match=r"cannot read it .*prepare the corpus again"):
        Corpus.open(tmp_path)


def test_a_folder_that_is_no_corpus(tmp_path):
    with pytest.raises(
        CorpusError, match=r"expected a corpus folder .*crosstone prepare NAME ROOT"
    ):
        Corpus.open(tmp_path / "nowhere")
    header = tmp_path / "corpus.json"
    header.write_text("{")
    with pytest.raises(CorpusError, match=r"corpus.json: not JSON"):
        Corpus.open(tmp_path)
    header.write_text("[]")
    with pytest.raises(CorpusError, match="expected a JSON object, found list"):
        Corpus.open(tmp_path)
    header.write_text('{"format":"other/9","name":1,"root":".","source":{"x":""},"rows":2}')
    with pytest.raises(CorpusError) as caught:
        Corpus.open(tmp_path)
    assert str(caught.value) == (
        f"{header}: no 'utterances'; no 'extras'; unknown key 'rows'; name: expected str, found "
        "int; format: expected 'crosstone-corpus/1', found 'other/9'; source: unknown key 'x'; "
        "prepare the corpus again"
    )


def test_a_full_disk_leaves_the_corpus_that_was_there(tmp_path, monkeypatch):
    before = write(tmp_path, [utterance(0)])

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CorpusError, match=r"No space left on device.*still stands.*choose another"):
        write(tmp_path, [utterance(1)])
    assert Corpus.open(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 3


def test_an_index_that_cannot_be_kept_is_done_without(tmp_path, monkeypatch):
    corpus = write(tmp_path, [utterance(0)])
    (tmp_path / "index.npz").unlink()

    def refuse(*_, **__) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(np, "savez", refuse)
    assert Corpus.open(tmp_path) == corpus
    assert not (tmp_path / "index.npz").exists()


class Shouted:
    """A relabelling that can be pickled and compared."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shouted)

    __hash__ = None

    def __call__(self, plain: Utterance) -> Utterance:
        return dataclasses.replace(plain, labels={"emotion": str(plain.labels["emotion"]).upper()})


def test_a_relabelled_view_keeps_its_labels_wherever_it_goes(tmp_path):
    corpus = write(tmp_path, [utterance(i) for i in range(5)])
    view = corpus.relabelled(Shouted())
    assert view.labels("emotion") == {"HAPPY": 3, "SAD": 2}
    assert view.select([1, 2]).labels("emotion") == {"HAPPY": 1, "SAD": 1}
    assert pickle.loads(pickle.dumps(view)).labels("emotion") == view.labels("emotion")
    assert view.where(lambda u: u.labels["emotion"] == "SAD").ids[:] == ["u1", "u3"]
    assert view == corpus.relabelled(Shouted())
    assert view != corpus
    assert view.hash == corpus.hash
