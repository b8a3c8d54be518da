"""Speaker verification through the command, on a small LibriSpeech tree of synthetic voices."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from crosstone.data.corpus import Corpus
from crosstone.metrics import eer, ge2e_eer, min_dcf
from crosstone.models import FAMILIES
from crosstone.models.checkpoint import load_task
from crosstone.scoring.embeddings import read_embeddings

SIZES = {"train-clean-100": (8, 6), "dev-clean": (3, 4), "test-clean": (6, 6)}
"""Speakers and utterances of each; an utterance stands in one of two chapters."""
WORDS = ("THE", "OLD", "HOUSE", "SEA", "MAN", "WENT", "OVER", "UNDER", "NIGHT", "DAY", "LONG")
TINY = (
    *("model.preset=null", "optim.lr=2e-3", "training.batch_size=8", "training.precision=float32"),
    *("training.length_pool=1", "training.workers=0", "training.log_every=1"),
)
HEARS = (
    *("model.family=audio", "model.audio_encoder=logmel-mini", "model.text_encoder=null"),
    *("model.config.freeze_audio=none", "name=ears"),
)


def voice(rng: np.random.Generator, pitch: float, formants: np.ndarray) -> np.ndarray:
    """Half a second of syllables: harmonics of a pitch under two formants, and a little noise."""
    time = np.arange(int(16_000 * rng.uniform(0.45, 0.6))) / 16_000
    syllables = np.interp(time, np.linspace(0, time[-1], 8), rng.uniform(0, 1, 8) ** 2)
    wave = np.zeros(len(time))
    for harmonic in np.arange(1, int(6000 / pitch)) * pitch * rng.uniform(0.97, 1.03):
        weight = np.exp(-0.5 * ((harmonic - formants) / 250) ** 2).sum()
        wave += weight * np.sin(2 * np.pi * harmonic * time + rng.uniform(0, 2 * np.pi))
    return 0.1 * syllables * wave + rng.normal(0, 0.003, len(time))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LibriSpeech's tree; words are the same for all, so that only voices tell speakers apart."""
    root = tmp_path_factory.mktemp("release") / "LibriSpeech"
    rng = np.random.default_rng(0)
    table = [";ID  |SEX| SUBSET           |MINUTES| NAME"]
    number = 60
    for subset, (num_speakers, num_utterances) in SIZES.items():
        for _ in range(num_speakers):
            number += 1
            pitch = rng.uniform(90, 260)
            formants = np.array([rng.uniform(300, 1000), rng.uniform(1200, 3800)])
            table.append(f"{number}   | {'FM'[number % 2]} | {subset} | 0.1 | Jo |Bo|")
            for chapter in range(2):
                name = f"{number}-{7000 + 2 * number + chapter}"
                folder = root / subset / name.replace("-", "/")
                folder.mkdir(parents=True)
                lines = []
                for i in range(num_utterances // 2):
                    said = voice(rng, pitch, formants)
                    soundfile.write(folder / f"{name}-{i:04d}.flac", said, 16_000, "PCM_16")
                    lines.append(f"{name}-{i:04d} {' '.join(rng.choice(WORDS, 6))}")
                (folder / f"{name}.trans.txt").write_text("\n".join(lines), encoding="utf-8")
    (root / "SPEAKERS.TXT").write_text("\n".join(table), encoding="utf-8")
    return root


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def scores(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "scores.json").read_text(encoding="utf-8"))


def test_from_recordings_to_an_error_rate(crosstone: Any, release: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    done = crosstone("prepare", "librispeech", release, "--out", corpus)
    assert done.code == 0, done.err
    done = crosstone("check", corpus)
    assert done.code == 1
    assert "expected 28539 utterances with subset 'train-clean-100', found 48" in done.out

    both = tmp_path / "both"
    towers = ("model.audio_encoder=logmel-mini", "model.text_encoder=roberta-mini", "name=both")
    asked = ("finetune", "cmt-base-verification", f"data.corpus={corpus}", *TINY)
    vocabulary = "model.vocab_size=300"
    done = crosstone(*asked, *towers, vocabulary, "training.epochs=4", "--out", both)
    assert done.code == 0, done.err
    assert "train 48 instead of 281,241" in done.out
    assert "180 trials, 90 of one speaker, drawn by seed 0 from 36 utterances" in done.out
    assert "of the 90 trials of one speaker are within one group" in done.out

    run = both / "fold-0-seed-0"
    spec = load_task(run / "model").specs["speaker"]
    assert (spec.kind, spec.labels) == ("speakers", tuple(str(n) for n in range(61, 69)))
    found = lines(both / "predictions.jsonl")
    assert list(found[0]) == [
        *("enrol", "test", "target", "score", "fold", "seed", "split"),
        *("enrol_speaker", "test_speaker"),
    ]
    assert len(found) == 180
    assert {line["enrol_speaker"] for line in found} == {str(n) for n in range(72, 78)}
    kept = read_embeddings(run / "embeddings.npz")
    assert sorted(kept.ids) == sorted({line[side] for line in found for side in ("enrol", "test")})
    vector_of = dict(zip(kept.ids.tolist(), kept.vectors.astype(np.float64), strict=True))
    for line in found[:20]:
        cosine = float(vector_of[line["enrol"]] @ vector_of[line["test"]])
        assert line["score"] == pytest.approx(cosine, abs=1e-12)
    metrics = scores(both)["metrics"]
    columns = ([line["target"] for line in found], [line["score"] for line in found])
    assert metrics["eer"]["value"] == pytest.approx(eer(*columns))
    assert metrics["min_dcf"]["value"] == pytest.approx(min_dcf(*columns))
    drawn = ge2e_eer(kept.vectors, kept.speakers, seed=0)
    assert metrics["ge2e_eer"]["value"] == pytest.approx(drawn)
    assert scores(both)["headline"]["metric"] == "eer"
    assert metrics["eer"]["low"] <= metrics["eer"]["value"] <= metrics["eer"]["high"]
    assert metrics["eer"]["value"] < 0.45

    ears = tmp_path / "ears"
    chosen = ("protocol.selection=best_valid", "training.epochs=3")
    done = crosstone(*asked, *HEARS, *chosen, "--out", ears)
    assert done.code == 0, done.err
    log = lines(ears / "fold-0-seed-0" / "log.jsonl")
    watched = [line["valid"]["eer"] for line in log if line["event"] == "epoch"]
    assert len(watched) == 3
    assert scores(ears)["metrics"]["eer"]["value"] < 0.45

    before = (both / "scores.json").read_bytes()
    done = crosstone("score", both)
    assert done.code == 0, done.err
    assert (both / "scores.json").read_bytes() == before
    done = crosstone("compare", both, ears)
    assert done.code == 0, done.err
    assert "eer" in done.out
    assert "drawing 6 speakers" in done.out
    done = crosstone("report", both, ears, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    assert "Misses and false alarms" in done.out
    assert "CTAL large (ctal-2021, table 3)" in done.out
    assert "its protocol is none of ours, or unstated; ours is librispeech-verification" in done.out

    file = both / "predictions.jsonl"
    done = crosstone("audit", file, "--protocol", "librispeech-verification", "--corpus", corpus)
    assert done.code == 0, done.err
    assert "FAULT" not in done.out

    other = tmp_path / "other"
    done = crosstone("evaluate", run, "--corpus", corpus, "--split", "valid", "--out", other)
    assert done.code == 0, done.err
    assert "protocol whole corpus, by speaker" in done.out
    assert {line["test_speaker"] for line in lines(other / "predictions.jsonl")} <= {
        *("69", "70", "71")
    }
    listed = tmp_path / "listed"
    done = crosstone(
        *("prepare", "librispeech", release, "--out", listed, "--set", "trials=40"),
        *("--set", "trial_subsets=train-clean-100"),
    )
    assert done.code == 0, done.err
    done = crosstone(
        *("evaluate", run, "--corpus", listed, "--protocol", "librispeech-verification"),
        *("--out", tmp_path / "seen"),
    )
    assert done.code == 0, done.err
    assert "seen in training, trials of librispeech-verification" in done.out
    assert "40 trials, 20 of one speaker, as the corpus lists them" in done.out
    found = lines(tmp_path / "seen" / "predictions.jsonl")
    assert [(line["enrol"], line["test"]) for line in found] == [
        (trial.enrol, trial.test) for trial in Corpus.open(listed).trials
    ]
    done = crosstone("card", run)
    assert done.code == 0, done.err
    card = (run / "model" / "README.md").read_text(encoding="utf-8")
    assert "the vectors that tell its 8 training speakers apart" in card
    assert "crosstone evaluate FOLDER --corpus CORPUS" in card
    assert "a voice that is used to identify someone is biometric data" in card
    done = crosstone("predict", run, next(release.rglob("*.flac")))
    assert done.code == 2
    assert "ask it about the trials of a corpus (crosstone evaluate)" in done.err
    done = crosstone(
        *("evaluate", run, "--corpus", corpus, "--protocol", "iemocap-4way-loso"),
        *("--out", tmp_path / "wrong"),
    )
    assert done.code == 2
    assert "tells speakers apart, and iemocap-4way-loso asks for emotion" in done.err


def test_a_test_speaker_who_trains_is_named(crosstone: Any, release: Path, tmp_path: Path) -> None:
    """One of the two chapters of a test speaker lies in the train subset."""
    root = tmp_path / "LibriSpeech"
    shutil.copytree(release, root)
    first = min((root / "test-clean" / "72").iterdir())
    (root / "train-clean-100" / "72").mkdir()
    first.rename(root / "train-clean-100" / "72" / first.name)
    done = crosstone("prepare", "librispeech", root, "--out", tmp_path / "corpus")
    assert done.code == 0, done.err
    asked = ("finetune", "cmt-base-verification", f"data.corpus={tmp_path / 'corpus'}")
    done = crosstone(*asked, *TINY, *HEARS, "--out", tmp_path / "run")
    assert done.code == 2
    assert "the folds leak: 1 speaker (72) stands in train and test of fold 0" in done.err


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.hears and n != "cmt"])
def test_every_family_that_hears_is_asked_about_pairs(
    crosstone: Any, release: Path, tmp_path: Path, name: str
) -> None:
    """What it pools is the speaker's vector; that it learns is shown above, for two of them."""
    corpus, family = tmp_path / "corpus", FAMILIES[name]
    done = crosstone("prepare", "librispeech", release, "--out", corpus)
    assert done.code == 0, done.err
    parts = (
        *(f"model.family={name}", f"model.config={json.dumps(dict(family.small))}"),
        f"model.audio_encoder={family.audio_tower}",
        f"model.text_encoder={family.text_tower if family.reads else 'null'}",
    )
    short = ("training.epochs=null", "training.steps=2", "model.vocab_size=300")
    asked = ("finetune", "cmt-base-verification", f"data.corpus={corpus}", *TINY, *parts, *short)
    done = crosstone(*asked, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    found = scores(tmp_path / "run")["metrics"]["eer"]["value"]
    assert 0 <= found <= 1
    kept = read_embeddings(tmp_path / "run" / "fold-0-seed-0" / "embeddings.npz")
    model = load_task(tmp_path / "run" / "fold-0-seed-0" / "model")
    assert kept.vectors.shape == (36, model.backbone.pooled_width)
    assert len(lines(tmp_path / "run" / "predictions.jsonl")) == 180
