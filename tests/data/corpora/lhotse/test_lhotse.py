"""Cut sets in and out: what is written is what is read, by us and by lhotse itself."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crosstone.data.audio import read_audio
from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.lhotse import write_cuts
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError


@pytest.fixture
def corpus(tmp_path, write_wav) -> Corpus:
    """A whole file, two overlapping stretches of a stereo file, and words without sound."""
    write_wav(tmp_path / "raw/a.wav", 2.0)
    write_wav(tmp_path / "raw/deep/b c.wav", 9.0, channels=2)
    rows = [
        Utterance(
            id="a",
            audio="a.wav",
            duration=2.0,
            text="Ärger, 怒り",
            text_source="gold",
            speaker="ann",
            group="Session1",
            split="train",
            labels={"emotion": "angry", "valence": 2.5},
            votes={"emotion": {"E1": ("ang", "fru"), "E2": ("ang",)}, "valence": {"E1": (2.0,)}},
        ),
        Utterance(
            id="-b@1",
            audio="deep/b c.wav",
            start=1.0458004989,
            end=4.1043083900,
            duration=4.1043083900 - 1.0458004989,
            text="",
        ),
        Utterance(id="b2", audio="deep/b c.wav", start=0.0, end=3.0, duration=3.0, split="test"),
        Utterance(id="mute", text="no sound", group="Session1"),
    ]
    return Corpus.write(
        tmp_path / "corpus", name="mine", root=tmp_path / "raw", source=Source(), utterances=rows
    )


def prepare(path: Path, **options) -> Corpus:
    return CORPORA["lhotse"](path, path.parent / "read", **options)


def cut(folder: Path, **changes) -> dict:
    """A MonoCut of one second with a supervision, as lhotse writes it."""
    made = {
        "id": "cut-1",
        "start": 0.5,
        "duration": 1.0,
        "channel": 0,
        "supervisions": [
            {
                "id": "sup-1",
                "recording_id": "rec",
                "start": -0.25,
                "duration": 0.75,
                "channel": 0,
                "text": "hello",
                "speaker": "ann",
                "gender": "f",
                "custom": {"emotion": "sad", "arousal": 2, "dialogue": "d1", "nested": {"a": 1}},
            }
        ],
        "recording": {
            "id": "rec",
            "sources": [{"type": "file", "channels": [0], "source": str(folder / "a.wav")}],
            "sampling_rate": 16000,
            "num_samples": 32000,
            "duration": 2.0,
            "channel_ids": [0],
        },
        "type": "MonoCut",
    }
    return made | changes


def write(path: Path, *cuts) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in cuts))
    return path


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_what_is_written_is_what_is_read(corpus, tmp_path, name):
    exported = write_cuts(corpus, tmp_path / "out" / name)
    assert (exported.num_cuts, exported.left_out) == (3, {"utterances without audio": 1})
    again = prepare(tmp_path / "out" / name)
    assert again.root == corpus.root
    assert [replace(row, duration=None) for row in again] == [
        replace(row, duration=None) for row in corpus if row.audio
    ]
    np.testing.assert_allclose(again.durations, corpus.durations[:3], rtol=1e-6)
    assert again.name == "cuts"
    magic = (tmp_path / "out" / name).read_bytes()[:2]
    assert (magic == b"\x1f\x8b") == name.endswith(".gz")


def test_the_same_corpus_gives_the_same_bytes(corpus, tmp_path):
    for name in ("one.jsonl.gz", "one/one.jsonl.gz"):
        write_cuts(corpus, tmp_path / name)
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "one/one.jsonl.gz").read_bytes()


def test_lhotse_reads_ours_and_hears_the_same(corpus, tmp_path):
    lhotse = pytest.importorskip("lhotse")
    path = tmp_path / "cuts.jsonl.gz"
    write_cuts(corpus, path)
    cuts = lhotse.CutSet.from_file(path).to_eager()
    lhotse.validate(cuts, read_data=True)
    with gzip.open(path) as file:
        assert [each.to_dict() for each in cuts] == [json.loads(line) for line in file]
    for each, row in zip(cuts, corpus, strict=False):
        (supervision,) = each.supervisions
        assert (supervision.text, supervision.speaker) == (row.text, row.speaker)
        assert supervision.labels == row.labels
        heard = each.load_audio().mean(axis=0)
        ours = read_audio(corpus.audio_path(row), start=row.start, end=row.end)
        assert abs(len(heard) - len(ours)) <= 1  # half a sample is rounded up here, down there
        np.testing.assert_allclose(heard[: len(ours)], ours[: len(heard)], atol=1e-6)


def test_ours_is_read_again_after_lhotse_has_written_it(corpus, tmp_path):
    lhotse = pytest.importorskip("lhotse")
    write_cuts(corpus, tmp_path / "ours.jsonl")
    cuts = lhotse.CutSet.from_file(tmp_path / "ours.jsonl")
    kept = lhotse.CutSet.from_cuts(each for each in cuts if each.id != "a")
    kept.to_file(tmp_path / "theirs.jsonl.gz")
    again = prepare(tmp_path / "theirs.jsonl.gz", name="mine")
    assert again.root == corpus.root / "deep"
    assert [(row.id, row.start, row.end, row.split) for row in again] == [
        (row.id, row.start, row.end, row.split) for row in corpus.select([1, 2])
    ]


def test_a_cut_set_of_lhotse_s_own(tmp_path, write_wav):
    write_wav(tmp_path / "a.wav", 2.0)
    bare = cut(tmp_path, id="cut-2", supervisions=[])
    whole = cut(tmp_path, id="cut-3", start=0.0, duration=2.0, supervisions=[])
    corpus = prepare(write(tmp_path / "x.jsonl", cut(tmp_path), bare, whole), group="dialogue")
    said, silent, all_of_it = corpus
    assert said == Utterance(
        id="sup-1",
        audio="a.wav",
        start=0.5,  # a supervision that begins before its cut begins with it
        end=1.0,
        duration=0.5,
        text="hello",
        speaker="ann",
        group="d1",
        labels={"gender": "f", "emotion": "sad", "arousal": 2.0},
    )
    assert (silent.id, silent.start, silent.end, silent.text) == ("cut-2", 0.5, 1.5, None)
    assert (all_of_it.start, all_of_it.end, all_of_it.duration) == (None, None, 2.0)


def test_paths_from_the_cut_set_s_folder_or_from_here(tmp_path, write_wav, monkeypatch):
    recording = cut(tmp_path)["recording"]
    recording["sources"][0]["source"] = "wav/a.wav"
    path = write(tmp_path / "sets.jsonl", cut(tmp_path, recording=recording))
    write_wav(tmp_path / "here/wav/a.wav", 2.0)
    monkeypatch.chdir(tmp_path / "here")
    assert prepare(path).audio_path(prepare(path)[0]) == tmp_path / "here/wav/a.wav"
    write_wav(tmp_path / "wav/a.wav", 2.0)
    assert prepare(path).audio_path(prepare(path)[0]) == tmp_path / "wav/a.wav"


def test_every_cut_that_cannot_be_taken_is_listed(tmp_path):
    whole = cut(tmp_path)["recording"]
    url = {"type": "url", "channels": [0], "source": "https://example.org/a.wav"}
    stereo = {"type": "file", "channels": [0, 1], "source": "a.wav"}
    nameless = {key: value for key, value in cut(tmp_path).items() if key != "id"}
    path = write(
        tmp_path / "cuts.jsonl",
        cut(tmp_path, id="mixed", type="MixedCut"),
        cut(tmp_path, id="bare", recording=None),
        cut(tmp_path, id="far", recording=whole | {"sources": [url]}),
        cut(tmp_path, id="left", recording=whole | {"sources": [stereo]}),
        cut(tmp_path, id="fast", recording=whole | {"transforms": [{"name": "Speed"}]}),
        nameless,
        whole,
        {"id": "s", "recording_id": "r"},
        [1],
    )
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(CorpusError) as caught:
        prepare(path)
    found = [line.strip() for line in str(caught.value).splitlines()[1:]]
    last = "save it as audio first"
    simple = "; `lhotse cut simple` makes cuts of recordings and supervisions"
    assert found[:9] == [
        f"line 1: cut 'mixed' is a MixedCut, expected a MonoCut; {last}",
        "line 2: cut 'bare' has no recording; features alone cannot be listened to",
        f"line 3: cut 'far': expected one audio file, found url; {last}",
        f"line 4: cut 'left' takes channel 0 of 2, expected all of them; {last}",
        f"line 5: cut 'fast': its recording is transformed when read; {last}",
        "line 6: no 'id'",
        f"line 7: expected a cut, found a recording{simple}",
        f"line 8: expected a cut, found a supervision{simple}",
        "line 9: expected a cut, found [1]",
    ]
    assert found[9].startswith("line 10: Expecting property name")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no cuts"),
        (gzip.compress(b"{}" * 100, mtime=0)[:12], "cannot read it"),
        (b"\xff\xfe{}", "found other bytes than UTF-8"),
    ],
)
def test_what_is_no_cut_set(tmp_path, content, said):
    path = tmp_path / "cuts.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        prepare(path)
    with pytest.raises(CorpusError, match=r"expected a cut set .*No such file"):
        prepare(tmp_path / "gone.jsonl")


def test_recordings_that_cannot_be_read_are_named(corpus, tmp_path):
    (corpus.root / "a.wav").unlink()
    with pytest.raises(CorpusError, match=r"mine: 1 recordings cannot be read\n.*a\.wav: no such"):
        write_cuts(corpus, tmp_path / "cuts.jsonl")
    assert not (tmp_path / "cuts.jsonl").exists()
