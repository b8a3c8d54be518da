"""Many questions: the same answers as one by one, in order, with little read ahead."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from calls import mood_listener

from crosstone.errors import CrosstoneError
from crosstone.inference import predictor as module
from crosstone.inference.calibration import Calibration, Certainty
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording, Refusal
from crosstone.metrics.scaling import Scaling


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(mood_listener())


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Twelve of all lengths, in no order."""
    rng = np.random.default_rng(0)
    paths = []
    for i, seconds in enumerate(rng.uniform(0.2, 2.0, 12)):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], rng.normal(0, 0.1, int(16_000 * seconds)), 16_000)
    return paths


def test_a_list_is_answered_as_one_by_one(predictor: Predictor, files: list[Path]) -> None:
    alone = [predictor.predict(file) for file in files]
    for batch_size in (1, 5, 32):
        together = list(predictor.predict_many(files, batch_size=batch_size))
        assert [each.id for each in together] == [str(file) for file in files]
        for one, other in zip(alone, together, strict=True):
            assert isinstance(other, Prediction)
            assert other.probabilities == pytest.approx(one.probabilities, abs=1e-5)
            assert (other.start, other.end) == (0.0, one.end)


def test_what_is_read_ahead_is_bounded(
    predictor: Predictor, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 10,000 recordings never more than a window lies in memory."""
    samples = np.zeros(800, np.float32)
    loaded = answered = 0
    most = 0

    def load(*_: Any, **__: Any) -> np.ndarray:
        nonlocal loaded, most
        loaded += 1
        most = max(most, loaded - answered)
        return samples

    def answers(items: Any) -> Iterator[Prediction]:
        return (Prediction(item.id, ("audio",), value=float(len(item.audio))) for item in items)

    monkeypatch.setattr(module, "read_recording", load)
    monkeypatch.setattr(predictor, "answers", answers)
    asked = (Recording(id=str(i), audio=files[0]) for i in range(10_000))
    for i, answer in enumerate(predictor.predict_many(asked, batch_size=8)):
        answered += 1
        assert answer.id == str(i)
    assert (loaded, answered) == (10_000, 10_000)
    assert most <= 64
    samples = np.zeros(16_000 * 50, np.float32)
    loaded = answered = most = 0
    for answered, _ in enumerate(predictor.predict_many([files[0]] * 100, batch_size=32), 1):  # noqa: B007
        pass
    assert (loaded, most) == (100, 12)  # 600 s


def test_one_bad_question_stops_none(predictor: Predictor, files: list[Path]) -> None:
    asked = [files[0], files[0].with_name("none.wav"), Refusal("r", "why"), files[1]]
    asked += [{"audio": files[2], "speed": 2}, {"id": "b", "text": "only words"}]  # type: ignore[list-item]
    good, missing, refused, fine, unknown, words = predictor.predict_many(asked)
    assert isinstance(good, Prediction)
    assert isinstance(fine, Prediction)
    assert isinstance(missing, Refusal)
    assert "no such file" in missing.reason
    assert refused == Refusal("r", "why")
    assert isinstance(unknown, Refusal)
    assert "question 5: expected the keys id, audio" in unknown.reason
    assert isinstance(words, Refusal)
    assert (words.id, "add a recording" in words.reason) == ("b", True)


def test_as_a_pipeline(predictor: Predictor, files: list[Path]) -> None:
    one = predictor.predict(files[0])
    (first, second), alone = predictor(files[0]), predictor([str(files[0])], top_k=1)
    assert [first["label"], *alone[0][0].values()][:2] == [one.label, one.label]
    assert first["score"] + second["score"] == pytest.approx(1)
    assert first["score"] >= second["score"]
    samples, rate = soundfile.read(files[0], dtype="float32")
    for given in (samples, {"raw": samples, "sampling_rate": rate}, {"audio": str(files[0])}):
        assert predictor(given)[0]["score"] == pytest.approx(first["score"], abs=1e-6)
    with pytest.raises(CrosstoneError, match="no such file"):
        predictor([files[0], "none.wav"])


def test_a_pipeline_that_abstains(predictor: Predictor, files: list[Path]) -> None:
    """Certain answers stand as they are; before the others stands that it is not sure."""
    confidence = np.linspace(0.5, 0.99, 100)
    certainty = Certainty(
        scaling=Scaling((0.3, 0.3), (0.0, 0.0)),
        strangeness=1 - confidence,
        confidence=confidence,
        hits=confidence > 0.8,
        speakers=np.arange(100),
    )
    calibration = Calibration(
        head="mood",
        method="vector",
        rule="by hand",
        corpus="none",
        labels=predictor.spec.labels,
        kinds={"audio": certainty},
    )
    careful = Predictor(predictor.model, calibration=calibration, abstain=0.9)
    sure = Predictor(predictor.model, calibration=calibration)
    told = careful.predict_many(files)
    unsure = 0
    for answer, plain, said in zip(told, sure(files), careful(files), strict=True):
        assert isinstance(answer, Prediction)
        unsure += answer.unsure
        if answer.unsure:
            assert said.pop(0) == {"label": "unsure", "score": 1 - plain[0]["score"]}
        assert said == plain
    assert 0 < unsure < len(files)
    assert [len(each) for each in careful(files, top_k=1)] == [1] * len(files)


def test_a_stretch_is_heard_alone(predictor: Predictor, files: list[Path], tmp_path: Path) -> None:
    samples, _ = soundfile.read(files[0], dtype="float32")
    soundfile.write(tmp_path / "cut.wav", samples[3200:12_800], 16_000)
    cut = predictor.predict(tmp_path / "cut.wav")
    (found,) = predictor.predict_many([{"audio": files[0], "start": 0.2, "end": 0.8}])
    assert isinstance(found, Prediction)
    assert found.probabilities == pytest.approx(cut.probabilities, abs=1e-5)
    assert (found.start, found.end) == (0.2, pytest.approx(0.8))


def test_what_ffmpeg_opens_is_heard(
    predictor: Predictor, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a program of that name; without it a sentence says so."""
    import os
    import stat
    import sys

    if os.name != "posix":
        pytest.skip("the stand-in for ffmpeg is a script with a shebang")
    strange = tmp_path / "call.m4a"
    strange.write_bytes(b"ftyp" + b"\1" * 64)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (missing,) = predictor.predict_many([strange])
    assert isinstance(missing, Refusal)
    assert "ffmpeg, which opens more kinds, is not installed here" in missing.reason
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        "source = sys.argv[sys.argv.index('-i') + 1].removeprefix('file:')\n"
        f"if 'bad' in source: sys.exit('{{}}: Invalid data'.format(source))\n"
        f"shutil.copy('{files[0]}', sys.argv[-1])\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    (found,) = predictor.predict_many([strange])
    assert isinstance(found, Prediction)
    assert found.probabilities == predictor.predict(files[0]).probabilities
    (bad,) = predictor.predict_many([strange.rename(tmp_path / "bad.m4a")])
    assert isinstance(bad, Refusal)
    assert "ffmpeg cannot decode either" in bad.reason
    assert "Invalid data" in bad.reason
    (cut,) = predictor.predict_many([{"audio": tmp_path / "call.m4a"}])
    assert isinstance(cut, Refusal)


def test_a_model_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import crosstone

    mood_listener().save_pretrained(tmp_path / "snapshot")
    asked = []

    def snapshot(name: str, **_: Any) -> str:
        asked.append(name)
        if name == "nobody/nothing":
            raise OSError("404: no such repository")
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("crosstone.inference.hub.snapshot_download", snapshot)
    assert crosstone.load("someone/moods").spec.labels == ("calm", "tense")
    with pytest.raises(CrosstoneError, match=r"nobody/nothing: no model here .* \(404: no such"):
        crosstone.load("nobody/nothing")
    assert asked == ["someone/moods", "nobody/nothing"]
