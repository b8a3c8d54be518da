"""From speech to a report through the command, every stage and every family of this issue."""

import json
from pathlib import Path
from typing import Any

import pytest

import crosstone as package
from crosstone.models.checkpoint import load_task


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def losses(path: Path) -> list[float]:
    return [line["loss"] for line in lines(path) if line["event"] == "step"]


def test_every_stage_and_family(crosstone: Any, twokey: Path, tmp_path: Path) -> None:
    data = f"data.corpus={twokey}"
    mfcc, codes = tmp_path / "mfcc.safetensors", tmp_path / "tower.safetensors"
    book = ("--num-codes", 20, "--sample", 0.5, "--split", "unlabelled", "--max-iter", 5)
    done = crosstone("codebook", twokey, "--out", mfcc, "--stride", 640, *book)
    assert done.code == 0, done.err
    assert "20 codewords every 640 samples" in done.out

    def stage(verb: str, recipe: str, out: str, *overrides: str) -> Path:
        ran = crosstone(verb, recipe, data, *overrides, "--out", tmp_path / out)
        assert ran.code == 0, ran.err
        return tmp_path / out

    masked = "objectives.masked_audio.codebook="
    short = ("training.steps=40", "training.batch_size=8", "training.log_every=1", "optim.warmup=0")
    audio = stage("pretrain", "twokey-audio-tower", "audio", f"{masked}{mfcc}", *short)
    text = stage("pretrain", "twokey-text-tower", "text", *short)
    for folder in (audio, text):
        found = losses(folder / "log.jsonl")
        assert sum(found[-8:]) < 0.95 * sum(found[:8]), folder.name
    done = crosstone("codebook", twokey, "--out", codes, "--encoder", audio, *book)
    assert done.code == 0, done.err

    towers = (f"model.audio_encoder={audio}", f"model.text_encoder={text}")
    pre = stage("pretrain", "twokey-cmt-pretrain", "pre", f"{masked}{codes}", *towers, *short)
    found = losses(pre / "log.jsonl")
    assert sum(found[-8:]) < 0.95 * sum(found[:8])
    probe = [line for line in lines(pre / "log.jsonl") if line["event"] == "probe"][-1]
    assert {"text_matched", "text_shuffled", "audio_matched", "audio_shuffled"} <= set(probe)
    ada = stage(
        "adapt",
        "twokey-cmt-adapt",
        "ada",
        f"{masked}{codes}",
        f"model.init={pre}",
        "training.steps=2",
    )
    assert (ada / "fold-0-seed-0" / "model" / "config.json").is_file()
    assert not (ada / "fold-0-seed-0" / "checkpoints").exists()

    fine = ("training.steps=60", "training.batch_size=8", "training.log_every=1", "optim.lr=2e-3")
    run_sets = [
        stage("finetune", "twokey-finetune", "cmt", f"model.init={ada}", "name=adapted", *fine),
        stage("finetune", "twokey-finetune", "fresh", *towers, "name=fresh", *fine),
        stage("finetune", "twokey-finetune", "both", "model.family=shallow", *towers, *fine),
        stage("finetune", "twokey-finetune", "ear", "model.family=audio", towers[0], *fine),
        stage(
            "finetune",
            "twokey-finetune",
            "eye",
            "model.family=text",
            towers[1],
            *fine,
            "training.steps=200",
        ),
    ]
    for folder in run_sets:
        scores = json.loads((folder / "scores.json").read_text())
        assert scores["metrics"]["wa"]["value"] > 0.26, folder.name  # chance is .25
        assert scores["ceilings"]["joint"] > 0.8
        predictions = lines(folder / "predictions.jsonl")
        assert len(predictions) == 40
        assert all(abs(sum(p["probabilities"].values()) - 1) < 1e-6 for p in predictions)
        fitted = losses(folder / "fold-0-seed-0" / "log.jsonl")
        assert sum(fitted[-10:]) < sum(fitted[:10])
    history = load_task(ada / "fold-0-seed-0" / "model").config.history
    towers_past = ["codebook", "pretrain", "pretrain"]
    assert [entry["stage"] for entry in history] == [*towers_past, "codebook", "pretrain", "adapt"]

    done = crosstone("score", run_sets[0])
    assert done.code == 0
    assert "macro_f1" in done.out
    done = crosstone("report", *run_sets, pre, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "adapted" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    done = crosstone(
        "evaluate",
        run_sets[0] / "fold-0-seed-0",
        "--corpus",
        twokey,
        "--split",
        "labelled",
        "--out",
        tmp_path / "evaluated",
    )
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "evaluated" / "run.json").read_text())
    assert facts["protocol"]["name"] == "whole corpus, partly seen in training"
    assert len(facts["seen"]["speakers"]) == 40

    recording = next((twokey / "audio").rglob("*.flac"))
    done = crosstone("predict", run_sets[0] / "fold-0-seed-0", recording, "--text", "I love it.")
    answer = json.loads(done.out)
    assert (done.code, answer["used"]) == (0, ["audio", "text"])
    assert set(answer["probabilities"]) == {"angry", "happy", "neutral", "sad"}
    done = crosstone("predict", run_sets[0] / "fold-0-seed-0", recording)
    assert done.code == 2
    assert "never trained without the rest" in done.err
    done = crosstone("predict", run_sets[3] / "fold-0-seed-0", recording)
    assert (done.code, json.loads(done.out)["used"]) == (0, ["audio"])
    predictor = package.load(str(run_sets[3] / "fold-0-seed-0"))
    assert (
        predictor.predict(recording).as_dict()["probabilities"]
        == json.loads(done.out)["probabilities"]
    )


def test_a_table_is_all_that_is_needed(crosstone: Any, twokey: Path, tmp_path: Path) -> None:
    """finetune --data: folds by the session column, and a model that predict takes."""
    from crosstone.data.corpus import Corpus

    corpus = Corpus.open(twokey).where(lambda u: u.split == "labelled")
    rows = ["audio,text,mood,score,session"]
    for utterance in corpus.select(range(100)):
        path = corpus.audio_path(utterance)
        emotion, sentiment = utterance.labels["emotion"], utterance.labels["sentiment"]
        rows.append(f'{path},"{utterance.text}",{emotion},{sentiment},{utterance.speaker}')
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    out = tmp_path / "mine"
    asked = ("finetune", "--data", table, "--target", "mood", "--out", out)
    done = crosstone(*asked, "training.epochs=1", "protocol.folds=2")
    assert done.code == 0, done.err
    assert {p.name for p in out.iterdir()} >= {"fold-0-seed-0", "fold-1-seed-0", "model"}
    recording = corpus.audio_path(corpus[0])
    done = crosstone("predict", out, recording, "--text", corpus[0].text)
    assert done.code == 0, done.err
    assert json.loads(done.out)["label"] in {"angry", "happy", "neutral", "sad"}
    done = crosstone(*asked, "training.epochs=1", "protocol.folds=2")
    assert done.code == 2
    assert "--resume" in done.err
    done = crosstone(*asked, "training.epochs=1", "protocol.folds=2", "--resume")
    assert done.code == 0, done.err
    done = crosstone(
        "finetune",
        "--data",
        table,
        "--target",
        "score",
        "--model",
        "text",
        "--out",
        tmp_path / "value",
        "training.epochs=1",
        "protocol.folds=2",
    )
    assert done.code == 0, done.err
    scores = json.loads((tmp_path / "value" / "scores.json").read_text())
    assert scores["headline"]["metric"] == "mae"
    done = crosstone("predict", tmp_path / "value", "--text", "I love it.")
    assert isinstance(json.loads(done.out)["value"], float)
    # an earlier model is a place to start from
    done = crosstone(
        "finetune",
        "--data",
        table,
        "--target",
        "mood",
        "--model",
        out,
        "--out",
        tmp_path / "again",
        "training.epochs=1",
        "protocol.folds=2",
    )
    assert done.code == 2
    assert "which the stage 'finetune'" in done.err


@pytest.mark.parametrize("selection", ["best_valid", "best_test"])
def test_selection_rules_are_said(
    crosstone: Any, twokey: Path, tmp_path: Path, selection: str
) -> None:
    done = crosstone(
        "finetune",
        "twokey-finetune",
        f"data.corpus={twokey}",
        "model.family=text",
        "model.text_encoder=roberta-tiny",
        "model.vocab_size=300",
        "training.steps=null",
        "training.epochs=3",
        f"protocol.selection={selection}",
        "--out",
        tmp_path / "run",
    )
    assert done.code == 0, done.err
    log = lines(tmp_path / "run" / "fold-0-seed-0" / "log.jsonl")
    watched = [line["valid"]["ua"] for line in log if line["event"] == "epoch"]
    assert len(watched) == 3
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["selection"] == selection
    if selection == "best_test":
        assert scores["metrics"]["ua"]["value"] == pytest.approx(max(watched))
    counts = scores["protocol"]["counts"]
    assert bool(counts["valid"]) is (selection == "best_valid")


def test_a_stage_that_saw_the_test_side_is_refused(
    crosstone: Any, twokey: Path, tmp_path: Path
) -> None:
    """Unlabelled adaptation on the test groups must be admitted, and is then said."""
    tower = (f"data.corpus={twokey}", "model.text_encoder=roberta-tiny", "model.vocab_size=300")
    ran = crosstone(
        "pretrain",
        "twokey-text-tower",
        *tower,
        "data.split=labelled",
        "training.steps=2",
        "--out",
        tmp_path / "peeked",
    )
    assert ran.code == 0, ran.err
    asked = (
        "finetune",
        "twokey-finetune",
        f"data.corpus={twokey}",
        "model.family=text",
        f"model.init={tmp_path / 'peeked'}",
        "training.steps=2",
    )
    ran = crosstone(*asked, "--out", tmp_path / "leak")
    assert ran.code == 2
    assert "which the stage 'pretrain'" in ran.err
    ran = crosstone(
        "pretrain",
        "twokey-text-tower",
        *tower,
        "data.split=labelled",
        "training.steps=2",
        "data.transductive=true",
        "--out",
        tmp_path / "admitted",
    )
    assert ran.code == 0, ran.err
    ran = crosstone(*asked, f"model.init={tmp_path / 'admitted'}", "--out", tmp_path / "said")
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "said" / "scores.json").read_text())["transductive"] is True
    assert "transductive" in ran.out
