"""Every corpus from a small copy in its true format to a model card, and what is refused."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

Release = Callable[[str], Path]

SHORT = (
    *("optim.lr=3e-3", "optim.schedule=constant", "optim.warmup=0", "training.batch_size=8"),
    *("training.epochs=null", "training.steps=30", "training.precision=float32"),
    *("training.length_pool=1", "training.workers=0", "model.preset=null"),
)
EAR = (
    *("name=ear", "model.family=audio", "model.audio_encoder=logmel-mini"),
    *("model.text_encoder=null", "final_model=true"),
)
EYE = (
    *("name=eye", "model.family=text", "model.text_encoder=roberta-mini", "model.vocab_size=300"),
    *("model.audio_encoder=null", "final_model=false", "training.steps=2"),
)


@dataclass(frozen=True)
class Journey:
    """A corpus, the protocol that it is trained under, and what is said on the way."""

    protocol: str
    """Its name; empty is folds of whole groups."""

    lacks: str = ""
    """What check says that the small copy lacks."""

    refused: str = ""
    """What the protocol finds instead of its counts, where it enforces them."""

    folds: int = 3
    recipe: str = "table-finetune"
    options: tuple[str, ...] = ()
    """Of prepare."""

    overrides: tuple[str, ...] = ()
    evaluation: tuple[str, ...] = ()
    """Of evaluate."""


JOURNEYS = {
    "iemocap": Journey(
        "iemocap-4way-loso",
        "expected 229 utterances of group 'Session1' with emotion 'ang', found 2",
        "hap         expected 1,636, found 12 (-1,624)",
        evaluation=("--protocol", "iemocap-4way-loso"),
    ),
    "mosei": Journey(
        "mosei-sentiment", "expected 16327 utterances of split 'train', found 12", folds=1
    ),
    "mosi": Journey(
        "mosi-sentiment",
        "expected 686 utterances of split 'test', found 6",
        "valid       expected 229, found 6 (-223)",
        folds=1,
    ),
    "librispeech": Journey(
        "librispeech-verification",
        "expected 2620 utterances with subset 'test-clean', found 24",
        folds=1,
        recipe="cmt-base-verification",
        options=("--set", "trials=60"),
        evaluation=("--protocol", "librispeech-verification"),
    ),
    "meld": Journey(
        "meld-emotion",
        "expected 1109 utterances of split 'valid', found 7",
        "train       expected 9,989, found 14 (-9,975)",
        folds=1,
    ),
    "emodb": Journey(
        "emodb-by-speaker",
        "expected 43 utterances of speaker '09', found 0",
        "09          expected 43, found 0 (-43)",
    ),
    "cremad": Journey(
        "cremad-by-speaker",
        "expected 370 utterances with emotion 'sad', found 3",
        "neutral     expected 1,087, found 6 (-1,081)",
        overrides=("protocol.folds=3",),
    ),
    "ravdess": Journey(
        "ravdess-by-actor",
        "expected 60 utterances of speaker 'Actor_06', found 8",
        "neutral     expected 96, found 6 (-90)",
        overrides=("protocol.folds=3",),
    ),
    "lhotse": Journey(
        "",
        options=("--set", "group=session"),
        overrides=("protocol.target=mood", "protocol.folds=3"),
    ),
}
LEARNT = {"ua": (0.6, 1), "weighted_f1": (0.6, 1), "mae": (0, 0.8), "eer": (0, 0.25)}
"""Bounds of a headline that only a model reaches that has learnt the tones: chance is at most 0.25
of UA, 1.5 of MAE and 0.5 of EER."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Models this small gain nothing by a second, and lose much where it must wait for a core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def prepare(crosstone: Any, release: Release, name: str, out: Path) -> Path:
    done = crosstone("prepare", name, release(name), "--out", out, *JOURNEYS[name].options)
    assert done.code == 0, done.err
    return out


@pytest.mark.parametrize("name", JOURNEYS)
def test_from_raw_files_to_a_card(
    crosstone: Any, release: Release, tmp_path: Path, name: str
) -> None:
    journey = JOURNEYS[name]
    ear, eye, whole = (tmp_path / part for part in ("ear", "eye", "whole"))
    corpus = prepare(crosstone, release, name, tmp_path / "corpus")

    done = crosstone("check", corpus)
    assert done.code == bool(journey.lacks)
    assert journey.lacks in done.out
    assert "mend what is wrong" not in done.err  # it is small, and nothing else
    assert ("from a whole copy; complete it" in done.err) is bool(journey.lacks)

    named = (f"protocol.name={journey.protocol}",) if journey.protocol else ()
    asked = ("finetune", journey.recipe, f"data.corpus={corpus}", *named, *journey.overrides)
    if journey.refused:
        done = crosstone(*asked, *SHORT, *EAR, "--out", ear)
        assert done.code == 2
        assert journey.refused in done.err
        assert "protocol.enforce=false, which every table then says" in done.err
        assert not list(ear.glob("fold-*"))
        asked = (*asked, "protocol.enforce=false")
    for out, model in ((ear, EAR), (eye, EYE)):
        done = crosstone(*asked, *SHORT, *model, "--out", out)
        assert done.code == 0, done.err
        assert f"protocol {journey.protocol or 'grouped-kfold'}" in done.out
        assert ("enforce), by " in done.out) is bool(journey.refused)
        assert ("counts are not those of" in done.out) is bool(journey.protocol)
        assert len(list(out.glob("fold-*-seed-0"))) == journey.folds
    scores = read(ear / "scores.json")
    low, high = LEARNT[scores["headline"]["metric"]]
    assert low <= scores["headline"]["value"] <= high

    done = crosstone("evaluate", eye, "--corpus", corpus, "--out", whole)
    assert done.code == 2
    assert f"give the model of a fold, as in {eye / 'fold-0-seed-0'}, or train with" in done.err
    done = crosstone("evaluate", ear, "--corpus", corpus, "--out", whole, *journey.evaluation)
    assert done.code == 0, done.err
    assert "seen in training" in read(whole / "run.json")["protocol"]["name"]
    assert "note: seen in training: " in done.out

    done = crosstone("compare", ear, eye)
    assert done.code == 0, done.err
    assert "ear − eye is " in done.out

    done = crosstone("card", ear, "--scores", ear, "--scores", whole)
    assert done.code == 0, done.err
    card = ModelCard.load(ear / "model" / "README.md")
    assert card.data.datasets == [scores["corpus"]["name"]]
    (result,) = card.data.eval_results  # what was seen in training is none
    assert result.dataset_revision == scores["corpus"]["hash"]
    licence = read(corpus / "corpus.json")["source"]["licence"] or "not stated"
    for said in (
        "# ear\n",
        f"content hash `{scores['corpus']['hash']}`",
        f": {journey.protocol or 'grouped-kfold'}",
        f"| {licence} |",
        "seen in training: ",
        "nothing was left to score it on",
        "decisions about a person",
    ):
        assert said in card.text


def test_prepare_says_on_a_line_each_what_was_made(
    crosstone: Any, release: Release, tmp_path: Path
) -> None:
    options = ("--out", tmp_path / "corpus", "--set", "trials=60")
    done = crosstone("prepare", "librispeech", release("librispeech"), *options)
    made, drawn = done.out.splitlines()
    assert ": 42 utterances, 13 s, 7 speakers, 14 groups, hash " in made
    assert drawn == "trials: drawn_from test-clean, trials 60, seed 0, same_gender False"
    assert done.err.count("crosstone check lists them") <= 1
    options = ("--out", tmp_path / "mosei")
    done = crosstone("prepare", "mosei", release("mosei"), *options)
    assert "clamped: negative starts 8, segments of no length, without audio 0" in done.out


def test_a_prepared_corpus_is_finetuned_as_a_table_is(
    crosstone: Any, release: Release, tmp_path: Path
) -> None:
    """With folds of its own making, or under a protocol by name, which refuses another corpus."""
    corpus = prepare(crosstone, release, "emodb", tmp_path / "corpus")
    asked = ("finetune", "--data", corpus, "--target", "emotion", "--model", "text")
    short = ("training.epochs=1", "final_model=false")
    done = crosstone(*asked, *short, "--out", tmp_path / "own")
    assert done.code == 0, done.err
    assert "protocol grouped-kfold, by group, selection last" in done.out
    assert "42 test over 3 folds" in done.out
    assert not (tmp_path / "own" / "corpus").exists()
    named = "protocol.name=emodb-by-speaker"
    done = crosstone(*asked, *short, named, "--out", tmp_path / "named")
    assert done.code == 2
    assert "utterances  expected 535, found 42 (-493)" in done.err
    other = "protocol.name=meld-emotion"
    done = crosstone(*asked, *short, other, "--out", tmp_path / "named")
    assert done.code == 2
    assert "protocol meld-emotion: is about the corpus 'meld', found 'emodb'" in done.err
    done = crosstone(*asked, *short, named, "protocol.enforce=false", "--out", tmp_path / "named")
    assert done.code == 0, done.err
    assert "protocol emodb-by-speaker (altered: enforce), by speaker" in done.out
    done = crosstone(*asked, "--classes", "--out", tmp_path / "classes")
    assert done.code == 2
    assert "--classes is for a table, found a prepared corpus" in done.err


def test_classes_that_a_model_does_not_know_lead_to_the_protocol_that_it_was_trained_under(
    crosstone: Any, release: Release, tmp_path: Path
) -> None:
    corpus = prepare(crosstone, release, "iemocap", tmp_path / "iemocap")
    asked = ("finetune", "table-finetune", f"data.corpus={corpus}", *SHORT, *EYE)
    named = ("protocol.name=iemocap-4way-loso", "protocol.enforce=false")
    assert crosstone(*asked, *named, "--out", tmp_path / "run").code == 0
    fold = tmp_path / "run" / "fold-0-seed-0"
    out = ("--out", tmp_path / "whole")
    done = crosstone("evaluate", fold, "--corpus", corpus, *out)
    assert done.code == 2
    assert "iemocap: holds the emotion exc, xxx, but" in done.err
    assert "as a protocol does (--protocol iemocap-4way-loso)" in done.err
    done = crosstone("evaluate", fold, "--corpus", corpus, "--protocol", named[0][14:], *out)
    assert done.code == 0, done.err
    assert "left out: 6 with emotion 'xxx'" in done.out
    assert "partly seen in training, on which its epoch was chosen, labels of iemocap" in done.out
    other = prepare(crosstone, release, "mosi", tmp_path / "mosi")
    done = crosstone("evaluate", fold, "--corpus", other, "--out", tmp_path / "other")
    assert done.code == 2
    assert "expected utterances with the label 'emotion', which" in done.err
    assert "found sentiment; choose another corpus or model" in done.err


LEAKS = {
    "speakers of the corpus's own splits": (
        "meld",
        ("protocol.name=meld-emotion", "protocol.permits=[]"),
        "3 speakers (Monica, Ross, Woman) stand in train and test of fold 0: tested voices are "
        "trained on; keep each on one side (protocol.unit=speaker), or permit it",
    ),
    "groups of folds by speaker": (
        "iemocap",
        ("protocol.name=iemocap-4way-loso", "protocol.unit=speaker"),
        "1 group (Session1) stands in train and test of fold 0 (6 of 6 folds leak): the two "
        "partners of a dialogue share it",
    ),
    "a unit named on both sides": (
        "iemocap",
        ("protocol.name=iemocap-jbls", "protocol.test_units=[Session4, Session5]"),
        "valid_units and test_units both name Session4 (1 of unit group); a unit may stand on one "
        "side only",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leaky_split_is_refused(
    crosstone: Any, release: Release, tmp_path: Path, leak: str
) -> None:
    name, overrides, said = LEAKS[leak]
    corpus = prepare(crosstone, release, name, tmp_path / "corpus")
    asked = ("finetune", "table-finetune", f"data.corpus={corpus}", "protocol.enforce=false")
    done = crosstone(*asked, *overrides, *SHORT, *EAR, "--out", tmp_path / "run")
    assert done.code == 2
    assert said in done.err
    assert not list((tmp_path / "run").glob("fold-*"))


def test_a_split_of_one_s_own_that_leaks_is_refused(crosstone: Any, tmp_path: Path) -> None:
    """check warns of it, training refuses it, and each names who stands on both sides."""
    rows = ["text,mood,speaker,split"]
    rows += [f"line {i},{('glad', 'sad')[i % 2]},s{i // 4},train" for i in range(16)]
    rows += [f"more {i},{('glad', 'sad')[i % 2]},s{3 + i // 4},test" for i in range(8)]
    (tmp_path / "mine.csv").write_text("\n".join(rows), encoding="utf-8")
    corpus = tmp_path / "corpus"
    done = crosstone("prepare", "table", tmp_path / "mine.csv", "--out", corpus)
    assert done.code == 0, done.err
    done = crosstone("check", corpus)
    assert "1 speaker is in both test and train: s3" in done.out
    asked = ("finetune", "--data", corpus, "--target", "mood", "training.epochs=1")
    own = ("protocol.kind=predefined", "protocol.unit=speaker")
    done = crosstone(*asked, *own, "--out", tmp_path / "run")
    assert done.code == 2
    assert "mine: the folds leak: 1 speaker (s3) stands in train and test of fold 0" in done.err


def test_a_video_in_two_of_mosei_s_folds_is_refused(
    crosstone: Any, release: Release, tmp_path: Path
) -> None:
    """The standard folds of a copy that someone has edited: one list holds a video of another."""
    folds = release("mosei") / "cmu_mosei_std_folds.py"
    edited = tmp_path / "folds.py"
    edited.write_text(folds.read_text().replace("test_fold=[", "test_fold=['267278', "))
    options = ("--set", f"folds={edited}", "--out", tmp_path / "corpus")
    done = crosstone("prepare", "mosei", release("mosei"), *options)
    assert done.code == 2
    assert "video '267278' is in train and in test" in done.err
