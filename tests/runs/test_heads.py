"""Two-way heads from the recipe to the audit."""

import json
from pathlib import Path

import pytest

from crosstone.audit import audit
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

WORDS = {"ang": "no stop that", "hap": "what a day", "neu": "the door", "sad": "gone away"}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Five sessions of four classes in words alone."""
    utterances = [
        Utterance(
            id=f"Ses0{session}_{label}_{i}",
            text=f"{words} {'now ' * i}",
            speaker=f"Ses0{session}{'FM'[i % 2]}",
            group=f"Session{session}",
            labels={"emotion": label},
        )
        for session in range(1, 6)
        for label, words in WORDS.items()
        for i in range(4)
    ]
    folder = tmp_path / "iemocap"
    return Corpus.write(folder, name="iemocap", root=folder, source=Source(), utterances=utterances)


def test_heads_stand_in_the_lines_and_are_audited(corpus: Corpus, tmp_path: Path) -> None:
    recipe = load_recipe(
        "twokey-finetune",
        [
            *("protocol.name=iemocap-jbls", "protocol.expected=null", "protocol.selection=last"),
            *("model.family=text", "model.text_encoder=roberta-mini", "model.vocab_size=280"),
            *("objectives.supervised.criterion=one_vs_rest", "training.batch_size=8"),
            *("training.steps=12", f"data.corpus={corpus.folder}"),
        ],
    )
    out = run(recipe, tmp_path / "run")
    lines = [json.loads(x) for x in (out / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 16
    for line in lines:
        assert set(line["heads"]) == set(line["probabilities"]) == set(WORDS)
        odds = {k: p / (1 - p) for k, p in line["heads"].items()}
        expected = {k: value / sum(odds.values()) for k, value in odds.items()}
        assert line["probabilities"] == pytest.approx(expected)
    plain = audit(out / "predictions.jsonl", "iemocap-jbls", corpus=corpus, replicates=50)
    assert "head_accuracy" not in plain.as_dict()["metrics"]
    assert "ece" in plain.as_dict()["metrics"]
    found = audit(
        out / "predictions.jsonl", "iemocap-jbls", corpus=corpus, heads=True, replicates=50
    )
    metrics = found.as_dict()["metrics"]
    for label in WORDS:
        right = [(line["heads"][label] > 0.5) == (line["target"] == label) for line in lines]
        accuracy = metrics[f"head_accuracy:{label}"]["pooled"]
        assert accuracy == pytest.approx(sum(right) / len(lines))
        assert f"head_weighted_f1:{label}" in metrics
    assert metrics["head_f1"]["pooled"] is not None
    assert metrics["ua"]["pooled"] == plain.as_dict()["metrics"]["ua"]["pooled"]
