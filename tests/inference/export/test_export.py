"""The exported folder answers as torch does, without torch."""

import json
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from transformers import HubertConfig, RobertaConfig

from crosstone.data.batch import Item
from crosstone.data.text import train_tokenizer
from crosstone.errors import CheckFailed, ConfigError, CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.calibration import Calibration, Certainty
from crosstone.inference.export import export_onnx
from crosstone.inference.export import folder as folder_module
from crosstone.inference.export.hearing import Unanswerable, change_rate
from crosstone.inference.export.runner import Runner
from crosstone.metrics.scaling import Scaling
from crosstone.models import BaselineConfig, BaselineModel, CMTConfig, CMTModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.logmel import LogMelConfig

MOODS = ("calm", "glad", "tense")
WORDS = ("come in and close the door", "it is late", "no")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(WORDS * 4, 300)


def text_config() -> RobertaConfig:
    return RobertaConfig(
        vocab_size=300,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        type_vocab_size=1,
        initializer_range=0.3,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def predictor_of(backbone: Any, spec: HeadSpec, heard: list[str], **options: Any) -> Predictor:
    model = build_task(backbone, {"mood": spec}, heard=heard).eval()
    model.heads["mood"].weight.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    return Predictor(model, **options)


@pytest.fixture(scope="module")
def both(tokenizer: Any) -> Predictor:
    """A calibrated CMT that hears, reads, or does both."""
    torch.manual_seed(0)
    backbone = CMTModel(
        CMTConfig(
            audio_config=LogMelConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=1),
            text_config=text_config(),
            num_layers=1,
            num_heads=2,
            initializer_range=0.3,
        )
    )
    certainty = Certainty(
        scaling=Scaling((0.5, 1.5, 1.0), (0.3, -0.1, -0.2)), strangeness=np.zeros(3)
    )
    calibration = Calibration(
        head="mood",
        method="vector",
        rule="by hand",
        corpus="none",
        labels=MOODS,
        kinds={"audio+text": certainty},
    )
    spec = HeadSpec(kind="classification", labels=MOODS)
    heard = ["audio", "audio+text", "text"]
    return predictor_of(backbone, spec, heard, tokenizer=tokenizer, calibration=calibration)


@pytest.fixture(scope="module")
def exported(both: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "both"
    made = export_onnx(both, out, int8=True)
    assert made.difference.is_rounding
    assert made.difference.logits < 1e-4
    assert made.difference.probabilities is not None
    assert made.difference.probabilities < 1e-5
    assert made.num_clips == 12
    assert made.int8_difference is not None
    assert 0 < made.int8_difference.logits < 2
    assert not made.int8_difference.is_rounding
    return out


def sound(seconds: float, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return (0.2 * rng.standard_normal(int(seconds * 16_000))).clip(-1, 1).astype(np.float32)


def test_a_process_without_torch_gives_the_answers_of_predict(
    both: Predictor, exported: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "call.wav"
    soundfile.write(recording, np.stack([sound(0.7), sound(0.7, 1)], 1), 16_000)
    code = (
        "import sys, runpy\n"
        "for name in ('torch', 'transformers', 'crosstone', 'soxr'): sys.modules[name] = None\n"
        "path, *sys.argv[1:] = sys.argv[1:]\n"
        "runpy.run_path(path, run_name='__main__')"
    )
    asked = [str(exported / "runner.py"), str(recording), "--text", f" {WORDS[0]}\n"]
    done = subprocess.run(
        [sys.executable, "-c", code, *asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    expected = both.predict(recording, text=WORDS[0]).as_dict() | {"id": str(recording)}
    assert answer["probabilities"] == pytest.approx(expected.pop("probabilities"), abs=5e-5)
    assert {k: v for k, v in answer.items() if k != "probabilities"} == expected
    assert answer["calibrated"] == "vector"


def test_side_by_side_with_absent_modalities(both: Predictor, exported: Path) -> None:
    runner = Runner(exported, threads=1)
    items = [
        (sound(0.5), None),
        (None, runner.tokenise(WORDS[1])),
        (sound(1.3), runner.tokenise(WORDS[0])),
        (sound(0.02), runner.tokenise(WORDS[2])),
    ]
    found = runner.answers(items)
    alone = [runner.answers([item])[0] for item in items]
    for (audio, text), one, answer in zip(items, alone, found, strict=True):
        (expected,) = both.answers([Item("a", audio, text)])
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=5e-5)
        assert one["probabilities"] == pytest.approx(answer["probabilities"], abs=5e-5)
        assert answer.get("calibrated") == expected.calibrated


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("loudness", [0.5, 3.0])
def test_files_of_any_rate_and_louder_than_full_scale(
    both: Predictor, exported: Path, tmp_path: Path, rate: int, loudness: float
) -> None:
    """A float file past 1 is clipped, as predict clips it, after its rate was changed."""
    time = np.arange(rate) / rate
    wave = np.sin(2 * np.pi * 200 * time) + 0.2 * np.sin(2 * np.pi * 1500 * time)
    samples = (loudness * np.sin(np.pi * time) ** 2 * wave).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    expected = both.predict(tmp_path / "a.wav").probabilities
    runner = Runner(exported, threads=1)
    found = runner.predict(tmp_path / "a.wav")
    assert found["probabilities"] == pytest.approx(expected, abs=5e-5)
    given = runner.predict(samples, sampling_rate=rate)
    assert given["probabilities"] == found["probabilities"]
    if loudness > 1:
        soundfile.write(tmp_path / "b.wav", samples / loudness, rate, subtype="FLOAT")
        softer = both.predict(tmp_path / "b.wav").probabilities
        assert softer != pytest.approx(expected, abs=1e-3)


def test_samples_of_16_bits(both: Predictor, exported: Path) -> None:
    samples = (sound(0.5) * 20_000).astype(np.int16)
    found = Runner(exported, threads=1).predict(samples, sampling_rate=16_000)
    expected = both.predict(samples, sampling_rate=16_000).probabilities
    assert found["probabilities"] == pytest.approx(expected, abs=5e-5)


def test_a_text_that_is_cut_keeps_its_closing_token(
    both: Predictor, exported: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(exported, tmp_path / "copy")
    about = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(about | {"cut_texts": True}))
    runner, words = Runner(copy, threads=1), "door " * 60
    tokens = runner.tokenise(words)
    assert (len(tokens), tokens[0], tokens[-1]) == (38, 0, 2)
    both.model.config.cut_texts = True
    try:
        expected = both.predict(text=words)
    finally:
        both.model.config.cut_texts = False
    found = runner.predict(text=words)
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=5e-5)


@pytest.mark.parametrize("rate", [16_000, 11_025])
def test_of_a_longer_recording_the_beginning_is_heard(
    both: Predictor, written_before: None, tmp_path: Path, rate: int
) -> None:
    model = deepcopy(both.model)
    model.config.hear_seconds = 0.3
    brief = Predictor(model, both.tokenizer, calibration=both.promises.calibration)
    brief.max_seconds = 0.3
    runner = Runner(export_onnx(brief, tmp_path / "out").folder, threads=1)
    samples = np.concatenate([0.2 * sound(0.5), sound(0.9, 1)])
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    for asked in ({"audio": tmp_path / "a.wav"}, {"audio": samples, "sampling_rate": rate}):
        found, expected = runner.predict(**asked), brief.predict(**asked)
        assert found["end"] == expected.end == 0.3
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=5e-5)
    assert json.loads((runner.folder / "config.json").read_text())["hear_seconds"] == 0.3


def test_int8_answers_where_it_was_written(exported: Path, tmp_path: Path) -> None:
    answer = Runner(exported, int8=True, threads=1).predict(text=WORDS[0])
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=5e-5)
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "model.int8.onnx").unlink()
    with pytest.raises(Unanswerable, match="export the model with --int8"):
        Runner(copy, int8=True)


@pytest.fixture
def written_before(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph that was exported once is taken for each that is asked for."""

    def as_before(_graph: Any, _samples: int, path: Path, _item: Item) -> None:
        shutil.copyfile(exported / "model.onnx", path)

    monkeypatch.setattr(folder_module, "_write_graph", as_before)


def test_a_graph_that_differs_is_refused_and_nothing_is_left(
    both: Predictor, written_before: None, tmp_path: Path
) -> None:
    bias = both.model.heads["mood"].bias.data
    bias += 0.5
    try:
        with pytest.raises(CheckFailed, match=r"differs from torch by 0\.5 \(.* on 12 clips"):
            export_onnx(both, tmp_path / "out")
    finally:
        bias -= 0.5
    assert not list(tmp_path.iterdir())
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(ConfigError, match="expected an empty or new folder"):
        export_onnx(both, tmp_path / "taken")
    only_words = replace(Item("a", None, None))
    with pytest.raises(CrosstoneError, match="to check the graph on, found none"):
        export_onnx(both, tmp_path / "out", clips=[only_words])


def test_rounded_weights_are_not_exported(both: Predictor, tmp_path: Path) -> None:
    halved = Predictor(deepcopy(both.model), both.tokenizer, precision="bf16")
    with pytest.raises(CrosstoneError, match=r"^export: expected a model that .* found bf16; load"):
        export_onnx(halved, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def promising(both: Predictor, *, abstain: float | None = None, bias: float = 0.0) -> Predictor:
    """The same model, calibrated on the answers to 100 speakers: right where it is certain."""
    confidence = np.linspace(0.34, 0.99, 100)
    certainty = Certainty(
        scaling=Scaling((0.5, 1.5, 1.0), (0.3 + bias, -0.1, -0.2)),
        strangeness=1 - confidence,
        confidence=confidence,
        hits=confidence > 0.55,
        speakers=np.arange(100),
    )
    calibration = Calibration(
        head="mood",
        method="vector",
        rule="by hand",
        corpus="none",
        labels=MOODS,
        kinds={"audio+text": certainty},
    )
    return Predictor(both.model, both.tokenizer, calibration=calibration, abstain=abstain)


def test_probabilities_that_differ_are_refused_where_logits_do_not(
    both: Predictor, written_before: None, tmp_path: Path
) -> None:
    """The graph has another calibration than the model that it is compared with."""
    said = r"differs from torch by \S+e-0\d \(probabilities by 0\.\d+, \d+ answers changed\)"
    with pytest.raises(CheckFailed, match=said):
        export_onnx(promising(both, bias=1.0), tmp_path / "out")
    assert export_onnx(promising(both), tmp_path / "out").difference.is_rounding


def test_an_accuracy_that_is_promised_is_kept(
    both: Predictor, written_before: None, tmp_path: Path
) -> None:
    careful = promising(both, abstain=0.9)
    made = export_onnx(careful, tmp_path / "out")
    assert made.difference.num_changed == 0
    runner, labels = Runner(tmp_path / "out", threads=1), []
    for seed in range(12):
        asked: Any = {"audio": sound(0.3, seed), "sampling_rate": 16_000, "text": WORDS[seed % 3]}
        labels.append(runner.predict(**asked)["label"])
        assert labels[-1] == careful.predict(**asked).label
    assert set(labels) > {"unsure"}
    with pytest.raises(CrosstoneError) as refused:
        careful.predict(text=WORDS[0])
    with pytest.raises(Unanswerable) as said:
        runner.predict(text=WORDS[0])
    assert str(said.value) == str(refused.value).replace("model:", f"{tmp_path / 'out'}:", 1)
    forgetful = json.loads((tmp_path / "out" / "config.json").read_text()) | {"thresholds": {}}
    (tmp_path / "out" / "config.json").write_text(json.dumps(forgetful))
    items = [Item("a", sound(0.3, seed), both._tokens("a", WORDS[seed % 3])) for seed in range(12)]
    found = folder_module._difference(careful, tmp_path / "out", items)
    assert found.num_changed >= labels.count("unsure")
    assert not found.is_rounding


def test_text_alone_with_two_way_heads(tokenizer: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(text_config=text_config()))
    spec = HeadSpec(kind="one_vs_rest", labels=MOODS)
    reader = predictor_of(backbone, spec, ["text"], tokenizer=tokenizer)
    export_onnx(reader, tmp_path / "out")
    runner = Runner(tmp_path / "out", threads=1)
    assert not runner.hears
    for words in WORDS:
        found, expected = runner.predict(text=words), reader.predict(text=words)
        assert found["heads"] == pytest.approx(expected.heads, abs=5e-5)
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=5e-5)
        assert found["label"] == expected.label


def test_a_value_of_an_encoder_that_padding_would_move(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    assert config.feat_extract_norm == "group"
    backbone = BaselineModel(BaselineConfig(audio_config=config, normalize_audio=True))
    listener = predictor_of(backbone, HeadSpec(kind="regression"), ["audio"])
    made = export_onnx(listener, tmp_path / "out", clips=[Item("a", sound(0.9), None)])
    assert made.are_real
    runner = Runner(tmp_path / "out", threads=1)
    found = runner.answers([(sound(0.4), None), (sound(1.1), None)])
    for seconds, answer in zip((0.4, 1.1), found, strict=True):
        expected = listener.predict(sound(seconds), sampling_rate=16_000).value
        assert answer["value"] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_rates_change_without_soxr_nearly_as_with_it(
    rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = np.arange(rate) / rate
    swell = np.sin(np.pi * time) ** 2
    samples = sum(np.sin(2 * np.pi * hertz * time + hertz) for hertz in (110, 440, 2500))
    samples = (0.1 * swell * samples).astype(np.float32)
    expected = soxr.resample(samples, rate, 16_000)
    monkeypatch.setitem(sys.modules, "soxr", None)
    found = change_rate(samples, rate, 16_000)
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 2e-4
    assert np.array_equal(change_rate(samples, float(rate), 16_000), found)
    with pytest.raises(Unanswerable, match=rf"whole sampling_rate, .* found {rate}\.5; install"):
        change_rate(samples, rate + 0.5, 16_000)
