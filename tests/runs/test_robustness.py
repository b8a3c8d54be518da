"""The robustness table: which lines there are, on what, and that they are what they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosstone.cli.tables import print_robustness
from crosstone.data.batch import Item
from crosstone.data.corpus import Corpus
from crosstone.data.text import tokenise
from crosstone.inference import Predictor
from crosstone.models.checkpoint import load_task
from crosstone.runs.evaluate import evaluate
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

MISHEARD = [f"misheard {rate}" for rate in ("5%", "10%", "20%", "30%", "40%")]
NOISE = [f"{kind} noise {snr} dB" for kind in ("white", "babble") for snr in (20, 10, 5, 0)]


def trained(corpus: Path, out: Path, *overrides: str) -> Path:
    asked = [
        *(f"data.corpus={corpus}", "model.audio_encoder=logmel-tiny", "model.vocab_size=280"),
        *("model.text_encoder=roberta-tiny", "training.batch_size=8", "training.steps=4"),
        *("protocol.split=null", *overrides),
    ]
    return run(load_recipe("twokey-robust", asked), out) / "fold-0-seed-0"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_lines_are_evaluations_of_the_same_utterances(
    noise_corpus: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other = noise_corpus(24), noise_corpus(12, "other", seed=1)
    model, out = trained(folder, tmp_path / "run"), tmp_path / "out"
    assert load_task(model / "model").config.heard == ["audio", "audio+text", "text"]
    evaluate(model, Corpus.open(other), out, robust=True)
    found = json.loads((out / "robustness.json").read_text())
    names = [line["name"] for line in found["conditions"]]
    assert names == ["audio+text", "audio", "text", *MISHEARD, *NOISE]
    assert found["conditions"][0]["difference"] is None
    assert [line["items"] for line in found["conditions"]] == [12] * 16
    rates = [line["word_error"] for line in found["conditions"][3:8]]
    assert [line["snr"] for line in found["conditions"][8:]] == [20, 10, 5, 0] * 2
    assert rates == sorted(rates)
    assert 0.2 < rates[-1] < 0.6
    first = json.loads((out / "scores.json").read_text())["headline"]["value"]
    assert found["conditions"][0]["value"]["value"] == first
    predictor = Predictor.load(model)
    by_ear = {
        line["id"]: line["probabilities"]
        for line in lines(out / "robustness/audio/predictions.jsonl")
    }
    alone = predictor.predict(other / "audio" / "3.wav")
    assert alone.used == ("audio",)
    assert by_ear["u003"] == pytest.approx(alone.probabilities, abs=1e-5)
    read = {
        line["id"]: line["probabilities"]
        for line in lines(out / "robustness/text/predictions.jsonl")
    }
    (row,) = tokenise(predictor.tokenizer, [("u003", str(Corpus.open(other)[3].text))], None)
    (alone,) = predictor.answers([Item("u003", None, row)])
    assert alone.used == ("text",)
    assert read["u003"] == pytest.approx(alone.probabilities, abs=1e-5)
    print_robustness(out)
    said = capsys.readouterr().out
    assert "12 items, the same in every line" in said
    assert "misheard 40%" in said
    assert "babble noise 0 dB" in said
    assert "no line for" not in said
    by_noise = lines(out / "robustness/white-noise-0-dB/predictions.jsonl")
    assert {x["id"] for x in by_noise} == {x["id"] for x in lines(out / "predictions.jsonl")}
    assert by_noise != lines(out / "robustness/white-noise-20-dB/predictions.jsonl")


def test_only_what_the_model_accepts(
    noise_corpus: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = noise_corpus(24)
    both = trained(folder, tmp_path / "both", "objectives.modality_dropout=null")
    evaluate(both, Corpus.open(folder), tmp_path / "one", robust=True)
    names = [
        x["name"] for x in json.loads((tmp_path / "one/robustness.json").read_text())["conditions"]
    ]
    assert names == ["audio+text", *MISHEARD, *NOISE]
    print_robustness(tmp_path / "one")
    said = capsys.readouterr().out
    for kind in ("audio", "text"):
        assert f"note: no line for {kind} alone, which training never showed the model" in said
    assert "objectives.modality_dropout" in said
    fields = ("model.family=audio", "model.config={}", "model.text_encoder=null")
    deaf = run(
        load_recipe(
            "twokey-finetune",
            [
                *(f"data.corpus={folder}", "model.audio_encoder=logmel-tiny", *fields),
                *("training.batch_size=8", "training.steps=2", "protocol.split=null"),
            ],
        ),
        tmp_path / "audio",
    )
    evaluate(deaf / "fold-0-seed-0", Corpus.open(folder), tmp_path / "two", robust=True)
    names = [
        x["name"] for x in json.loads((tmp_path / "two/robustness.json").read_text())["conditions"]
    ]
    assert names == ["audio", *NOISE]
    print_robustness(tmp_path / "two")
    assert "no line for" not in capsys.readouterr().out
