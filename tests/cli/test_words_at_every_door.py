"""Words that are missing, too many or no text, through every door, as in test_every_door."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from doors import CUE, WAVE, command, file_of, post, refusal

from crosstone.errors import CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.prediction import Prediction

LONG_TEXT = "come in " * 12_500
TOO_LONG = (
    "expected texts of at most 38 tokens, which is what the text encoder takes; found longer: {} "
    "(25000 words, 37501 tokens); split the recording or its text"
)
UNLESS = ", or train with data.cut_texts=true"
ALONE = "found audio: never trained without the rest, so its answer would mean nothing; add "
WORDS = [
    (
        "any",
        False,
        "",
        "expected audio or audio+text or text, found nothing it can use; add a "
        "recording or a transcript (--text)",
    ),
    (
        "both",
        True,
        "",
        f"expected audio+text, {ALONE}a transcript (--text) or fine-tune one for audio",
    ),
    (
        "both",
        False,
        "come in",
        "expected audio+text, found text: never trained without the rest, "
        "so its answer would mean nothing; add a recording or fine-tune one for text",
    ),
    (
        "both",
        True,
        " \n",
        f"expected audio+text, {ALONE}a transcript (--text) or fine-tune one for audio",
    ),
    ("reads", True, None, "expected text, found nothing it can use; add a transcript (--text)"),
    ("reads", False, "", "expected text, found nothing it can use; add a transcript (--text)"),
]
"""Model, whether there is a recording, the words, and the sentence after the model's name."""

OF_A_FORM = {
    "a recording or a transcript (--text)": "a recording as 'audio' or what is said as 'text'",
    "a transcript (--text) or fine-tune one for audio": "what is said as 'text'",
    "a transcript (--text)": "what is said as 'text'",
    "a recording or fine-tune one for text": "a recording as 'audio'",
}


@pytest.mark.parametrize("name,has_audio,text,said", WORDS)
def test_words_that_are_missing(
    crosstone: Any,
    models: dict[str, Path],
    predictors: dict[str, Predictor],
    tmp_path: Path,
    name: str,
    has_audio: bool,
    text: str | None,
    said: str,
) -> None:
    predictor, recording = predictors[name], tmp_path / "a.wav"
    recording.write_bytes(file_of(WAVE))
    with pytest.raises(CrosstoneError) as caught:
        predictor.predict(recording if has_audio else None, text=text)
    assert str(caught.value) == f"{models[name]}: {said}"
    good = {"audio": recording, "text": "come in"}
    refused, answer = predictor.predict_many(
        [{"audio": recording if has_audio else None, "text": text}, good]
    )
    assert (refused.reason, type(answer)) == (str(caught.value), Prediction)

    arguments = [recording] if has_audio else []
    found = command(
        crosstone, models[name], *arguments, *(["--text", text] if text is not None else [])
    )
    assert (found.code, found.ids) == (2, [])
    assert f"error: {models[name]}: {said}" in found.said

    add = said[said.rindex("add ") + 4 :]
    said = said.replace(add, OF_A_FORM[add])
    file = ("a.wav", recording.read_bytes())
    files = {"audio": file} if has_audio else {"text": (None, text or "")}
    fields = {} if text is None or not has_audio else {"text": text}
    whole = {"files": {"audio": file}, "data": {"text": "come in"}}
    bad, good_ = post(predictor, "predict", {"files": files, "data": fields}, whole)
    assert refusal(bad, predictor) == (422, f"the model: {said}")
    assert good_.status_code == 200


@pytest.mark.parametrize("name", ["both", "reads"])
def test_a_timeline_without_the_words_it_needs(
    crosstone: Any,
    models: dict[str, Path],
    predictors: dict[str, Predictor],
    tmp_path: Path,
    name: str,
) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(file_of(WAVE))
    found = command(crosstone, models[name], recording, "--segments", "fixed")
    assert (found.code, found.ids) == (2, [])
    assert "add a transcript (--text)" in found.said
    assert "the words of a timeline are those of a .srt or .vtt beside the recording" in found.said
    sent = {"files": {"audio": ("a.wav", recording.read_bytes())}}
    asked = [{**sent, "data": {"segments": "fixed", "srt": CUE.format(w)}} for w in ("", "come in")]
    (without,), (empty,), (good,) = (
        post(predictors[name], "timeline", each) for each in (sent, *asked)
    )
    status, said = refusal(without, predictors[name])
    assert status == 422
    assert said.endswith("; add what is said as 'srt' or 'vtt'")
    assert refusal(empty, predictors[name]) == (
        422,
        "srt: expected cues (00:00:01.000 --> 00:00:02.500), found none",
    )
    assert good.json()["segments"][0]["label"] in ("calm", "tense")


def test_a_text_of_100_000_characters(
    crosstone: Any, models: dict[str, Path], predictors: dict[str, Predictor], tmp_path: Path
) -> None:
    predictor, recording = predictors["any"], tmp_path / "a.wav"
    recording.write_bytes(file_of(WAVE))
    with pytest.raises(CrosstoneError) as caught:
        predictor.predict(recording, text=LONG_TEXT)
    assert str(caught.value) == TOO_LONG.format("a.wav") + UNLESS
    refused, answer = predictor.predict_many([{"text": LONG_TEXT}, {"text": "come in"}])
    assert (refused.reason, type(answer)) == (TOO_LONG.format("utterance-1") + UNLESS, Prediction)
    recording.with_suffix(".txt").write_text(LONG_TEXT)
    other = tmp_path / "b.wav"
    other.write_bytes(file_of(WAVE))
    found = command(crosstone, models["any"], recording, other)
    assert (found.code, found.ids) == (2, [str(other)])
    assert TOO_LONG.format(recording) + UNLESS in found.said
    sent = {"files": {"audio": ("a.wav", recording.read_bytes())}}
    bad, good = post(predictor, "predict", {**sent, "data": {"text": LONG_TEXT}}, sent)
    assert refusal(bad, predictor) == (422, TOO_LONG.format("a.wav"))
    assert good.status_code == 200
    fields = {"segments": "transcript", "srt": CUE.format(LONG_TEXT)}
    (drawn,) = post(predictor, "timeline", {**sent, "data": fields})
    assert drawn.json()["segments"][0]["unanswered"] == TOO_LONG.format("a.wav")


def test_words_in_another_encoding(
    crosstone: Any,
    models: dict[str, Path],
    predictors: dict[str, Predictor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor, good = predictors["any"], tmp_path / "good.wav"
    latin = "café".encode("latin-1")
    for name in ("a", "b", "good"):
        (tmp_path / f"{name}.wav").write_bytes(file_of(WAVE))
    (tmp_path / "a.txt").write_bytes(latin)
    (tmp_path / "b.srt").write_bytes(CUE.encode().replace(b"{}", latin))
    (tmp_path / "m.csv").write_bytes(b"text\n" + latin)
    found = command(
        crosstone, models["any"], *(tmp_path / name for name in ("a.wav", "b.wav", "m.csv")), good
    )
    assert (found.code, found.ids) == (2, [str(good)])
    for said in (
        "a.txt: expected a transcript in UTF-8, found other bytes in line 1; save it as UTF-8",
        "b.srt: expected a transcript in UTF-8, found other bytes in line 3; save it as UTF-8",
        "m.csv: expected a table as a CSV or JSONL file in UTF-8, found other bytes in line 2",
        "3 of 4 have no answer",
    ):
        assert said in found.said
    lines = b'{"id": "1", "text": "' + latin + b'"}\n{"id": "2", "text": "come in"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="utf-8"))
    found = command(crosstone, models["any"], "-")
    assert (found.code, found.ids) == (2, ["2"])
    no_text = "the text is not Unicode text (lone surrogates); decode its source as UTF-8"
    assert f"1: {no_text}" in found.said
    wild = latin.decode("utf-8", "surrogateescape")
    assert no_text in command(crosstone, models["any"], "--text", wild).said
    with pytest.raises(CrosstoneError, match="not Unicode text"):
        predictor.predict(text=wild)
    given: Any = latin
    with pytest.raises(CrosstoneError, match="expected what is said as a string, found bytes"):
        predictor.predict(text=given)

    form = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    asked: list[dict[str, Any]] = [
        {"content": form % (b"text", latin), "headers": kind},
        {"content": b'{"text": "%s"}' % latin, "headers": {"Content-Type": "application/json"}},
        {"query": "?text=caf%E9"},
        {"content": form % (b"text", "café".encode()), "headers": kind},
        {"query": "?text=caf%C3%A9"},
    ]
    *bad, in_form, in_query = post(predictor, "predict", *asked)
    for response, where in zip(bad, ("text", "the body", "the query"), strict=True):
        said = f"{where}: expected UTF-8, found other bytes; encode it as UTF-8"
        assert refusal(response, predictor) == (422, said)
    assert in_form.json()["text"] == in_query.json()["text"] == "café"
    (bad_,) = post(predictor, "timeline", {"content": form % (b"srt", latin), "headers": kind})
    assert refusal(bad_, predictor)[1].startswith("srt: expected UTF-8")


def test_a_name_that_is_no_text(crosstone: Any, models: dict[str, Path], tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "caf") + b"\xe9.wav"
    try:
        Path(os.fsdecode(path)).write_bytes(file_of(WAVE))
    except OSError:
        pytest.skip("names are text on this file system")
    found = command(crosstone, models["any"], tmp_path)
    assert (found.code, found.ids) == (0, [os.fsdecode(path)])
