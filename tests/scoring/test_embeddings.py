"""Embeddings of a run: written, read back, and what CTAL's score makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from crosstone.errors import CorpusError
from crosstone.metrics import ge2e_eer
from crosstone.scoring.embeddings import EMBEDDINGS, Embeddings, read_embeddings
from crosstone.scoring.score import score_predictions

FAST = {"replicates": 50}


def embeddings(num_speakers: int = 5, seed: int = 0) -> Embeddings:
    """Six utterances each, round a centre of their speaker's own."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_speakers, 4))
    vectors = np.repeat(centres, 6, axis=0) + 0.6 * rng.normal(size=(6 * num_speakers, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(
        ids=np.array([f"{s}{i}" for s in range(num_speakers) for i in range(6)]),
        speakers=np.repeat([f"s{s}" for s in range(num_speakers)], 6),
        vectors=vectors.astype(np.float32),
    )


def run_set(folder: Path, found: dict[int, Embeddings], **protocol: object) -> Path:
    """All pairs, by training seed."""
    lines = []
    for seed, own in found.items():
        (folder / f"fold-0-seed-{seed}").mkdir(parents=True)
        scores = own.vectors @ own.vectors.T
        for i in range(len(own.ids)):
            for j in range(i):
                one, other = str(own.speakers[i]), str(own.speakers[j])
                lines.append(
                    {
                        "enrol": str(own.ids[i]),
                        "test": str(own.ids[j]),
                        "target": one == other,
                        "score": float(scores[i, j]),
                        "fold": 0,
                        "seed": seed,
                        "split": "test",
                        "enrol_speaker": one,
                        "test_speaker": other,
                    }
                )
    text = "\n".join(map(json.dumps, lines))
    (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
    facts = {"name": "voices", "protocol": {"task": "verification", **protocol}}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = embeddings()
    again = read_embeddings(made.write(tmp_path))
    assert again.ids.tolist() == made.ids.tolist()
    assert again.speakers.tolist() == made.speakers.tolist()
    assert np.array_equal(again.vectors, made.vectors)
    assert [path.name for path in tmp_path.iterdir()] == [EMBEDDINGS]


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / EMBEDDINGS
    path.write_text("no arrays")
    with pytest.raises(CorpusError, match="expected the arrays ids, speakers and vectors, found"):
        read_embeddings(path)
    np.savez(path, ids=np.array(["a"]), vectors=np.zeros((1, 2)))
    with pytest.raises(CorpusError, match="speakers is not a file in the archive"):
        read_embeddings(path)
    np.savez(path, ids=np.array(["a"]), speakers=np.array(["b"]), vectors=np.zeros((2, 2)))
    with pytest.raises(CorpusError, match=r"one vector for each id, found shapes \(1,\), \(1,\)"):
        read_embeddings(path)


def test_ge2e_stands_beside_the_eer_where_it_is_asked_for(tmp_path: Path) -> None:
    found = {0: embeddings(seed=0), 1: embeddings(seed=1)}
    folder = run_set(tmp_path / "run", found, ge2e_seed=3)
    missing = score_predictions(folder, **FAST)
    assert "ge2e_eer" not in missing.metrics
    assert "fold-0-seed-0/embeddings.npz is missing" in missing.notes[-1].replace("\\", "/")
    for seed, own in found.items():
        own.write(folder / f"fold-0-seed-{seed}")
    scores = score_predictions(folder, **FAST)
    rates = [ge2e_eer(own.vectors, own.speakers, seed=3) for own in found.values()]
    assert scores.metrics["ge2e_eer"].runs == tuple(rates)
    document = scores.as_dict()
    assert document["metrics"]["ge2e_eer"]["value"] == pytest.approx(np.mean(rates))
    assert document["metrics"]["ge2e_eer"]["pooled"] is None
    assert rates[0] < document["runs"][0]["eer"]  # far easier than pairs
    assert document["headline"]["metric"] == "eer"
    assert "with seed 3: far easier than pairs, and no eer" in scores.notes[-1]


def test_one_run_alone_is_scored_too(tmp_path: Path) -> None:
    made = embeddings()
    folder = run_set(tmp_path / "run", {0: made}, ge2e_seed=0)
    made.write(folder)
    assert "ge2e_eer" in score_predictions(folder, **FAST).metrics
    assert "ge2e_eer" not in score_predictions(run_set(tmp_path / "b", {0: made}), **FAST).metrics


def test_too_few_speakers_to_draw(tmp_path: Path) -> None:
    made = embeddings(num_speakers=3)
    folder = run_set(tmp_path, {0: made}, ge2e_seed=0)
    made.write(folder / "fold-0-seed-0")
    scores = score_predictions(folder, **FAST)
    assert set(scores.metrics) == {"eer", "min_dcf"}
    assert "it draws 4 speakers at a time, and 3 were tested" in scores.notes[-1]
