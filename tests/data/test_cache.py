"""States on disk: found by content, whole or not at all, never trusted unread."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from crosstone.data import cache
from crosstone.data.cache import (
    ABANDONED,
    ShardWriter,
    StateStore,
    clear_abandoned,
    store_folder,
    token_key,
)
from crosstone.errors import CrosstoneError

MADE_BY = {"modality": "audio", "encoder": "e", "layer": 3, "width": 4, "dtype": "float16"}


def states_of(key: int, width: int = 4) -> np.ndarray:
    rng = np.random.default_rng(abs(key))
    return rng.normal(size=(2 + abs(key) % 5, width)).astype(np.float32)


def fill(root: Path, keys: list[int], **made_by: object) -> None:
    writer = ShardWriter(root, {**MADE_BY, **made_by}, shard_bytes=100)
    for key in keys:
        writer.add(key, states_of(key))
    writer.flush()


def shards(root: Path) -> list[Path]:
    return sorted(store_folder(root, MADE_BY).iterdir())


def test_what_is_written_is_found_in_any_order(tmp_path: Path) -> None:
    keys = [7, -3, 2**62, 11, -(2**63)]
    fill(tmp_path, keys)
    assert len(shards(tmp_path)) == 2
    store = StateStore(tmp_path, MADE_BY)
    assert len(store) == 5
    assert store.holds(np.array([11, 12, -3, 0, 2**63 - 1])).tolist() == [1, 0, 1, 0, 0]
    for reader in (store, pickle.loads(pickle.dumps(store))):
        for key in keys:
            np.testing.assert_array_equal(reader[key], states_of(key).astype(np.float16))
    with pytest.raises(KeyError):
        store[12]


def test_float32_loses_nothing(tmp_path: Path) -> None:
    fill(tmp_path, [1, 2], dtype="float32")
    store = StateStore(tmp_path, {**MADE_BY, "dtype": "float32"})
    np.testing.assert_array_equal(store[2], states_of(2))
    assert not len(StateStore(tmp_path, MADE_BY))  # another precision is another store


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "none", MADE_BY)
    assert store.holds(np.array([0, 1])).tolist() == [False, False]


def test_work_done_twice_is_one_file_and_halves_are_not_seen(tmp_path: Path) -> None:
    fill(tmp_path, [1, 2, 3])
    before = shards(tmp_path)
    fill(tmp_path, [1, 2, 3])
    assert shards(tmp_path) == before
    fill(tmp_path, [3, 2])
    (before[0].parent / ".0123.77.tmp").write_bytes(b"half")
    store = StateStore(tmp_path, MADE_BY)
    np.testing.assert_array_equal(store[3], states_of(3).astype(np.float16))


def test_a_shard_is_synced_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(number: int) -> None:
        synced.extend(path.name for path in shards(tmp_path))
        sync(number)

    monkeypatch.setattr(os, "fsync", note)
    fill(tmp_path, [1])
    (name,) = synced
    assert name.endswith(".tmp")


def test_what_a_killed_writer_began_is_removed_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, [1])
    (whole,) = shards(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {
        "killed": f".a.{cache._host()}.{ended.pid}.tmp",
        "writing": f".b.{cache._host()}.{os.getpid()}.tmp",
        "elsewhere": f".c.elsewhere.{ended.pid}.tmp",
        "elsewhere, long ago": ".d.elsewhere.1.tmp",
    }
    paths = {said: whole.with_name(name) for said, name in names.items()}
    for path in paths.values():
        path.write_bytes(b"half")
    before = time.time() - ABANDONED - 1
    os.utime(paths["elsewhere, long ago"], (before, before))
    os.utime(whole, (before, before))
    clear_abandoned(tmp_path)
    assert shards(tmp_path) == sorted([paths["writing"], paths["elsewhere"], whole])


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = r"safetensors: cannot be written \(.*\); the finished shards stand, make room or give"
    with pytest.raises(CrosstoneError, match=said):
        fill(tmp_path / "file", [1])


def test_a_broken_shard_is_named_with_its_remedy(tmp_path: Path) -> None:
    fill(tmp_path, [4])
    (shard,) = shards(tmp_path)
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CrosstoneError, match=rf"{shard.name}.*delete the file and run crosstone"):
        StateStore(tmp_path, MADE_BY)
    flipped = bytearray(whole)
    flipped[whole.index(states_of(4).astype(np.float16).tobytes())] ^= 1
    shard.unlink()
    shard.write_bytes(flipped)
    store = StateStore(tmp_path, MADE_BY)
    said = "expected states with the checksum that its index gives, found others; delete"
    with pytest.raises(CrosstoneError, match=said):
        store[4]


def test_an_index_that_was_altered_or_moved_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, [4])
    (shard,) = shards(tmp_path)
    whole = shard.read_bytes()
    altered = whole.replace((4).to_bytes(8, "little"), (5).to_bytes(8, "little"))
    assert altered != whole
    shard.write_bytes(altered)
    with pytest.raises(CrosstoneError, match="expected the index that its header tells of"):
        StateStore(tmp_path, MADE_BY)
    other = {**MADE_BY, "layer": 4}
    store_folder(tmp_path, other).mkdir()
    (store_folder(tmp_path, other) / shard.name).write_bytes(whole)
    with pytest.raises(CrosstoneError, match=r'expected states made by .*"layer": 4.*"layer": 3'):
        StateStore(tmp_path, other)


@pytest.mark.parametrize("width, dtype", [(3, "float16"), (4, "float32")])
def test_states_that_are_not_what_the_header_says_are_refused(
    tmp_path: Path, width: int, dtype: str
) -> None:
    fill(tmp_path, [4])
    (shard,) = shards(tmp_path)
    with safe_open(shard, "numpy") as file:
        about = file.metadata()
    tensors = load_file(shard)
    other = tensors["states"][:, :width].astype(dtype)
    save_file({**tensors, "states": other}, shard, about)
    name = "F16" if dtype == "float16" else "F32"
    said = rf"expected states of width 4 in F16, found {width} in {name}; delete the file"
    with pytest.raises(CrosstoneError, match=said):
        StateStore(tmp_path, MADE_BY)


@pytest.mark.parametrize("value", [1e5, np.nan])
def test_what_the_type_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    writer = ShardWriter(tmp_path, MADE_BY)
    with pytest.raises(CrosstoneError, match=r"±65504.*data\.cache_precision=float32"):
        writer.add(1, np.full((1, 4), value, np.float32))


def test_the_key_of_tokens_tells_their_order_and_number() -> None:
    rows = [[0, 5, 2], [0, 2, 5], [0, 5, 2, 1], [0, 5]]
    assert len({token_key(np.array(row)) for row in rows}) == 4
    assert token_key(np.array(rows[0])) == token_key(np.array(rows[0], np.int32))
