"""RAVDESS: its file names, its counts, and what is said of files that don't belong."""

import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.ravdess import EXPECTED
from crosstone.data.faults import find_faults
from crosstone.errors import CorpusError

NOISE = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
prepare = CORPORA["ravdess"]


def clip(folder: Path, name: str, seconds: float = 0.1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, NOISE[: round(seconds * 48000)], 48000)


@pytest.fixture
def release(tmp_path) -> Path:
    """All 1,440 names of the release under an extra folder, each a true WAV file."""
    clip(tmp_path, "one.wav", 0.001)
    content = (tmp_path / "one.wav").read_bytes()
    root = tmp_path / "ravdess"
    for actor in range(1, 25):
        folder = root / "Audio_Speech_Actors_01-24" / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for emotion, intensity, statement, repetition in itertools.product(
            range(1, 9), (1, 2), (1, 2), (1, 2)
        ):
            if (emotion, intensity) != (1, 2):
                fields = (3, 1, emotion, intensity, statement, repetition, actor)
                name = "-".join(f"{field:02d}" for field in fields)
                (folder / f"{name}.wav").write_bytes(content)
    return root


def test_the_whole_release(release, tmp_path):
    corpus = prepare(release, tmp_path / "out")
    assert len(corpus) == 1440
    assert corpus.labels("emotion") == dict(sorted(EXPECTED["labels"]["emotion"].items()))
    assert corpus.labels("intensity") == {"normal": 768, "strong": 672}
    assert corpus.labels("gender") == {"female": 720, "male": 720}
    assert (corpus.extras["incomplete"], corpus.extras["skipped"]) == ([], {})
    np.testing.assert_array_equal(np.unique(corpus.groups, return_counts=True)[1], [60] * 24)
    assert corpus.speakers.tolist() == corpus.groups.tolist()
    assert {row.text for row in corpus} == {
        "Kids are talking by the door",
        "Dogs are sitting by the door",
    }
    assert corpus.source.licence == "CC BY-NC-SA 4.0"
    assert "incomplete" not in {fault.kind for fault in find_faults(corpus)}


def test_a_file_name_is_read_field_by_field(tmp_path):
    clip(tmp_path / "Actor_12", "03-01-06-02-02-01-12.wav", 0.5)
    clip(tmp_path / "Actor_07", "03-01-01-01-01-02-07.flac", 0.25)
    first, second = prepare(tmp_path, tmp_path / "out")
    assert (first.id, first.audio) == (
        "03-01-01-01-01-02-07",
        "Actor_07/03-01-01-01-01-02-07.flac",
    )
    assert (first.duration, first.text) == (0.25, "Kids are talking by the door")
    assert first.labels == {"emotion": "neutral", "intensity": "normal", "gender": "male"}
    assert (second.duration, second.text) == (0.5, "Dogs are sitting by the door")
    assert (second.text_source, second.speaker, second.group) == ("gold", "Actor_12", "Actor_12")
    assert second.labels == {"emotion": "fearful", "intensity": "strong", "gender": "female"}


def test_what_does_not_belong_is_left_out_counted_and_said(tmp_path, caplog):
    name = "03-01-06-02-02-01-12"
    clip(tmp_path / "Actor_12", f"{name}.wav")
    clip(tmp_path / "again" / "Actor_12", f"{name}.wav")
    clip(tmp_path, "03-02-06-02-02-01-12.wav")
    clip(tmp_path, "01-01-06-02-02-01-12.wav")
    (tmp_path / f"{name}.mp4").touch()
    clip(tmp_path, "03-01-09-02-02-01-12.wav")
    clip(tmp_path, "noise.wav")
    with caplog.at_level(logging.WARNING):
        corpus = prepare(tmp_path, tmp_path / "out")
    assert [row.audio for row in corpus] == [f"Actor_12/{name}.wav"]
    assert corpus.extras["skipped"] == {
        "files without a RAVDESS name": 2,
        "second copies": 1,
        "song clips": 1,
        "audio-video clips": 1,
        "video clips": 1,
    }
    assert "ravdess: left out 2 files without a RAVDESS name, 1 " in caplog.text
    assert "ravdess: expected 1440 utterances, found 1; 14 more counts differ" in caplog.text
    incomplete = [fault for fault in find_faults(corpus) if fault.kind == "incomplete"]
    assert [fault.sentence for fault in incomplete] == corpus.extras["incomplete"]
    assert "expected 60 utterances of speaker 'Actor_12', found 1" in incomplete[2].sentence


def test_a_folder_without_clips(tmp_path):
    with pytest.raises(CorpusError, match=r"found no folder; unpack Audio_Speech_Actors_01-24.zip"):
        prepare(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(
        CorpusError, match=r"expected audio-only speech clips named like .*found none;"
    ):
        prepare(tmp_path, tmp_path / "out")
    clip(tmp_path, "03-02-06-02-02-01-12.wav")
    with pytest.raises(CorpusError, match=r"found none, 1 song clips left out; unpack"):
        prepare(tmp_path, tmp_path / "out")
