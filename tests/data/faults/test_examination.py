"""A corpus with one of everything that can be wrong, and what its list of faults says."""

import logging
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.faults import (
    WHOLE_CORPUS,
    Fault,
    examine,
    find_faults,
    format_faults,
    missing_counts,
    refuse_faulty,
)
from crosstone.errors import CorpusError

RATE = 8000


def noise(seed: int, seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def save(path: Path, samples: np.ndarray) -> None:
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def write(folder: Path, utterances, **options) -> Corpus:
    return Corpus.write(
        folder, name="ward", root=folder, source=Source(), utterances=utterances, **options
    )


@pytest.fixture
def ward(tmp_path) -> Corpus:
    """Healthy, stereo and multi-script utterances, and one utterance with each fault."""
    save(tmp_path / "well.wav", noise(0))
    shutil.copy(tmp_path / "well.wav", tmp_path / "copy.wav")
    save(tmp_path / "stereo.wav", np.stack([noise(1), noise(2)], axis=1))
    save(tmp_path / "silent.wav", np.zeros(RATE))
    save(tmp_path / "nan.wav", np.full(RATE, np.nan))
    save(tmp_path / "long.wav", noise(3, 3.0))
    save(tmp_path / "cut.wav", noise(4))
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:-8000])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound\n")
    (tmp_path / "folder.wav").mkdir()

    def heard(identity: str, **known) -> Utterance:
        return Utterance(id=identity, audio=f"{identity}.wav", **{"text": "hm", **known})

    rows = [
        heard("well", group="a", duration=1.0),
        heard("copy", group="b", duration=7.0),
        heard("stereo", text="嗯 नमस्ते مرحبا 👍"),
        *map(heard, ["silent", "nan", "long", "cut", "empty", "text", "folder", "gone"]),
        Utterance(id="stretch", audio="long.wav", start=1.0, end=9.0, text="hm"),
        Utterance(id="part", audio="long.wav", start=1.0, end=2.0, text=" "),
        Utterance(id="mute", text=""),
        Utterance(id="essay", text="word " * 10000),
        Utterance(id="scroll", text="字" * 20001),
        Utterance(id="bytes", text="caf\udce9"),
        Utterance(id="unread", audio="long.wav", start=0.5, end=1.5),
    ]
    corpus = write(tmp_path / "corpus", rows)
    path = tmp_path / "corpus" / "utterances.jsonl"
    lines = path.read_bytes().replace(b'"id":"part"', b'"id":"well"')
    path.write_bytes(lines)
    header = tmp_path / "corpus" / "corpus.json"
    header.write_text(header.read_text().replace('"root": "."', '"root": ".."'))
    assert Corpus.open(tmp_path / "corpus").root == corpus.root.parent
    return Corpus.open(tmp_path / "corpus")


def test_every_fault_is_listed_at_once(ward):
    seen = []
    faults = find_faults(ward, max_seconds=2.0, workers=2, progress=lambda *done: seen.append(done))
    found = [(fault.id, fault.kind) for fault in faults if fault.severity == "error"]
    assert found == [
        ("silent", "silent"),
        ("nan", "nan"),
        ("long", "long"),
        ("cut", "truncated"),
        ("empty", "empty-file"),
        ("text", "not-audio"),
        ("folder", "not-audio"),
        ("gone", "missing"),
        ("stretch", "stretch"),
        ("mute", "no-content"),
        ("essay", "long-text"),
        ("scroll", "long-text"),
        ("bytes", "text-encoding"),
        ("well", "duplicate-id"),
    ]
    warnings = [(fault.id, fault.kind) for fault in faults if fault.severity == "warning"]
    assert warnings == [
        ("copy", "changed"),
        ("well", "empty-text"),
        ("copy", "duplicate-audio"),
        (WHOLE_CORPUS, "overlap"),
        ("mute", "no-audio"),
        ("essay", "no-audio"),
        ("scroll", "no-audio"),
        ("bytes", "no-audio"),
        ("unread", "no-text"),
    ]
    assert seen == [(i, len(ward)) for i in range(1, len(ward) + 1)]
    sentences = {fault.kind: fault.sentence for fault in faults}
    assert sentences["duplicate-id"] == (
        "2 utterances have this id (rows 1 and 13); give each its own"
    )
    assert sentences["duplicate-audio"] == (
        "the same recording, sample for sample, as 'well', in another group (a and b), so that "
        "folds may train on what they test; keep one"
    )
    assert "expected 7.00 s, as when the corpus was prepared, found 1.00 s" in sentences["changed"]
    assert sentences["empty-text"] == (
        "the transcript is empty; leave it absent where it is unknown"
    )
    assert sentences["no-content"] == (
        "nothing to hear and no words: expected audio or a transcript; leave it out"
    )
    assert "not Unicode text (lone surrogates)" in sentences["text-encoding"]
    assert sentences["no-text"] == "has no text, unlike 17 of 18 utterances"
    essay = next(fault for fault in faults if fault.id == "essay")
    assert essay.sentence == (
        "the transcript has 10000 words (50000 characters), expected at most 2000 (20000); is it "
        "one utterance's?"
    )


def test_the_list_does_not_depend_on_the_number_of_threads(ward):
    assert find_faults(ward, workers=1) == find_faults(ward, workers=8)


def test_a_healthy_corpus_has_no_faults(ward):
    healthy = ward.where(lambda row: row.id == "stereo")
    assert find_faults(healthy) == []
    assert format_faults([]) == "no faults"
    assert refuse_faulty(healthy, []) is healthy


def test_twins_in_one_group_are_no_leak(tmp_path):
    save(tmp_path / "a.wav", noise(0))
    rows = [Utterance(id=name, audio="a.wav", group=group) for name, group in ("xg", "yg")]
    (twin,) = find_faults(write(tmp_path, rows))
    assert twin.sentence == "the same recording, sample for sample, as 'x'; keep one"
    rows = [Utterance(id=name, audio="a.wav") for name in "xy"]
    (twin,) = find_faults(write(tmp_path, rows))
    assert twin.sentence.endswith("as 'x', so that folds may train on what they test; keep one")


def test_training_refuses_faults_unless_told_to_skip_them(ward, caplog):
    faults = find_faults(ward, max_seconds=2.0)
    with pytest.raises(CorpusError) as caught:
        refuse_faulty(ward, faults)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("ward: 14 faults (2 not-audio, 2 long-text, 1 silent, ")
    assert lines[0].endswith(") in 15 of 18 utterances")
    assert lines[1].startswith("  silent: ")
    assert lines[6] == "  … and 9 more"
    assert lines[7] == (
        f"See them all with `crosstone check {ward.folder}`, and mend them or leave them out with "
        "`--skip-faulty`"
    )
    with caplog.at_level(logging.WARNING):
        kept = refuse_faulty(ward, faults, skip=True)
    assert [row.id for row in kept] == ["copy", "stereo", "unread"]
    assert "ward: left out 15 utterances, 3 remain: 14 faults (2 not-audio" in caplog.text
    with pytest.raises(CorpusError, match=r"in 1 of 1 utterances, so none is left"):
        refuse_faulty(ward.select([4]), [fault for fault in faults if fault.id == "nan"], skip=True)


def test_warnings_refuse_nothing(ward):
    warning = Fault("copy", "duplicate-audio", "warning", "twice.")
    assert refuse_faulty(ward, [warning]) is ward


def test_counts_that_differ_from_what_is_expected(tmp_path):
    rows = [
        Utterance(id=str(i), text="hm", speaker=f"s{i % 2}", labels={"emotion": "sad"})
        for i in range(3)
    ]
    expected = {
        "utterances": 4,
        "speakers": 3,
        "per_speaker": 2,
        "labels": {"emotion": {"sad": 3, "happy": 1}},
    }
    corpus = write(tmp_path, rows, extras={"expected": expected})
    faults = find_faults(corpus)
    assert {(fault.id, fault.kind, fault.severity) for fault in faults} == {
        (WHOLE_CORPUS, "incomplete", "error")
    }
    assert [fault.sentence for fault in faults] == [
        "ward: expected 4 utterances, found 3; is every file there?",
        "ward: expected 3 speakers, found 2; is every file there?",
        "ward: expected 2 utterances of speaker 's1', found 1; is every file there?",
        "ward: expected 1 utterances with emotion 'happy', found 0; is every file there?",
    ]
    assert find_faults(corpus.select(range(3))) == []
    assert missing_counts("ward", {"utterances": 3, "ceiling": 0.9}, rows) == []
    assert len(refuse_faulty(corpus, faults, skip=True)) == 3


def test_many_recordings_take_little_memory(tmp_path):
    save(tmp_path / "a.wav", noise(0, 50.0))
    rows = [Utterance(id=str(i), audio="a.wav", start=i / 10, end=i / 10 + 5) for i in range(400)]
    corpus = write(tmp_path, rows)
    tracemalloc.start()
    try:
        (overlap,) = find_faults(corpus, workers=2)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
    assert overlap.sentence == (
        "399 of 400 utterances begin before one before them in the same recording has ended, all "
        "within one group and split; the most, 4.90 s, '1' with '0'"
    )


def test_findings_of_a_small_corpus(tmp_path):
    save(tmp_path / "a.wav", np.concatenate([noise(0, 2.0), np.full(RATE, 1.0)]))
    save(tmp_path / "b.wav", np.r_[noise(1, 0.04), np.zeros(RATE)].astype(np.float32))
    line = "He spoke of it gladly."
    rows = [
        Utterance(id="1", audio="a.wav", start=0.0, end=2.0, text=line, group="x", split="train"),
        Utterance(id="2", audio="a.wav", start=1.5, end=3.0, text="No.", group="y", split="test"),
        Utterance(id="3", audio="b.wav", text=f" {line.upper()}", group="y", split="test"),
        Utterance(id="4", audio="b.wav", text="no.", group="x", split="train", speaker="ann"),
        Utterance(id="5", text="no.", group="z", split="test", speaker="ann"),
    ]
    found = examine(write(tmp_path, rows))
    said = {fault.kind: fault.sentence for fault in found.faults}
    assert said["clipped"].startswith(
        f"{tmp_path / 'a.wav'}: clipped: 66.67% of the samples stand at full scale, expected at "
        "most 0.1%"
    )
    assert "hardly anything to hear: 96% of it is 40 dB or more below" in said["mostly-quiet"]
    assert said["duplicate-audio"].startswith("the same recording, sample for sample, as '3'")
    assert said["duplicate-text"] == (
        "1 text of 3 words or more stands in more than one group, in 2 of 5 utterances; the most "
        "frequent, 'He spoke of it gladly.', 2 times in 2 groups; a model of words may know them "
        "from training"
    )
    assert said["overlap"] == (
        "1 of 5 utterances begin before one before them in the same recording has ended, 1 of them "
        "in another group or split; the most, 0.50 s, '2' with '1'"
    )
    assert said["shared-speaker"] == (
        "1 speaker is in both test and train: ann; what is learnt of them in one helps in the other"
    )
    assert "shared-group" not in said
    assert {fault.severity for fault in found.faults} == {"warning"}
    facts = found.findings
    assert facts["counts"] == {
        "utterances": 5,
        "with_audio": 4,
        "with_text": 5,
        "recordings": 2,
        "speakers": 1,
        "groups": 3,
    }
    assert facts["audio"]["rates"] == {"8000": 4}
    assert facts["audio"]["hours"] == pytest.approx((2 + 1.5 + 2 * 1.04) / 3600)
    assert facts["repeats"]["listed"] == [{"text": line, "utterances": 2, "groups": 2}]
    assert facts["text"]["words"]["edges"] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert facts["text"]["words"]["counts"] == [3, 0, 0, 0, 2]


def test_words_that_come_again_where_there_are_no_groups(tmp_path):
    rows = [Utterance(id=str(i), text="They left without a word.") for i in range(3)]
    found = examine(write(tmp_path, rows))
    assert {fault.kind: fault.sentence for fault in found.faults}["duplicate-text"] == (
        "1 text of 3 words or more stands more than once, in 3 of 3 utterances; the most frequent, "
        "'They left without a word.', 3 times; a model of words may know them from training"
    )


def test_without_listening_only_absence_is_found(tmp_path):
    save(tmp_path / "silent.wav", np.zeros(RATE))
    rows = [
        Utterance(id="here", audio="silent.wav", text="hm", duration=1.0),
        Utterance(id="gone", audio="gone.wav", text="hm", duration=2.0),
    ]
    found = examine(write(tmp_path, rows), listen=False)
    assert [(fault.id, fault.kind) for fault in found.faults] == [("gone", "missing")]
    assert found.findings["audio"]["heard"] == 0
    assert found.findings["audio"]["hours"] == pytest.approx(3 / 3600)
