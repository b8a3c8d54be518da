"""Each bad input through every door: the command, its timelines, both routes of the server, and
Python. Each has its sentence and its code, and what came with it is answered."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from doors import WAVE, command, file_of, post, refusal

from crosstone.errors import AudioError, CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.prediction import Prediction
from crosstone.inference.recording import Refusal

There = Callable[[str], tuple[Path, Path]]


def with_one(value: float) -> bytes:
    """Half a second of floats, the sixth of which is another."""
    wave = WAVE.astype(np.float32)
    wave[5] = value
    return file_of(wave, subtype="FLOAT")


NO_AUDIO = (
    "expected audio (WAV, FLAC, Ogg, MP3 or AIFF), found something else or a damaged file; convert "
    "it, for example with `ffmpeg -i IN OUT.wav`"
)
NOT_FINITE = "1 of 8000 samples are NaN or infinite; make the file again from its source"
NOT_FINITE_SO_FAR = "NaN or infinite samples after 0.0 s; make the file again from its source"
TOO_FAST = (
    "expected at most 384000 Hz, found 400000; convert it, for example with `ffmpeg -i IN -ar "
    "48000 OUT.wav`"
)
LONG = "lasts 61.0 s, expected at most 60 s; cut it into "

SOUNDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty (0 bytes); fetch it again"),
    "text": (b"this is no recording", NO_AUDIO),
    "no-samples": (file_of(np.zeros(0)), "holds a header and no samples; fetch it again"),
    "truncated": (
        file_of(WAVE)[:6000],
        "truncated: its header promises 0.50 s, the file holds 0.19 s; fetch it again",
    ),
    "nan": (with_one(np.nan), NOT_FINITE),
    "inf": (with_one(np.inf), NOT_FINITE),
    "zeros": (
        file_of(np.zeros(8000)),
        "silent (peak below -90 dBFS); record it again or leave it out",
    ),
    "loud": (
        with_one(5.0),
        "expected samples within [-1, 1], found a peak of 5; scale the float file before saving it",
    ),
    "short": (file_of(WAVE[:160]), "lasts 0.0100 s, expected at least 0.05 s; leave it out"),
    "fast": (file_of(np.tile(WAVE, 25), 400_000), TOO_FAST),
    "long": (
        file_of(np.tile(WAVE, 61), 8000),
        f"{LONG}utterances (start and end), or ask for its timeline (crosstone predict --segments "
        "vad)",
    ),
}
"""What a file holds, and the sentence after its name."""

IN_STREAM = {"nan": NOT_FINITE_SO_FAR, "inf": NOT_FINITE_SO_FAR}
"""Where a timeline, which is not held whole, says another sentence."""

OVER_HTTP = {"long": f"{LONG}parts, or send it to /v1/timeline"}

NO_FILES = {
    "missing": "no such file; is its path right?",
    "loop": "cannot be read (",
    "folder": "expected an audio file, found a folder; name the recordings in it",
}
"""What no upload can be."""

ANSWERED = {
    "eight-channels": file_of(np.stack([WAVE] * 8, 1)),
    "slow": file_of(WAVE, 1000),
    "telephone": file_of(WAVE, 8000),
    "bats": file_of(np.tile(WAVE, 20), 300_000),
}


@pytest.fixture
def there(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """`there(kind)`: what is bad in that way, and a good recording beside it."""

    def make(kind: str) -> tuple[Path, Path]:
        bad, good = tmp_path / f"{kind}.wav", tmp_path / "good.wav"
        good.write_bytes(file_of(WAVE))
        if kind == "folder":
            bad.mkdir()
        elif kind == "loop":
            bad.symlink_to(bad)
        elif kind != "missing":
            bad.write_bytes(SOUNDS[kind][0])
        return bad, good

    return make


def said_of(kind: str) -> str:
    """The sentence of a file, up to where ffmpeg's own words follow it."""
    if kind == "text" and shutil.which("ffmpeg"):
        return "expected audio, found what ffmpeg cannot decode either"
    return SOUNDS[kind][1] if kind in SOUNDS else NO_FILES[kind]


@pytest.mark.parametrize("kind", [*SOUNDS, *NO_FILES])
def test_a_recording_in_python(predictors: dict[str, Predictor], there: There, kind: str) -> None:
    bad, good = there(kind)
    with pytest.raises(CrosstoneError) as caught:
        predictors["any"].predict(bad)
    assert str(caught.value).startswith(f"{bad}: {said_of(kind)}")
    refused, answer = predictors["any"].predict_many([bad, good])
    assert isinstance(refused, Refusal)
    assert refused.reason == str(caught.value)
    assert isinstance(answer, Prediction)


@pytest.mark.parametrize("kind", [*SOUNDS, *NO_FILES])
def test_a_recording_in_a_command(
    crosstone: Any, models: dict[str, Path], there: There, kind: str
) -> None:
    bad, good = there(kind)
    found = command(crosstone, models["any"], bad, good)
    assert (found.code, found.ids) == (2, [str(good)])
    # a folder is one of recordings there, and this one holds none
    said = "expected recordings (.wav, " if kind == "folder" else said_of(kind)
    assert f"error: {bad}: {said}" in found.said
    assert "1 of 2 have no answer, as said above" in found.said
    found = command(crosstone, models["any"], bad)
    assert (found.code, found.ids) == (2, [])
    assert f"error: {bad}: {said}" in found.said


@pytest.mark.parametrize("kind", [*SOUNDS, *NO_FILES])
def test_a_recording_in_a_command_as_a_timeline(
    crosstone: Any, models: dict[str, Path], there: There, kind: str
) -> None:
    bad, good = there(kind)
    found = command(crosstone, models["any"], bad, good, "--segments", "fixed")
    if kind == "long":
        assert (found.code, set(found.ids)) == (0, {str(bad), str(good)})
        return
    assert (found.code, set(found.ids)) == (2, {str(good)})
    said = "expected recordings (.wav, " if kind == "folder" else said_of(kind)
    assert f"error: {bad}: {IN_STREAM.get(kind, said)}" in found.said


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_recording_that_is_sent(predictors: dict[str, Predictor], kind: str) -> None:
    content, said = SOUNDS[kind]
    files = [{"audio": (f"{kind}.wav", content)}, {"audio": ("good.wav", file_of(WAVE))}]
    bad, good = post(predictors["any"], "predict", *({"files": each} for each in files))
    assert refusal(bad, predictors["any"]) == (422, f"{kind}.wav: {OVER_HTTP.get(kind, said)}")
    assert good.status_code == 200
    fixed = {"segments": "fixed"}
    asked = [{"files": each, "data": fixed} for each in files]
    (bad,), (good,) = (post(predictors["any"], "timeline", each) for each in asked)
    assert good.status_code == 200
    if kind == "long":
        assert bad.status_code == 200
    else:
        said = IN_STREAM.get(kind, said)
        assert refusal(bad, predictors["any"]) == (422, f"{kind}.wav: {said}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_recording_that_may_not_be_read(
    crosstone: Any, models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "kept.wav").write_bytes(file_of(WAVE))
    (tmp_path / "kept.wav").chmod(0)
    found = command(crosstone, models["any"], tmp_path / "kept.wav")
    assert (found.code, found.ids) == (2, [])
    assert "kept.wav: cannot be read (Permission denied)" in found.said


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else"
)
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_recording_that_is_somebody_elses(predictors: dict[str, Predictor], mode: int) -> None:
    """What the test above asks as a person, asked by root in a person's place."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kept.wav"
        path.write_bytes(file_of(WAVE))
        path.chmod(0)
        Path(folder).chmod(mode)
        predictors["any"].predict(path)  # as root; and all that answering imports is there
        os.seteuid(65_534)
        try:
            with pytest.raises(AudioError) as caught:
                predictors["any"].predict(path)
        finally:
            os.seteuid(0)
    assert str(caught.value) == f"{path}: cannot be read (Permission denied)"


@pytest.mark.parametrize("kind", ANSWERED)
def test_rates_and_channels_that_are_answered(
    crosstone: Any,
    models: dict[str, Path],
    predictors: dict[str, Predictor],
    tmp_path: Path,
    kind: str,
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(ANSWERED[kind])
    assert isinstance(predictors["any"].predict(path), Prediction)
    assert command(crosstone, models["any"], path).code == 0
    assert command(crosstone, models["any"], path, "--segments", "fixed").code == 0
    sent = {"files": {"audio": ("a.wav", ANSWERED[kind])}}
    for route, fields in (("predict", {}), ("timeline", {"segments": "fixed"})):
        (response,) = post(predictors["any"], route, {**sent, "data": fields})
        assert response.status_code == 200
