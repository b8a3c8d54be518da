"""What a model has seen is known by its content, whatever name it comes under."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import ConfigError
from crosstone.runs.corpora import fingerprints_of
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


def test_words_alone_are_told_apart_by_the_words(tmp_path: Path) -> None:
    texts = ["Good  day", "good day", "bad day"]
    corpus = Corpus.write(
        tmp_path,
        name="t",
        root=tmp_path,
        source=Source(),
        utterances=[Utterance(id=str(i), text=text) for i, text in enumerate(texts)],
    )
    first, second, third = fingerprints_of(corpus).tolist()
    assert first == second != third


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
    assert facts["seen"] == {"utterances": 24, "speakers": []}
    assert facts["protocol"]["name"] == "whole corpus, seen in training"
    assert facts["protocol"]["notes"] == [
        "seen in training: 24 of 24 utterances, with labels, by the stage 'finetune' on noise"
    ]
