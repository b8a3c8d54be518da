"""What predict refuses the exported folder refuses, in the same words."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import RobertaConfig

from crosstone.data.text import train_tokenizer
from crosstone.errors import CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.export import export_onnx
from crosstone.inference.export.hearing import Unanswerable
from crosstone.inference.export.runner import Runner, main
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.logmel import LogMelConfig

RATE = 16_000
GOOD = (0.3 * np.sin(np.arange(RATE) / 9)).astype(np.float32)
NOT_ONE = np.where(np.arange(RATE) == 700, np.nan, GOOD)


def floats(path: Path, samples: Any, rate: int = RATE) -> None:
    soundfile.write(path, samples, rate, subtype="FLOAT")


def bad_files(folder: Path) -> dict[str, Path]:
    """A file of every kind that cannot be used, by what is said of it."""
    said = {
        "no such file": "missing.wav",
        "the file is empty": "empty.wav",
        "something else or a damaged file": "text.wav",
        "found a folder; name": "folder",
        "truncated: its header promises 1.00 s": "cut.wav",
        "its last page is cut off": "cut.ogg",
        "could decode no more": "cut.flac",
        "a header and no samples": "none.wav",
        "0.0437 s, expected at least": "short.wav",
        "61.0 s, expected at most 60 s": "long.wav",
        "1 of 16000 samples are NaN": "nan.wav",
        "a peak of 9": "loud.wav",
        "silent (peak below -90 dBFS)": "zeros.wav",
        "its 2 channels, in opposite phase": "phase.wav",
        "found 500000; convert it": "fast.wav",
    }
    files = {sentence: folder / name for sentence, name in said.items()}
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no recording at all")
    (folder / "folder").mkdir()
    for name in ("cut.wav", "cut.ogg", "cut.flac"):
        soundfile.write(folder / name, GOOD, RATE)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: 2 * len(content) // 3])
    floats(folder / "none.wav", GOOD[:0])
    floats(folder / "short.wav", GOOD[:700])
    floats(folder / "long.wav", np.tile(GOOD, 61))
    floats(folder / "nan.wav", NOT_ONE)
    floats(folder / "loud.wav", 30 * GOOD)
    floats(folder / "zeros.wav", 0 * GOOD)
    floats(folder / "phase.wav", np.stack([GOOD, -GOOD], 1))
    floats(folder / "fast.wav", GOOD, 500_000)
    return files


BAD_SAMPLES: list[tuple[Any, Any, str]] = [
    (GOOD, None, "expected their sampling_rate"),
    (GOOD, 0, "found 0; correct it"),
    (GOOD, "16 kHz", "found '16 kHz'"),
    (GOOD, True, "found True"),
    (GOOD, 10**7, "found 10000000"),
    (0 * GOOD, RATE, "samples: silent"),
    (GOOD[:700], RATE, "last 0.0437 s"),
    (np.tile(GOOD, 61), RATE, "last 61.0 s, expected at most 60 s"),
    (30 * GOOD, RATE, "a peak of 9"),
    (NOT_ONE, RATE, "with NaN or infinity"),
    (GOOD[:0], RATE, "found shape (0,)"),
    (np.stack([GOOD, GOOD], 1), RATE, "found shape (16000, 2); give one channel"),
    (np.full(RATE, 128, np.uint8), RATE, "or int16, found uint8"),
    ([[0.1], [0.1, 0.2]], RATE, "expected numbers of shape (N,), found none"),
]

BAD_QUESTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "found nothing it can use; add a transcript (--text)"),
    ({"text": " \n"}, "found nothing it can use"),
    ({"audio": GOOD, "sampling_rate": RATE}, "found audio: never trained without the rest"),
    ({"text": "door " * 60}, "expected texts of at most 38 tokens"),
    ({"text": 3}, "utterance: text: expected what is said as a string, found int"),
    ({"text": "\ud800"}, "the text is not Unicode text (lone surrogates)"),
]


@pytest.fixture(scope="module")
def reader() -> Predictor:
    """A model that reads, with or without hearing."""
    tokenizer = train_tokenizer(["come in", "it is late"] * 4, 300)
    words = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    sounds = LogMelConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(audio_config=sounds, text_config=words))
    heads = {"mood": HeadSpec(kind="classification", labels=("calm", "tense"))}
    model = build_task(backbone, heads, heard=["text", "audio+text"]).eval()
    model.heads["mood"].weight.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    return Predictor(model, tokenizer)


@pytest.fixture(scope="module")
def exported(reader: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(reader, tmp_path_factory.mktemp("onnx") / "reader").folder


def refusals(reader: Predictor, exported: Path, **asked: Any) -> tuple[str, str]:
    """What predict says of a question, and what the folder says."""
    with pytest.raises(CrosstoneError) as of_predict:
        reader.predict(**asked)
    with pytest.raises(Unanswerable) as of_folder:
        Runner(exported, threads=1).predict(**asked)
    return str(of_predict.value).replace("model:", f"{exported}:", 1), str(of_folder.value)


def test_bad_files(
    reader: Predictor, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, but for what crosstone alone can do: a timeline, and ffmpeg."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for sentence, path in bad_files(tmp_path).items():
        expected, found = refusals(reader, exported, audio=path, text="come in")
        assert sentence in found, path
        assert str(path) in found
        rest = expected.removeprefix(found)
        assert rest in (
            "",
            ", or ask for its timeline (crosstone predict --segments vad)",
            "; ffmpeg, which opens more kinds, is not installed here",
        ), (expected, found)


@pytest.mark.parametrize("samples,rate,sentence", BAD_SAMPLES, ids=[s for *_, s in BAD_SAMPLES])
def test_bad_samples(
    reader: Predictor, exported: Path, samples: Any, rate: Any, sentence: str
) -> None:
    expected, found = refusals(reader, exported, audio=samples, sampling_rate=rate, text="come in")
    assert found == expected
    assert sentence in found


@pytest.mark.parametrize("asked,sentence", BAD_QUESTIONS, ids=[s for _, s in BAD_QUESTIONS])
def test_bad_questions(
    reader: Predictor, exported: Path, asked: dict[str, Any], sentence: str
) -> None:
    expected, found = refusals(reader, exported, **asked)
    assert found == expected
    assert sentence in found


def test_a_header_of_unknown_length_is_no_truncated_file(
    reader: Predictor, exported: Path, tmp_path: Path
) -> None:
    """As programs that write to a pipe leave it."""
    soundfile.write(tmp_path / "a.wav", GOOD, RATE, subtype="PCM_16")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(content)
    asked: dict[str, Any] = {"audio": tmp_path / "a.wav", "text": "come in"}
    found = Runner(exported, threads=1).predict(**asked)
    expected = reader.predict(**asked)
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)


def test_the_command_goes_on_after_a_bad_file(
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    about = json.loads((exported / "config.json").read_text()) | {"heard": ["audio"]}
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "config.json").write_text(json.dumps(about))
    floats(tmp_path / "good.wav", GOOD)
    (tmp_path / "bad.wav").touch()
    monkeypatch.setattr("crosstone.inference.export.runner.__file__", str(copy / "runner.py"))
    asked = [str(tmp_path / name) for name in ("bad.wav", "good.wav")]
    monkeypatch.setattr("sys.argv", ["runner.py", *asked])
    assert main() == 2
    captured = capsys.readouterr()
    assert "bad.wav: the file is empty (0 bytes); fetch it again" in captured.err
    assert json.loads(captured.out)["id"] == asked[1]
