"""Bad input through the command: one sentence, the right exit code, nothing lost."""

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from crosstone.cli import main
from crosstone.data.corpus import Corpus

NAMED = "protocol.name=meld-emotion"


def tone(
    path: Path, seconds: float = 0.5, rate: int = 16_000, channels: int = 1, hertz: float = 220.0
) -> Path:
    time = np.arange(int(rate * seconds)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * time)
    soundfile.write(path, np.stack([wave] * channels, 1) if channels > 1 else wave, rate)
    return path


def bad_recordings(folder: Path) -> dict[str, Path]:
    """A file of every kind that cannot be used."""
    made = {name: folder / f"{name}.wav" for name in ("empty", "text", "silent", "nan", "missing")}
    made["truncated"] = tone(folder / "truncated.wav")
    made["truncated"].write_bytes(made["truncated"].read_bytes()[:6000])
    made["empty"].write_bytes(b"")
    made["text"].write_text("this is no recording")
    soundfile.write(made["silent"], np.zeros(8000), 16_000)
    soundfile.write(made["nan"], np.full(8000, np.nan, np.float32), 16_000, subtype="FLOAT")
    made["long"] = folder / "long.flac"
    hour = np.tile(np.sin(np.arange(8000) / 9) * 0.3, 3600).astype(np.float32)
    with soundfile.SoundFile(made["long"], "w", 8000, 1) as file:
        for _ in range(3):
            file.write(hour)
    return made


SAID = {
    "missing": "no such file",
    "empty": "empty",
    "text": "expected audio",
    "truncated": "truncated",
    "silent": "silent",
    "nan": "NaN",
    "long": "60",
}


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run set of an audio-only model, trained for one epoch on eight tones."""
    folder = tmp_path_factory.mktemp("listener")
    rows = ["audio,mood,speaker"]
    for i in range(8):
        tone(folder / f"{i}.wav", 0.3 + i / 20)
        rows.append(f"{i}.wav,{('glad', 'sad')[i % 2]},s{i // 2}")
    (folder / "table.csv").write_text("\n".join(rows))
    where = ["--data", str(folder / "table.csv"), "--target", "mood", "--out", str(folder / "run")]
    with pytest.raises(SystemExit) as stop:
        main(["finetune", "training.epochs=1", "protocol.folds=2", *where])
    assert not stop.value.code
    return folder / "run"


@pytest.mark.parametrize("kind", SAID)
def test_a_recording_that_cannot_be_heard(
    crosstone: Any, listener: Path, tmp_path: Path, kind: str
) -> None:
    """Named on standard error with exit 2, while the good one still gets its answer."""
    bad = bad_recordings(tmp_path)[kind]
    done = crosstone("predict", listener, bad, tone(tmp_path / "good.wav"))
    assert done.code == 2
    assert bad.name in done.err
    assert SAID[kind] in done.err
    assert "Traceback" not in done.err
    assert json.loads(done.out)["id"].endswith("good.wav")


@pytest.mark.parametrize("rate,channels", [(8000, 1), (44_100, 2), (48_000, 1)])
def test_any_rate_and_channels_are_taken(
    crosstone: Any, listener: Path, tmp_path: Path, rate: int, channels: int
) -> None:
    done = crosstone("predict", listener, tone(tmp_path / "a.wav", 1.0, rate, channels))
    assert done.code == 0, done.err
    assert sum(json.loads(done.out)["probabilities"].values()) == pytest.approx(1)


def test_check_lists_every_fault_and_training_refuses_them(crosstone: Any, tmp_path: Path) -> None:
    files = bad_recordings(tmp_path)
    rows = ["id,audio,text,mood,speaker"]
    for i in range(12):
        tone(tmp_path / f"{i}.wav", 0.3 + i / 50)
        mood = ("glad", "sad")[i % 2]
        rows.append(f"good{i},{i}.wav,{('Да', '好', 'yes')[i % 3]},{mood},s{i // 3}")
    rows += [f"{kind},{path.name},hm,glad,s{i % 4}" for i, (kind, path) in enumerate(files.items())]
    rows.append("wordy,0.wav," + "word " * 10_000 + ",sad,s0")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    done = crosstone("prepare", "table", table, "--out", tmp_path / "corpus")
    assert done.code == 0, done.err
    done = crosstone("check", tmp_path / "corpus")
    assert done.code == 1
    for kind in (*SAID, "wordy"):
        assert f"{kind}:" in done.out
    out = tmp_path / "run"
    asked = ["finetune", "--data", table, "--target", "mood", "--out", out, "training.epochs=1"]
    done = crosstone(*asked, "protocol.folds=2")
    assert done.code == 2
    assert "8" in done.err
    assert "--skip-faulty" in done.err
    done = crosstone(
        *asked[:-2], tmp_path / "skipped", asked[-1], "protocol.folds=2", "--skip-faulty"
    )
    assert done.code == 0, done.err
    asks = f"crosstone predict {tmp_path / 'skipped'} RECORDING"
    assert asks in " ".join(done.err.split())
    facts = json.loads((tmp_path / "skipped" / "run.json").read_text())
    assert (facts["corpus"]["utterances"], facts["corpus"]["left_out"]) == (12, 8)


@pytest.mark.parametrize(
    "table,said",
    [
        ("audio,text,mood\n", "no utterance|no row"),
        ("sound,words,mood\n1.wav,hi,glad\n", "audio"),
        ("id,text,mood\na,hi,glad\na,ho,sad\n", "have the id"),
        ("text,feeling\nhi,glad\n", "mood"),
        ("id,text,mood\na,,glad\n", "neither"),
    ],
)
def test_tables_that_cannot_be_used(crosstone: Any, tmp_path: Path, table: str, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(table)
    done = crosstone("finetune", "--data", path, "--target", "mood", "--out", tmp_path / "out")
    assert done.code == 2
    assert any(part in done.err for part in said.split("|")), done.err


@pytest.mark.parametrize(
    "arguments,said",
    [
        (("prepare", "iemo", "x", "--out", "y"), "expected one of table, ravdess, mosei"),
        (("prepare", "table", "--out", "y"), "expected where the raw corpus lies"),
        (("prepare", "twokey", "--out", "y", "--set", "law"), "expected key=value"),
        (
            ("prepare", "twokey", "--out", "y", "--set", "lawn=1"),
            "prepare twokey --set lawn: expected one of blur, jobs, labelled, law, seed, speakers, "
            "text_only, unlabelled, unlabelled_speakers, found lawn; did you mean law?",
        ),
        (("prepare", "ravdess", "x", "--out", "y", "--set", "a=1"), "one of workers, found a"),
        (("check", "nowhere"), "nowhere"),
        (("pretrain", "nothing", "--out", "y"), "none shipped by that name; crosstone models --"),
        (
            ("finetune", "cmt-base-iemocp", "--out", "y"),
            "did you mean cmt-base-iemocap or ctal-base-iemocap or cmt-large-iemocap? crosstone "
            "models --recipes lists them",
        ),
        (
            ("finetune", "cmt-base-iemocap", "--out", "y"),
            "model.init: runs/cmt-base-adapt: no model there yet; an earlier stage makes it "
            "(crosstone adapt cmt-base-adapt --out runs/cmt-base-adapt), or name another with "
            "model.init=FOLDER",
        ),
        (
            ("finetune", "ctal-base-iemocap", "--out", "y"),
            "(crosstone pretrain ctal-base-pretrain --out runs/ctal-base-pretrain)",
        ),
        (
            ("finetune", "cmt-base-iemocap", "model.init=mine", "--out", "y"),
            "model.init: mine: no model here (config.json is missing)",
        ),
        (("pretrain", "twokey-finetune", "--out", "y"), "is a recipe for crosstone finetune"),
        (("finetune", "--out", "y"), "expected a recipe or --data"),
        (("finetune", "--data", "t.csv", "--out", "y"), "expected --target"),
        (("finetune", "twokey-finetune", "--model", "x", "--out", "y"), "go with --data"),
        (("finetune", "twokey-finetune", "optim.lrr=1", "--out", "y"), "did you mean 'lr'"),
        (("finetune", "twokey-finetune", "--out", "y"), "data.corpus is missing"),
        (
            (*("finetune", "--data", "moods.csv", "--target", "mood", "--out", "y"), NAMED),
            "--target is 'mood', but meld-emotion predicts 'emotion'",
        ),
        (("predict", "nowhere", "a.wav"), "no model here"),
        (("predict", "nowhere"), "expected recordings or --text"),
        (("predict", "nowhere", "a.wav", "b.wav", "--text", "x"), "found 2 recordings"),
        (("score", "nowhere"), "nowhere"),
        (("report", "nowhere", "--out", "y"), "expected at least one run set"),
    ],
)
def test_commands_that_make_no_sense(
    crosstone: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moods.csv").write_text("text,mood\nhi,glad\nho,sad\n")
    done = crosstone(*arguments)
    assert done.code == 2, done
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "override,said",
    [
        ("model.config={mask_level: foo}", "unknown mask_level"),
        ("model.config={audio_layer: 9}", "layer expects 0 to 2 in this encoder, found 9"),
        ("model.config={freeze_text: convolutions}", "expected one of none, all"),
        ("model.config={sampling_rate: fast}", "sampling_rate"),
        ("model.family=cmt", "needs model.text_encoder"),
    ],
)
def test_model_options_that_make_no_sense(
    crosstone: Any, listener: Path, tmp_path: Path, override: str, said: str
) -> None:
    done = crosstone(
        "finetune",
        "table-finetune",
        f"data.corpus={listener / 'corpus'}",
        "model.family=audio",
        "model.audio_encoder=logmel-tiny",
        "protocol.target=mood",
        "protocol.unit=speaker",
        "protocol.folds=2",
        override,
        "--out",
        tmp_path / "run",
    )
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_table_does_not_run_over_another(crosstone: Any, listener: Path, tmp_path: Path) -> None:
    before = (listener / "corpus" / "utterances.jsonl").read_bytes()
    table = tmp_path / "other.csv"
    table.write_text("text,mood\nhi,glad\nho,sad\n")
    done = crosstone("finetune", "--data", table, "--target", "mood", "--out", listener)
    assert done.code == 2
    assert (listener / "corpus" / "utterances.jsonl").read_bytes() == before
    table.write_text("text,mood,session\nhi,glad,a\nho,sad,\n")
    done = crosstone("finetune", "--data", table, "--target", "mood", "--out", tmp_path / "o")
    assert done.code == 2
    assert "filled in 1 of 2 rows" in " ".join(done.err.split())


def test_items_a_model_cannot_take_are_named(
    crosstone: Any, listener: Path, tmp_path: Path
) -> None:
    table = tmp_path / "gaps.csv"
    for i in range(6):
        tone(tmp_path / f"{i}.wav", hertz=200.0 + 50.0 * i)
    rows = [f"r{i},{i}.wav,{'' if i else 'hi'},{('glad', 'sad')[i % 2]},s{i}" for i in range(6)]
    table.write_text("\n".join(["id,audio,text,mood,speaker", *rows]))
    asked = ("finetune", "--data", table, "--target", "mood", "--out", tmp_path / "o")
    done = crosstone(*asked, "--model", "text", "training.epochs=1")
    assert done.code == 2
    assert "have no text, all that this model takes" in " ".join(done.err.split())


def test_a_full_disk_is_said_and_loses_nothing(
    crosstone: Any, listener: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus.open(listener / "corpus")
    before = (listener / "predictions.jsonl").read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "out"))

    monkeypatch.setattr("crosstone.runs.run.save_model", full)
    done = crosstone(
        "finetune",
        "table-finetune",
        f"data.corpus={corpus.folder}",
        "model.family=audio",
        "model.audio_encoder=logmel-tiny",
        "protocol.target=mood",
        "protocol.unit=speaker",
        "protocol.folds=2",
        "training.epochs=1",
        "--out",
        tmp_path / "run",
    )
    assert done.code == 2
    assert "No space left on device" in done.err
    assert "--resume" in done.err
    assert (listener / "predictions.jsonl").read_bytes() == before
    monkeypatch.undo()
    done = crosstone(
        "finetune",
        "table-finetune",
        f"data.corpus={corpus.folder}",
        "model.family=audio",
        "model.audio_encoder=logmel-tiny",
        "protocol.target=mood",
        "protocol.unit=speaker",
        "protocol.folds=2",
        "training.epochs=1",
        "--out",
        tmp_path / "run",
        "--resume",
    )
    assert done.code == 0, done.err


def test_predicting_from_samples_in_python(listener: Path) -> None:
    import crosstone as package
    from crosstone.errors import CrosstoneError

    predictor = package.load(str(listener))
    wave = np.sin(np.arange(22_050) / 20) * 0.2
    assert predictor.predict(wave, sampling_rate=22_050).label in {"glad", "sad"}
    for samples, rate, said in (
        (wave, None, "expected their sampling_rate"),
        (np.full(900, np.nan), 16_000, "NaN"),
        (np.zeros((5, 2)), 16_000, "shape"),
        (np.full(16_000 * 61, 0.1), 16_000, "at most 60 s"),
    ):
        with pytest.raises(CrosstoneError, match=said):
            predictor.predict(samples, sampling_rate=rate)
    with pytest.raises(CrosstoneError, match="expected audio"):
        predictor.predict(text="only words")
