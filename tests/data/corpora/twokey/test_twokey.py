import importlib.util
import re

import numpy as np
import pytest
import soundfile

from crosstone.data.corpora.twokey import prepare, speech
from crosstone.data.corpora.twokey.script import Line
from crosstone.data.corpora.twokey.speech import synthesise_lines
from crosstone.data.corpora.twokey.voices import BASE_PITCHES, VARIANTS, Speaker
from crosstone.data.corpus import Corpus
from crosstone.errors import AudioError, CorpusError, CrosstoneError

SMALL = {
    "labelled": 48,
    "unlabelled": 12,
    "text_only": 6,
    "speakers": 10,
    "unlabelled_speakers": 3,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return prepare(None, tmp_path_factory.mktemp("twokey"), **SMALL)


def table(corpus):
    return [
        (item.id, item.audio, item.text, item.speaker, item.group, item.split, dict(item.labels))
        for item in corpus
    ]


def spectrum(samples):
    """Mean log power of 25 ms frames, loudness taken out."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
    power = np.abs(np.fft.rfft(frames * np.hanning(400))) ** 2
    mean = np.log(power + 1e-6).mean(0)
    return mean - mean.mean()


def test_the_corpus_holds_its_parts(corpus):
    assert corpus.name == "twokey"
    assert corpus.splits.tolist() == ["labelled"] * 48 + ["unlabelled"] * 12 + ["text"] * 6
    assert len(set(corpus.speakers[:48])) == 10
    assert corpus.labels("emotion") == {"angry": 12, "happy": 12, "neutral": 12, "sad": 12}
    assert Corpus.open(corpus.folder).hash == corpus.hash
    assert corpus.extras["law"] == "interplay"
    assert corpus.extras["counts"] == SMALL
    assert set(corpus.extras["ceilings"]) == {
        "words",
        "delivery",
        "additive",
        "additive_best",
        "joint",
    }
    assert "GPL-3.0" in corpus.source.licence


def test_every_recording_is_heard_at_one_loudness_and_about_two_seconds(corpus):
    for utterance in corpus:
        path = corpus.audio_path(utterance)
        if path is None:
            assert utterance.split == "text"
            continue
        samples, rate = soundfile.read(path, dtype="float32")
        info = soundfile.info(path)
        assert (rate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert utterance.duration == pytest.approx(len(samples) / rate)
        assert 0.7 < utterance.duration < 4.5
        assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.07, rel=0.05)
        assert np.abs(samples[: rate // 10]).max() > 0.001  # no silence before
        assert np.abs(samples[-rate // 10 :]).max() > 0.001  # nor after
    assert 1.5 < np.nanmean(corpus.durations) < 2.3


def test_the_same_options_give_the_same_table(corpus, tmp_path):
    assert table(prepare(None, tmp_path, jobs=1, **SMALL)) == table(corpus)


def test_recordings_are_kept_and_only_missing_ones_made(corpus):
    paths = [path for path in map(corpus.audio_path, corpus) if path is not None]
    before = {path: path.stat().st_mtime_ns for path in paths}
    paths[3].unlink()
    done = []
    prepare(
        None, corpus.folder, progress=lambda number, total: done.append((number, total)), **SMALL
    )
    after = {path: path.stat().st_mtime_ns for path in paths}
    assert {path for path in paths if before[path] != after[path]} == {paths[3]}
    assert done == [(number, len(set(paths))) for number in range(1, len(set(paths)) + 1)]
    done.clear()
    prepare(
        None, corpus.folder, progress=lambda number, total: done.append((number, total)), **SMALL
    )
    assert done == [(len(set(paths)), len(set(paths)))]
    assert not list(corpus.folder.rglob("*.part"))


def test_every_voice_sounds_different(tmp_path):
    lines = [
        Line(
            text="We had a nice walk.",
            voice=Speaker(variant, 50, "").voice,
            rate=200,
            range=50,
            pitch=50,
        )
        for variant in VARIANTS
    ]
    sounds = [
        spectrum(soundfile.read(tmp_path / name, dtype="float32")[0])
        for name in synthesise_lines(lines, tmp_path)
    ]
    rows = np.stack(sounds)
    distance = np.sqrt(((rows[:, None] - rows[None]) ** 2).mean(2))
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 0.15


def test_every_parameter_is_heard(tmp_path):
    middle = {"rate": 172, "range": 50, "pitch": 50}
    changes = [{}, {"rate": 220}, {"range": 74}, {"pitch": BASE_PITCHES[-1]}]
    lines = [
        Line(text="We had a nice walk in April.", voice="en-us+m3", **(middle | change))
        for change in changes
    ]
    sounds = [
        soundfile.read(tmp_path / name, dtype="float32")[0]
        for name in synthesise_lines(lines, tmp_path)
    ]
    plain, fast, *others = sounds
    assert len(fast) / len(plain) == pytest.approx(172 / 220, abs=0.06)
    for other in others:
        assert abs(len(other) / len(plain) - 1) < 0.05
        assert np.abs(spectrum(other) - spectrum(plain)).max() > 0.3


def test_a_missing_voice_is_an_error(tmp_path):
    lines = [
        Line(text="Good.", voice=voice, rate=172, range=50, pitch=50)
        for voice in ("en-us+f1", "en-us+nobody")
    ]
    with pytest.raises(AudioError, match=r"expected 2 .* found 1 .*no voice 'en-us\+nobody'"):
        synthesise_lines(lines, tmp_path)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        speech, "find_spec", lambda name: None if name == "espeakng_loader" else found(name)
    )
    sentence = "twokey needs espeakng-loader: pip install 'crosstone[demo]'"
    with pytest.raises(CrosstoneError, match=re.escape(sentence)):
        prepare(None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_law(tmp_path):
    with pytest.raises(CorpusError, match="one of interplay, quadrants, found 'sarcasm'"):
        prepare(None, tmp_path, law="sarcasm")
