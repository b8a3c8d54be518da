"""What a model has seen is known by its content, whatever name it comes under."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import ConfigError
from crosstone.runs.corpora import fingerprints_of, words_of
from crosstone.runs.evaluate import evaluate
from crosstone.runs.provenance import stages_of_encoders, stages_of_model
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

SMALL = [
    "protocol.split=null",
    "training.batch_size=8",
    "training.steps=1",
    "model.family=audio",
]


def finetune(corpus: Path, out: Path, *more: str) -> Path:
    encoder = [] if any("encoder" in m or "init" in m for m in more) else ["logmel-mini"]
    chosen = [f"model.audio_encoder={name}" for name in encoder]
    return run(
        load_recipe("twokey-finetune", [*SMALL, *chosen, f"data.corpus={corpus}", *more]), out
    )


def disguised(corpus: Path, folder: Path) -> Path:
    """The same recordings under another name, with other ids, speakers and groups."""
    original = Corpus.open(corpus)
    Corpus.write(
        folder,
        name="other",
        root=original.root,
        source=Source(licence="CC0"),
        utterances=[
            Utterance(
                id=f"x{i}",
                audio=u.audio,
                text=u.text,
                speaker=f"nobody{i % 4}",
                group=f"room{i % 4}",
                labels=u.labels,
            )
            for i, u in enumerate(original)
        ],
    )
    return folder


def test_a_fingerprint_is_of_the_content(noise_corpus: Callable[..., Path], tmp_path: Path) -> None:
    folder = noise_corpus(12)
    corpus = Corpus.open(folder)
    prints = fingerprints_of(corpus)
    assert len(set(prints.tolist())) == 12
    assert (
        fingerprints_of(Corpus.open(disguised(folder, tmp_path / "o"))).tolist() == prints.tolist()
    )
    assert fingerprints_of(corpus.select([7, 2])).tolist() == [prints[7], prints[2]]


def texts(folder: Path, words: Sequence[str], name: str = "t") -> Corpus:
    """A corpus of words without recordings, two utterances to a session."""
    return Corpus.write(
        folder,
        name=name,
        root=folder,
        source=Source(),
        utterances=[
            Utterance(
                id=str(i),
                text=text,
                group=f"g{i // 2}",
                speaker=f"s{i // 2}",
                labels={"emotion": ("sad", "glad")[i % 2]},
            )
            for i, text in enumerate(words)
        ],
    )


def test_words_alone_are_known_by_their_utterance(tmp_path: Path) -> None:
    corpus = texts(tmp_path / "a", ["Good  day", "good day", "bad day"])
    assert len(set(fingerprints_of(corpus).tolist())) == 3
    first, second, third = words_of(corpus).tolist()
    assert first == second != third
    again = texts(tmp_path / "b", ["good day", "so", "bad day"])
    kept = fingerprints_of(again) == fingerprints_of(corpus)
    assert kept.tolist() == [True, False, True]
    other = fingerprints_of(texts(tmp_path / "c", ["good day"] * 3, name="other"))
    assert not np.isin(other, fingerprints_of(corpus)).any()


def test_the_same_words_elsewhere_are_a_note(tmp_path: Path) -> None:
    """Each fold's adaptation has read "okay", which every session says."""
    texts(tmp_path / "c", ["okay", "yes then", "okay", "no then", "okay", "so then", "okay", "oh"])
    asked = [
        "training.batch_size=4",
        "training.steps=1",
        "model.family=text",
        f"data.corpus={tmp_path / 'c'}",
        "protocol.split=null",
        "protocol.kind=leave-one-group-out",
    ]
    tower = ["model.text_encoder=roberta-tiny", "model.vocab_size=270"]
    adapt = ["stage=adapt", "data.split=null", *asked, *tower]
    adapted = run(load_recipe("twokey-text-tower", adapt), tmp_path / "adapted")
    out = finetune(tmp_path / "c", tmp_path / "out", *asked, f"model.init={adapted}")
    protocol = json.loads((out / "run.json").read_text())["protocol"]
    assert protocol["transductive"] is False
    assert (
        "4 of 8 utterances have the words of another utterance that the stage 'adapt' on t was "
        "trained on"
    ) in protocol["notes"]


def test_the_past_goes_on_through_init_and_encoders(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    first = finetune(folder, tmp_path / "first") / "fold-0-seed-0"
    (stage,) = stages_of_model(first / "model")
    trained = Corpus.open(folder)
    assert stage.facts["utterances"] == len(stage.fingerprints)
    assert np.isin(stage.fingerprints, fingerprints_of(trained)).all()
    (as_encoder,) = stages_of_encoders([str(first), "logmel-mini", None, str(first)])
    assert as_encoder.fingerprints.tolist() == stage.fingerprints.tolist()
    second = finetune(folder, tmp_path / "second", f"model.init={first}") / "fold-0-seed-0"
    earlier, _later = stages_of_model(second / "model")
    assert earlier.fingerprints.tolist() == stage.fingerprints.tolist()
    assert earlier.facts == stage.facts


@pytest.mark.parametrize("door", ["model.init", "model.audio_encoder"])
def test_another_name_does_not_hide_what_was_seen(
    noise_corpus: Callable[..., Path], tmp_path: Path, door: str
) -> None:
    folder = noise_corpus()
    model = finetune(folder, tmp_path / "first", "final_model=true") / "model"
    other = disguised(folder, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"tests utterance x\d+, .*the stage 'finetune' of "):
        finetune(other, tmp_path / "second", f"{door}={model}")


def test_evaluate_says_what_was_seen_before(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    model = finetune(folder, tmp_path / "first", "final_model=true") / "model"
    out = tmp_path / "out"
    evaluate(model, Corpus.open(disguised(folder, tmp_path / "other")), out)
    facts = json.loads((out / "run.json").read_text())
    assert facts["seen"] == {"utterances": 24, "chose_epoch": 0, "speakers": []}
    assert facts["protocol"]["name"] == "whole corpus, seen in training"
    assert facts["protocol"]["notes"] == [
        "seen in training: 24 of 24 utterances, with labels, by the stage 'finetune' on noise"
    ]


@pytest.mark.parametrize("rule", ["best_test", "best_valid"])
def test_evaluate_says_that_its_items_chose_the_epoch(
    noise_corpus: Callable[..., Path], tmp_path: Path, rule: str
) -> None:
    folder = noise_corpus()
    asked = [f"protocol.selection={rule}", "training.steps=null", "training.epochs=1"]
    model = finetune(folder, tmp_path / "first", *asked) / "fold-0-seed-0" / "model"
    (stage,) = stages_of_model(model)
    assert stage.facts["selection"] == rule
    whole = Corpus.open(folder)
    rows = np.flatnonzero(np.isin(fingerprints_of(whole), stage.chose))
    assert len(rows)
    chosen = whole.select(rows)
    evaluate(model, chosen, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    protocol = facts["protocol"]
    assert protocol["name"] == "whole corpus, on which its epoch was chosen"
    assert (protocol["selection"], protocol["scored"]) == ("best_test", "selected on test")
    assert f"chose its epoch on {len(rows)} of {len(rows)} utterances ({rule})" in " ".join(
        protocol["notes"]
    )
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert (scores["selection"], scores["scored"]) == ("best_test", "selected on test")
    evaluate(model, Corpus.open(noise_corpus(12, "other", seed=1)), tmp_path / "fair")
    protocol = json.loads((tmp_path / "fair" / "run.json").read_text())["protocol"]
    assert (protocol["selection"], protocol["scored"]) == ("best_valid", "test")


def test_a_stage_whose_epoch_the_test_side_chose_is_refused(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    asked = ["protocol.selection=best_test", "training.steps=null", "training.epochs=1"]
    model = finetune(folder, tmp_path / "first", *asked) / "fold-0-seed-0" / "model"
    with pytest.raises(ConfigError, match=r"the stage 'finetune' of .* chose its epoch on; use"):
        finetune(folder, tmp_path / "second", f"model.init={model}")
