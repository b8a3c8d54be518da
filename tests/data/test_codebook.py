"""Codewords: the recorded assignment, round trips, and refusals."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from crosstone.data.codebook import Codebook, Codes, fit_codebook
from crosstone.errors import CheckpointError, CorpusError

GOLDEN = Path(__file__).parent.parent / "golden" / "kmeans" / "assign.safetensors"
MADE_BY = {"features": "mfcc", "stride": 320, "sampling_rate": 16_000}


def test_assignment_equals_the_recorded_one() -> None:
    golden = load_file(GOLDEN)
    found = Codebook(golden["centers"].astype(np.float32), MADE_BY).assign(golden["features"])
    clear = golden["margin"] > 1e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear], golden["labels"][clear])


def test_fit_finds_three_clouds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clouds = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    frames = np.repeat(clouds, 100, 0) + rng.normal(0, 0.1, (300, 2))
    codebook = fit_codebook(frames.astype(np.float32), 3, MADE_BY, max_iter=10)
    labels = codebook.assign(frames.astype(np.float32))
    assert {len(set(labels[i : i + 100])) for i in (0, 100, 200)} == {1}
    assert len(set(labels)) == 3
    codebook.save(tmp_path / "k.safetensors")
    again = Codebook.load(tmp_path / "k.safetensors")
    assert (again.hash, again.stride) == (codebook.hash, 320)
    np.testing.assert_array_equal(again.centres, codebook.centres)


def test_too_few_frames_and_another_width_are_refused() -> None:
    frames = np.zeros((4, 2), np.float32)
    with pytest.raises(CorpusError, match="at least 5 frames for 5 codewords, found 4"):
        fit_codebook(frames, 5, MADE_BY)
    with pytest.raises(CorpusError, match="features of width 3, found 2"):
        Codebook(np.zeros((2, 3), np.float32), MADE_BY).assign(frames)


def test_files_that_are_no_codebook_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such codebook"):
        Codebook.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(CheckpointError, match="expected a codebook in safetensors"):
        Codebook.load(tmp_path / "text.safetensors")
    codebook = Codebook(np.zeros((2, 3), np.float32), MADE_BY)
    codebook.save(tmp_path / "k.safetensors")
    metadata = {"made_by": '{"stride": 320}', "hash": codebook.hash}
    save_file({"centres": np.ones((2, 3), np.float32)}, tmp_path / "k.safetensors", metadata)
    with pytest.raises(CheckpointError, match="was altered"):
        Codebook.load(tmp_path / "k.safetensors")


def test_codes_round_trip_and_are_read_at_another_rate(tmp_path: Path) -> None:
    rows = [np.array([3, 1, 2, 0, 5]), np.zeros(0, np.int64), np.array([7])]
    codes = Codes.gather(rows, 320)
    path = tmp_path / "codes" / "x.safetensors"
    codes.save(path, corpus="c", codebook="b")
    again = Codes.load(path, corpus="c", codebook="b")
    assert again is not None
    assert [again[i].tolist() for i in range(3)] == [[3, 1, 2, 0, 5], [], [7]]
    assert Codes.load(path, corpus="another", codebook="b") is None
    assert [again.every(640)[i].tolist() for i in range(3)] == [[3, 2, 5], [], [7]]
    with pytest.raises(CorpusError, match="every 320 samples cannot label frames every 500"):
        again.every(500)
