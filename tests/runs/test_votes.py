"""Fine-tuning on what raters said: from votes in a corpus to the numbers of a report."""

import json
from pathlib import Path
from typing import Any

import pytest

from crosstone.cli.tables import print_scores
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import ConfigError
from crosstone.reports.report import write_report
from crosstone.runs.evaluate import evaluate
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

TINY = [
    *("model.family=text", "model.text_encoder=roberta-tiny", "model.vocab_size=280"),
    *("protocol.split=null", "protocol.kind=grouped-kfold", "protocol.folds=2"),
    *("training.epochs=null", "training.steps=2", "training.log_every=1"),
]
VOTED = ["protocol.labels=[sad, glad]", "protocol.label_map={joy: glad}"]


@pytest.fixture
def voted(tmp_path: Path) -> Path:
    """24 utterances of four speakers, of each of whom one is ambiguous and one is odd."""
    rows = []
    for i in range(24):
        label = ("sad", "joy")[i % 2]
        other = ("sad", "joy")[1 - i % 2]
        votes: dict[str, tuple[str, ...]] = {"E1": (label,), "E2": (label, other), "E3": ("odd",)}
        name = label
        if i < 4:
            name, votes = "xxx", {"E1": ("sad",), "E2": ("joy",), "E3": ("odd",)}
        elif i < 8:
            name, votes = "odd", {"E1": ("odd",), "E2": ("odd",), "E3": ("sad",)}
        scales = {"E1": (1.0 + i % 2,), "E2": (2.0 + 2 * (i % 2),)}
        rows.append(
            Utterance(
                id=f"u{i:02d}",
                text="a good day" if i % 2 else "a bad night",
                speaker=f"s{i % 4}",
                group=f"g{i % 4}",
                labels={"emotion": name, "valence": 1.5 + 1.5 * (i % 2)},
                votes={"emotion": votes, "valence": scales},
            )
        )
    folder = tmp_path / "voted"
    Corpus.write(folder, name="voted", root=folder, source=Source(), utterances=rows)
    return folder


def finetune(corpus: Path, out: Path, *overrides: str) -> dict[str, Any]:
    asked = [f"data.corpus={corpus}", *TINY, *overrides]
    run(load_recipe("twokey-finetune", asked), out)
    facts: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return facts


def log_of(out: Path, fold: int = 0) -> list[dict[str, Any]]:
    lines = (out / f"fold-{fold}-seed-0" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "step"]


@pytest.mark.parametrize("criterion", ["soft_cross_entropy", "kl"])
def test_ambiguous_utterances_train_and_are_never_scored(
    voted: Path, tmp_path: Path, criterion: str
) -> None:
    out = tmp_path / "run"
    asked = [f"objectives.supervised.criterion={criterion}", "protocol.ambiguous=train"]
    facts = finetune(voted, out, *VOTED, *asked)
    protocol = facts["protocol"]
    assert protocol["counts"] == {"train": 16 + 4, "valid": 0, "test": 16}
    assert protocol["classes"] == {"glad": 8, "sad": 8}
    assert protocol["left_out"] == {"with emotion 'odd'": 4}
    assert protocol["ambiguous"] == "train"
    assert protocol["notes"][-1].startswith("4 ambiguous utterances")
    assert facts["corpus"]["utterances"] == 16
    lines = [json.loads(line) for line in (out / "predictions.jsonl").open(encoding="utf-8")]
    assert {line["target"] for line in lines} == {"sad", "glad"}
    assert len(lines) == 16
    # E1 is right, E2 half so; E1's other is E2, a tie of whom half is right
    human = facts["corpus"]["human"]
    assert (human["items"], human["judgements"]) == (16, 32)
    assert human["outside"] == pytest.approx(1 / 3)
    assert human["scores"]["wa"] == pytest.approx(0.5)
    report = write_report([out], tmp_path / "report", replicates=20)
    assert "A single rater against the majority of the others" in report.markdown.read_text()


def test_without_votes_there_is_nothing_to_learn_from(voted: Path, tmp_path: Path) -> None:
    asked = ["objectives.supervised.criterion=kl", "protocol.target=speaking", *VOTED]
    unjudged = Corpus.open(voted)
    Corpus.write(
        tmp_path / "unjudged",
        name="unjudged",
        root=tmp_path,
        source=Source(),
        utterances=[
            Utterance(
                id=u.id, text=u.text, speaker=u.speaker, group=u.group, labels={"speaking": w}
            )
            for u, w in zip(unjudged, ["sad", "glad"] * 12, strict=True)
        ],
    )
    with pytest.raises(ConfigError, match="kl learns from votes on 'speaking', but unjudged has"):
        finetune(tmp_path / "unjudged", tmp_path / "run", *asked)


def test_concordance_on_a_scale(
    voted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        *("protocol.task=regression", "protocol.target=valence", "protocol.headline=ccc"),
        "objectives.supervised.criterion=ccc",
    ]
    facts = finetune(voted, tmp_path / "run", *asked)
    human = facts["corpus"]["human"]
    assert (human["kind"], human["items"]) == ("scale", 24)
    assert human["scores"]["mae"] == pytest.approx(1.5)
    for event in log_of(tmp_path / "run"):
        assert 0 <= event["loss"] <= 2

    class Several:
        num_processes = 2

    monkeypatch.setattr("crosstone.runs.objectives.PartialState", Several)
    with pytest.raises(ConfigError, match="expects one process, found 2; start one, or choose mse"):
        finetune(voted, tmp_path / "other", *asked)


def test_an_evaluation_prints_one_rater_beside_its_numbers(
    voted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(voted, tmp_path / "run", *VOTED)
    known = Corpus.open(voted).where(lambda utterance: utterance.labels["emotion"] == "sad")
    evaluate(tmp_path / "run" / "fold-0-seed-0" / "model", known, tmp_path / "scored")
    print_scores([tmp_path / "scored"])
    said = capsys.readouterr().out
    assert "raters of emotion: Krippendorff's alpha" in said
    assert "one against the majority of the others UA" in said
