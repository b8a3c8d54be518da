"""A map of speakers from the vectors that a verification run left."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.errors import CorpusError
from crosstone.reports.page import Figure, Table
from crosstone.runs.recipe import load_recipe
from crosstone.scoring.embeddings import Embeddings
from crosstone.studies.measures.speakers import show_speakers, speaker_map

RECIPE = load_recipe("twokey-cmt")


def measured(vectors: np.ndarray, speakers: list[str], place: Path) -> dict[str, Any]:
    run = place / "fold-0-seed-0"
    run.mkdir(parents=True)
    ids = np.array([f"u{i}" for i in range(len(speakers))])
    Embeddings(ids, np.array(speakers), vectors.astype(np.float32)).write(run)
    speaker_map(place, RECIPE, place)
    found: dict[str, Any] = json.loads((place / "measure.json").read_text(encoding="utf-8"))
    return found


def test_silhouette_by_hand(tmp_path: Path) -> None:
    # each beside its like at cosine distance 0, the other speaker's at distance 1: (1 - 0) / 1
    apart = measured(np.eye(2)[[0, 0, 1, 1]], ["a", "a", "b", "b"], tmp_path / "apart")
    assert apart["silhouette"] == pytest.approx(1.0)
    assert apart["perplexity"] == 1.0
    # as near to the one as to the other's: own at distance 1; 0.5 on average to the other two
    mixed = measured(np.eye(2)[[0, 1, 0, 1]], ["a", "a", "b", "b"], tmp_path / "mixed")
    assert mixed["silhouette"] == pytest.approx(-0.5)


def test_the_first_ten_by_name_and_the_same_map_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    speakers = [f"s{i % 12:02}" for i in range(48)]
    vectors = rng.normal(size=(48, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    one = measured(vectors, speakers, tmp_path / "one")
    assert one == measured(vectors, speakers, tmp_path / "two")
    assert one["speakers"] == [f"s{i:02}" for i in range(10)]
    assert one["utterances"] == len(one["points"]) == 40
    shown = show_speakers("m", {"CTAL": [one, {**one, "silhouette": 0.5}]})
    figure, table = shown.blocks
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert ">J<" in figure.drawings[0].svg
    assert ">K<" not in figure.drawings[0].svg
    assert len(shown.data[figure.drawings[0].name]) == 40
    assert table.rows[0].cells[1].aside.endswith("0.500")


def test_one_speaker_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="expected two tested speakers or more, found 1"):
        measured(np.eye(3), ["a", "a", "a"], tmp_path)
