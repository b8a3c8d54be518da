"""A Shar that lhotse wrote, read as a stream: in order, once, from anywhere, by any workers."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from crosstone.data.batch import collate
from crosstone.data.corpora.lhotse import shar
from crosstone.data.corpora.lhotse.shar import SharItems
from crosstone.data.sampling import BatchStream
from crosstone.data.text import train_tokenizer
from crosstone.errors import CorpusError

lhotse = pytest.importorskip("lhotse")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    """23 cuts in shards of 3, the second of them without words, the third in stereo at 8 kHz."""
    from lhotse.shar import SharWriter

    folder = tmp_path_factory.mktemp("shar")
    rng = np.random.default_rng(0)
    (folder / "out").mkdir()
    waves = []
    with SharWriter(str(folder / "out"), shard_size=3, fields={"recording": "flac"}) as writer:
        for i in range(23):
            rate, channels = (8000, 2) if i == 2 else (16_000, 1)
            wave = rng.integers(-9000, 9000, (int(rng.integers(3000, 9000)), channels)) / 32_768
            soundfile.write(folder / f"{i}.wav", wave, rate)
            cut = lhotse.Recording.from_file(folder / f"{i}.wav").to_cut()
            words = [] if i == 1 else ["one two", f"{'three ' * (i % 4)}"]
            cut.supervisions = [
                lhotse.SupervisionSegment(f"{i}-{n}", cut.id, n * 0.01, 0.01, text=text)
                for n, text in enumerate(words)
            ]
            writer.write(cut)
            waves.append(wave.mean(1))
    return folder / "out", waves


@pytest.fixture
def tokenizer() -> object:
    return train_tokenizer(["one two three"] * 9, 280)


def test_items_are_the_cuts_in_any_order(
    written: tuple[Path, list[np.ndarray]], tokenizer: object
) -> None:
    folder, waves = written
    items = SharItems(folder, tokenizer=tokenizer)
    assert len(items) == 23
    assert items.starts.tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 23]
    assert items.lengths[0] == pytest.approx(len(waves[0]) / 16_000)
    for i in (0, 4, 3, 22, 1, 0):
        item = items[i]
        assert item.id == str(i)
        np.testing.assert_allclose(item.audio, waves[i], atol=1e-4)
        assert (item.text is None) is (i == 1)
    assert len(items[2].audio) == 2 * len(waves[2])
    assert tokenizer.decode(items[5].text, skip_special_tokens=True).strip() == "one two three"
    copy = pickle.loads(pickle.dumps(items))
    np.testing.assert_array_equal(copy[7].audio, items[7].audio)


def test_a_stream_begins_at_any_step(written: tuple[Path, list[np.ndarray]]) -> None:
    items = SharItems(written[0])
    plan = items.plan(seed=1, batch_size=4, micro_batch_size=2, pool=3)
    stream = BatchStream(items, collate, plan)
    for epoch, start in ((1, 0), (2, 0), (1, 3)):
        wanted = list(plan.steps(epoch, start))
        for step, expected in zip(stream.epoch(epoch, start), wanted, strict=True):
            for (batch, real), micro in zip(step, expected, strict=True):
                assert real is micro.real
                assert batch.ids == tuple(map(str, micro.indices))
                assert batch.audio.lengths[0] == len(items[micro.indices[0]].audio)
                assert torch.isfinite(batch.audio.values).all()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shards that are opened from now on."""
    names: list[str] = []
    reader = shar._reader()

    def read(fields: dict[str, list[Path]]) -> object:
        names.append(fields["cuts"][0].name)
        return reader(fields)

    monkeypatch.setattr(shar, "_reader", lambda: read)
    return names


def test_a_shard_is_opened_once_an_epoch_by_one_process(
    written: tuple[Path, list[np.ndarray]], opened: list[str]
) -> None:
    read: list[str] = []
    for rank in (0, 1):
        items = SharItems(written[0])
        plan = items.plan(seed=1, batch_size=8, micro_batch_size=4, pool=8, world=2, rank=rank)
        for step in BatchStream(items, collate, plan).epoch(1):
            read += [identity for batch, real in step if real for identity in batch.ids]
    assert sorted(read, key=int) == [str(i) for i in range(23)]
    assert len(set(opened)) == 8
    assert len(opened) <= 9  # and once more for an echo


def test_workers_that_take_turns_keep_to_their_shards(
    written: tuple[Path, list[np.ndarray]], opened: list[str]
) -> None:
    """As a DataLoader deals: every other micro-batch."""
    items = SharItems(written[0])
    plan = items.plan(seed=1, batch_size=1)
    workers = [pickle.loads(pickle.dumps(items)) for _ in range(2)]
    for number, step in enumerate(plan.steps(1)):
        assert workers[number % 2][step[0].indices[0]].id == str(step[0].indices[0])
    assert len(opened) <= 8 + 1  # the last turns are not even


def test_what_is_no_shar_is_refused(
    written: tuple[Path, list[np.ndarray]], tmp_path: Path, tokenizer: object
) -> None:
    folder, _ = written
    with pytest.raises(CorpusError, match=r"expected a Lhotse Shar folder, .*found 0 of the one"):
        SharItems(tmp_path)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "recording.000001.tar").unlink()
    with pytest.raises(CorpusError, match=r"8 of the one and 7 of the other \(alone: 000001\)"):
        SharItems(tmp_path)
    whole = (folder / "recording.000001.tar").read_bytes()
    (tmp_path / "recording.000001.tar").write_bytes(whole)
    with pytest.raises(CorpusError, match=r"cut '\d+' lasts 0\.\d s, expected at most 0\.1 s"):
        SharItems(tmp_path, max_seconds=0.1)
    cuts = tmp_path / "cuts.000001.jsonl.gz"
    lines = gzip.decompress(cuts.read_bytes()).splitlines(keepends=True)
    cuts.write_bytes(gzip.compress(b"".join([lines[0], b"{broken\n"])))
    with pytest.raises(CorpusError, match=r"cuts.000001.jsonl.gz: .* cannot read line 2 \(JSONDec"):
        SharItems(tmp_path)
    cuts.write_bytes(gzip.compress(b"".join([*lines, lines[0]])))
    longer = SharItems(tmp_path)
    with pytest.raises(CorpusError, match=r"recording\.000001\.tar: expected recordings of 4 cuts"):
        longer[6]
    with pytest.raises(CorpusError, match="expected texts of at most 3 tokens"):
        SharItems(folder, tokenizer=tokenizer, max_tokens=3)[0]
    cut = SharItems(folder, tokenizer=tokenizer, max_tokens=3, cut_texts=True)[0]
    assert len(cut.text) == 3


def test_lhotse_that_is_missing_is_named(
    written: tuple[Path, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lhotse.shar", None)
    with pytest.raises(CorpusError, match=r"pip install 'crosstone\[lhotse\]'"):
        SharItems(written[0])
