"""Timelines of joined clips: the boundaries are found, and what is said there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from calls import MOODS, RATE, join_turns, mood_listener

from crosstone.errors import AudioError, CrosstoneError
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording
from crosstone.inference.timeline import PEAKS, Cut, Moment, Waveform, timeline
from crosstone.inference.voice import MARGIN

SCENES = [mood for scene in range(6) for mood in [MOODS[scene % 2]] * 4]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(mood_listener())


def test_joined_clips_are_found_again(predictor: Predictor, tmp_path: Path) -> None:
    """24 clips after pauses: every boundary within 0.05 s and the margin, every turn its own."""
    turns = join_turns(tmp_path / "call.flac", SCENES)
    waveform = Waveform()
    moments = list(
        timeline(
            predictor,
            Recording(id="call", audio=tmp_path / "call.flac"),
            heard=waveform.hear,
        )
    )
    assert len(moments) == len(turns)
    for number, (moment, turn) in enumerate(zip(moments, turns, strict=True)):
        assert moment.start + MARGIN == pytest.approx(turn.start, abs=0.05)
        assert moment.end - MARGIN == pytest.approx(turn.end, abs=0.05)
        assert (moment.segment, moment.smoothed) == (number, turn.mood)
    assert [i for i, moment in enumerate(moments) if moment.turn] == [4, 8, 12, 16, 20]
    assert [moment.last for moment in moments] == [False] * 23 + [True]
    assert waveform.seconds == pytest.approx(soundfile.info(tmp_path / "call.flac").duration)
    loud = waveform.peaks > 0.01
    at = (np.arange(PEAKS) + 0.5) * waveform.seconds / PEAKS
    spoken = np.any([(at > t.start) & (at < t.end) for t in turns], axis=0)
    assert (loud == spoken).mean() > 0.97


def test_pauses_are_kept_as_the_model_knows_them(predictor: Predictor, tmp_path: Path) -> None:
    turns = join_turns(tmp_path / "call.wav", SCENES[:6], pause=(1.0, 1.1))
    asked = Recording(id="call", audio=tmp_path / "call.wav")
    predictor.model.config.pauses = [0.02, 0.4]
    try:
        known = list(timeline(predictor, asked))
    finally:
        predictor.model.config.pauses = None
    assert [m.start + MARGIN for m in known] == pytest.approx([t.start for t in turns], abs=0.05)
    assert [m.end - 0.4 for m in known] == pytest.approx([t.end for t in turns], abs=0.05)
    wide = list(timeline(predictor, asked, Cut(margin=0.3)))
    assert [m.start + 0.3 for m in wide] == pytest.approx([t.start for t in turns], abs=0.05)
    with pytest.raises(CrosstoneError, match="--margin: expected 0 to 15 s"):
        list(timeline(predictor, asked, Cut(margin=16)))


def test_fixed_windows_tell_the_same_story(predictor: Predictor, tmp_path: Path) -> None:
    turns = join_turns(tmp_path / "call.wav", SCENES, pause=(0.2, 0.3))
    cut = Cut(kind="fixed", window=2.0, hop=1.0)
    asked = Recording(id="call", audio=tmp_path / "call.wav")
    moments = list(timeline(predictor, asked, cut, batch_size=3))
    assert [(m.start, m.end) for m in moments[:2]] == [(0.0, 2.0), (1.0, 3.0)]
    changes = [m.start + 1.0 for m in moments if m.turn]
    true = [turns[i].start for i in (4, 8, 12, 16, 20)]
    assert changes == pytest.approx(true, abs=1.5)


def test_segments_are_answered_as_cut_out_recordings(predictor: Predictor, tmp_path: Path) -> None:
    join_turns(tmp_path / "call.wav", SCENES[2:6])
    samples, _ = soundfile.read(tmp_path / "call.wav", dtype="float32")
    for moment in timeline(predictor, Recording(id="c", audio=tmp_path / "call.wav")):
        part = samples[round(moment.start * RATE) : round(moment.end * RATE)]
        alone = predictor.predict(part, sampling_rate=RATE)
        assert isinstance(moment.prediction, Prediction)
        assert moment.prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_silent_windows_have_no_answer_and_change_no_path(
    predictor: Predictor, tmp_path: Path
) -> None:
    join_turns(tmp_path / "a.wav", ["calm"], pause=(0.01, 0.02), seconds=(4.0, 4.1))
    samples, _ = soundfile.read(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.concatenate([samples[:64_000], np.zeros(64_000)]), RATE)
    asked = Recording(id="b", audio=tmp_path / "b.wav")
    first, second, third, fourth = timeline(predictor, asked, Cut(kind="fixed", window=2.0))
    assert first.unanswered is second.unanswered is None
    assert [m.unanswered for m in (third, fourth)] == ["silent", "silent"]
    assert fourth.smoothed == first.smoothed
    assert fourth.as_dict() == {
        "id": "b",
        "segment": 3,
        "start": 6.0,
        "end": 8.0,
        "smoothed": first.smoothed,
        "turn": False,
        "unanswered": "silent",
        "last": True,
    }


def test_cues_cut_and_speak(predictor: Predictor, tmp_path: Path) -> None:
    turns = join_turns(tmp_path / "call.wav", SCENES[:6])
    cues = [f"00:{t.start:06.3f} --> 00:{t.end:06.3f}\nwords {t.mood}\n" for t in turns]
    (tmp_path / "call.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    asked = Recording(id="call", audio=tmp_path / "call.wav")
    moments = list(timeline(predictor, asked, Cut(kind="transcript")))
    assert [m.start for m in moments] == pytest.approx([t.start for t in turns], abs=1e-3)
    assert [m.smoothed for m in moments] == SCENES[:6]


@pytest.mark.parametrize(
    "fields,cut,error,said",
    [
        ({"start": 1.0}, Cut(), CrosstoneError, "expected a whole recording"),
        ({}, Cut(kind="transcript"), CrosstoneError, "expected a .srt or .vtt beside"),
        ({}, Cut(kind="fixed", window=90), CrosstoneError, "at most 60 s"),
    ],
)
def test_timelines_that_cannot_be(
    predictor: Predictor, tmp_path: Path, fields: Any, cut: Cut, error: Any, said: str
) -> None:
    join_turns(tmp_path / "call.wav", ["calm"])
    with pytest.raises(error, match=said):
        list(timeline(predictor, Recording(id="c", audio=tmp_path / "call.wav", **fields), cut))


def test_recordings_without_speech_and_broken_ones(predictor: Predictor, tmp_path: Path) -> None:
    def asked(name: str) -> list[Moment]:
        return list(timeline(predictor, Recording(id=name, audio=tmp_path / name)))

    hiss = np.random.default_rng(0).normal(0, 0.01, 5 * RATE)
    soundfile.write(tmp_path / "hiss.wav", hiss, RATE)
    with pytest.raises(AudioError, match=r"hiss\.wav: expected speech, .*--segments fixed"):
        asked("hiss.wav")
    soundfile.write(tmp_path / "none.wav", 0 * hiss, RATE)
    with pytest.raises(AudioError, match="silent"):
        asked("none.wav")
    with pytest.raises(AudioError, match="no such file"):
        asked("missing.wav")
    join_turns(tmp_path / "cut.wav", SCENES)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:-70_000])
    with pytest.raises(AudioError, match="truncated"):
        asked("cut.wav")
