"""A Shar that lhotse wrote, read as a stream: in order, once, from anywhere, by any workers."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from crosstone.data.batch import collate
from crosstone.data.corpora.lhotse import shar, shards
from crosstone.data.corpora.lhotse.shar import SharItems
from crosstone.data.corpora.lhotse.shards import Shar, is_shar
from crosstone.data.faults.sound import hear
from crosstone.data.heard import Heard, digests_in
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
                lhotse.SupervisionSegment(
                    f"{i}-{n}",
                    cut.id,
                    n * 0.01,
                    0.01,
                    text=text,
                    speaker=f"s{i % 4}",
                    custom={"group": f"g{i % 2}"},
                )
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
    shar = Shar.open(folder)
    items = SharItems(shar, tokenizer=tokenizer)
    assert len(items) == 23
    assert shar.starts.tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 23]
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


def test_what_the_cuts_say_is_known_before_they_are_heard(
    written: tuple[Path, list[np.ndarray]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shar = Shar.open(written[0])
    assert shar.name == "out"
    assert shar.speakers == ("s0", "s1", "s2", "s3")
    assert shar.groups == ("g0", "g1")
    assert np.flatnonzero(~shar.has_text).tolist() == [1]
    assert shar.texts[:2] == ("one two", "one two three three")
    assert len(shar.texts) == 22
    monkeypatch.setattr(shards, "SAMPLED_TEXTS", 8)
    assert len(Shar.open(written[0]).texts) == 8  # one of each shard
    for path in written[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert Shar.open(tmp_path).hash == shar.hash
    with (tmp_path / "recording.000001.tar").open("ab") as file:
        file.write(b"0")
    assert Shar.open(tmp_path).hash != shar.hash
    cuts = tmp_path / "cuts.000000.jsonl.gz"
    said = gzip.decompress(cuts.read_bytes()).replace(b"one two", b"one too")
    (tmp_path / "recording.000001.tar").write_bytes(
        (written[0] / "recording.000001.tar").read_bytes()
    )
    cuts.write_bytes(gzip.compress(said))
    assert Shar.open(tmp_path).hash != shar.hash


def test_cuts_set_aside_are_not_among_the_rest(written: tuple[Path, list[np.ndarray]]) -> None:
    rest, aside = Shar.open(written[0]).set_aside(2)
    assert [SharItems(aside)[i].id for i in range(len(aside))] == ["0", "1"]
    items = SharItems(rest)
    assert rest.starts.tolist() == [0, 1, 4, 7, 10, 13, 16, 19, 21]
    assert [items[i].id for i in (0, 1, 20)] == ["2", "3", "22"]
    assert rest.lengths[0] == pytest.approx(len(written[1][2]) / 8000)


def test_what_was_heard_is_noted_by_every_worker(
    written: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    folder, waves = written
    items = SharItems(Shar.open(folder), heard=Heard(tmp_path / "heard" / "0", 23))
    items[0], items[2]
    pickle.loads(pickle.dumps(items))[4]
    again = SharItems(Shar.open(folder), heard=Heard(tmp_path / "heard" / "0", 23))
    again[0], again[7]
    noted = digests_in((tmp_path / "heard").iterdir())
    whole = [
        hear(folder.parent / f"{i}.wav", start=None, end=None, max_seconds=None)
        for i in (0, 2, 4, 7)
    ]
    assert noted.tolist() == sorted(sound.digest for sound in whole)
    assert len(waves) == 23
    Heard(tmp_path / "heard" / "0", 24)  # of another Shar
    assert not len(digests_in((tmp_path / "heard").iterdir()))


def test_a_stream_begins_at_any_step(written: tuple[Path, list[np.ndarray]]) -> None:
    items = SharItems(Shar.open(written[0]))
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
        items = SharItems(Shar.open(written[0]))
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
    items = SharItems(Shar.open(written[0]))
    plan = items.plan(seed=1, batch_size=1)
    workers = [pickle.loads(pickle.dumps(items)) for _ in range(2)]
    for number, step in enumerate(plan.steps(1)):
        assert workers[number % 2][step[0].indices[0]].id == str(step[0].indices[0])
    assert len(opened) <= 8 + 1  # the last turns are not even


def test_what_is_no_shar_is_refused(
    written: tuple[Path, list[np.ndarray]], tmp_path: Path, tokenizer: object
) -> None:
    folder, _ = written
    assert is_shar(folder)
    assert not is_shar(tmp_path)
    with pytest.raises(CorpusError, match=r"expected a Lhotse Shar folder, .*found 0 of the one"):
        Shar.open(tmp_path)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "recording.000001.tar").unlink()
    with pytest.raises(CorpusError, match=r"8 of the one and 7 of the other \(alone: 000001\)"):
        Shar.open(tmp_path)
    whole = (folder / "recording.000001.tar").read_bytes()
    (tmp_path / "recording.000001.tar").write_bytes(whole)
    limit = float(Shar.open(tmp_path).lengths[1:].max()) - 1e-6
    longest = int(np.argmax(Shar.open(tmp_path).lengths[1:])) + 1
    said = rf"cut '{longest}' lasts 0\.\d s, expected at most 0\.\d+ s, as with 1 of 22 cuts"
    with pytest.raises(CorpusError, match=said):
        Shar.open(tmp_path).set_aside(1)[0].refuse_longer(limit)
    cuts = tmp_path / "cuts.000001.jsonl.gz"
    lines = gzip.decompress(cuts.read_bytes()).splitlines(keepends=True)
    cuts.write_bytes(gzip.compress(b"".join([lines[0], b"{broken\n"])))
    with pytest.raises(CorpusError, match=r"cuts.000001.jsonl.gz: .* cannot read line 2 \(JSONDec"):
        Shar.open(tmp_path)
    cuts.write_bytes(gzip.compress(b"".join([*lines, lines[0]])))
    longer = SharItems(Shar.open(tmp_path))
    with pytest.raises(CorpusError, match=r"recording\.000001\.tar: expected recordings of 4 cuts"):
        longer[6]
    with pytest.raises(CorpusError, match="expected texts of at most 3 tokens"):
        SharItems(Shar.open(folder), tokenizer=tokenizer, max_tokens=3)[0]
    items = SharItems(Shar.open(folder), tokenizer=tokenizer, max_tokens=3, cut_texts=True)
    cut = items[0]
    assert len(cut.text) == 3


def test_lhotse_that_is_missing_is_named(
    written: tuple[Path, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lhotse.shar", None)
    with pytest.raises(CorpusError, match=r"pip install 'crosstone\[lhotse\]'"):
        SharItems(Shar.open(written[0]))
