"""From utterances to tensors."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from crosstone.data.batch import IGNORED, Item, Items, Target, collate
from crosstone.data.cache import ShardWriter, StateStore
from crosstone.data.codebook import Codes
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.text import train_tokenizer
from crosstone.errors import CorpusError


def test_collate_pads_and_tells_what_is_real() -> None:
    items = [
        Item("a", np.ones(3, np.float32), np.array([0, 7, 2]), {"x": 1}, np.array([4, 5])),
        Item("b", None, np.array([0, 2]), {"x": IGNORED}),
    ]
    batch = collate(items)
    assert batch.audio is not None and batch.text is not None  # noqa: PT018
    assert batch.audio.mask.tolist() == [[True] * 3, [False] * 3]
    assert batch.text.lengths.tolist() == [3, 2]
    assert batch.codes is not None
    assert batch.codes.tolist() == [[4, 5], [IGNORED, IGNORED]]
    assert batch.targets["x"].dtype == torch.int64
    assert set(batch.inputs()) == {"audio", "audio_mask", "text", "text_mask"}
    moved = batch.to(torch.device("cpu"), torch.float64)
    assert moved.audio is not None
    assert moved.audio.values.dtype == torch.float64
    assert moved.targets["x"].dtype == torch.int64


def test_states_stand_in_for_what_was_heard_and_read() -> None:
    frames, words = np.ones((4, 3), np.float16), np.ones((2, 5), np.float16)
    items = [
        Item("a", frames, np.array([0, 2]), text_states=words),
        Item("b", None, np.array([0, 7, 2]), text_states=np.ones((3, 5), np.float16)),
        Item("c", frames[:1], None),
    ]
    batch = collate(items)
    assert batch.audio is not None
    assert batch.audio.values.shape == (3, 4, 3)
    assert batch.audio.lengths.tolist() == [4, 0, 1]
    moved = batch.to(torch.device("cpu"))
    inputs = moved.inputs()
    assert inputs["audio"].dtype == inputs["text"].dtype == torch.float32
    assert inputs["text"].shape == (3, 3, 5)
    assert inputs["text_mask"].sum(1).tolist() == [2, 3, 0]
    assert moved.text is not None
    assert moved.text.values[1].tolist() == [0, 7, 2]  # still there, to be predicted
    assert batch.to(torch.device("cpu"), torch.float64).inputs()["text"].dtype == torch.float64


def test_a_modality_that_no_item_has_is_absent() -> None:
    batch = collate([Item("a", None, np.array([0, 2]))])
    assert batch.audio is None
    assert set(batch.inputs()) == {"text", "text_mask"}
    assert len(batch) == 1


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    rng = np.random.default_rng(0)
    for name, seconds in (("a", 0.5), ("b", 0.25)):
        samples = rng.normal(0, 0.1, int(16_000 * seconds))
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
    utterances = [
        Utterance(id="a", audio="a.wav", text="the cat", labels={"emotion": "sad", "score": 1.5}),
        Utterance(id="b", audio="b.wav", labels={"emotion": "glad"}),
        Utterance(id="c", text="a dog", labels={"score": -2.0}),
    ]
    source = Source(url="", version="", licence="", citation="")
    return Corpus.write(
        tmp_path / "corpus", name="c", root=tmp_path, source=source, utterances=utterances
    )


def test_items_carry_what_the_model_takes(corpus: Corpus) -> None:
    tokenizer = train_tokenizer(["the cat", "a dog"] * 9, 280)
    codes = Codes.gather([np.array([1, 2]), np.array([3]), np.zeros(0, np.int64)], 640)
    targets = [Target("emotion", ("glad", "sad")), Target("score")]
    items = Items(corpus, tokenizer=tokenizer, targets=targets, codes=codes)
    a, b, c = (items[i] for i in range(3))
    assert a.audio is not None and len(a.audio) == 8000  # noqa: PT018
    assert a.targets == {"emotion": 1, "score": 1.5}
    assert b.text is None
    assert not items.has_text(1)
    assert b.targets["emotion"] == 0
    assert np.isnan(b.targets["score"])
    assert c.audio is None
    assert c.targets["emotion"] == IGNORED
    assert b.codes is not None and b.codes.tolist() == [3]  # noqa: PT018
    kept = items[0].audio
    assert kept is not None and np.array_equal(kept, a.audio)  # noqa: PT018
    assert items.recordings._kept[0].dtype == np.int16
    view = Items(corpus.select([1]), codes=codes)
    assert view[0].codes is not None and view[0].codes.tolist() == [3]  # noqa: PT018
    assert Items(corpus.select([0, 2]), tokenizer=tokenizer, hears=False)[0].audio is None
    with pytest.raises(CorpusError, match=r"1 of 3 utterances have no audio, .*\(first: c\)"):
        Items(corpus)
    uncached = Items(corpus.select([0]), cache_mib=0)
    assert np.array_equal(uncached[0].audio, a.audio)
    assert not uncached.recordings._kept


def test_items_hand_over_states_and_refuse_what_is_missing(corpus: Corpus, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["the cat", "a dog"] * 9, 280)
    sounds = np.array([11, -5, 0])
    plain = Items(corpus, tokenizer=tokenizer, sounds=sounds)
    assert plain.keys("audio").tolist() == [11, -5, 0]
    assert (plain.keys("text") != 0).tolist() == [True, False, True]
    stores = {}
    for modality, left_out in (("audio", 1), ("text", 2)):
        made_by = {"modality": modality, "width": 2, "dtype": "float16"}
        writer = ShardWriter(tmp_path, made_by)
        for i, key in enumerate(plain.keys(modality).tolist()):
            if key and i != left_out:
                writer.add(key, np.full((3, 2), i, np.float32))
        writer.flush()
        stores[modality] = StateStore(tmp_path, made_by)
    options = {"tokenizer": tokenizer, "sounds": sounds, "states": stores}
    said = r"lacks the states of 1 of 2 recordings and 1 of 2 texts; make them with `crosstone cac"
    with pytest.raises(CorpusError, match=said):
        Items(corpus, **options)
    (item,) = Items(corpus.select([0]), **{**options, "sounds": sounds[:1]})
    assert item.audio is not None
    assert item.text_states is not None
    assert item.audio.shape == item.text_states.shape == (3, 2)
    assert item.text is not None


def test_audio_that_16_bits_cannot_hold_is_kept_whole(corpus: Corpus) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 8000)
    soundfile.write(corpus.root / "a.wav", samples, 16_000, subtype="FLOAT")
    items = Items(corpus.select([0]))
    first, again = items[0].audio, items[0].audio
    assert first is not None and np.array_equal(first, again)  # noqa: PT018
    assert items.recordings._kept[0].dtype == np.float32


def test_labels_nobody_knows_are_refused(corpus: Corpus) -> None:
    corpus = corpus.select([0, 1])
    with pytest.raises(CorpusError, match="b: label emotion='glad' is not known, expected one of"):
        Items(corpus, targets=[Target("emotion", ("sad", "calm"))])
    with pytest.raises(CorpusError, match="a: expected a number as emotion, found 'sad'"):
        Items(corpus, targets=[Target("emotion")])


def test_soft_targets_are_shares_of_the_votes(corpus: Corpus) -> None:
    def with_votes(utterance: Utterance) -> Utterance:
        votes = {"a": {"x": ("sad",), "y": ("sad", "glad"), "z": ("bored",)}, "b": {"x": ("odd",)}}
        raters = votes.get(utterance.id, {})
        return dataclasses.replace(utterance, votes={"emotion": raters})

    labels = ("glad", "sad")
    items = Items(
        corpus.relabelled(with_votes),
        tokenizer=train_tokenizer(["the cat", "a dog"] * 9, 280),
        targets=[Target("emotion", labels, soft=True)],
    )
    batch = collate([items[i] for i in range(3)])
    shares = batch.targets["emotion"]
    assert shares.dtype == torch.float32
    assert shares[:2].tolist() == [[0.25, 0.75], [1.0, 0.0]]  # b's only vote is for no class
    assert shares[2].isnan().all()
    assert batch.to(torch.device("cpu"), torch.float64).targets["emotion"].dtype == torch.float64


def test_what_is_too_long_is_refused_or_cut_and_counted(corpus: Corpus) -> None:
    timed = Corpus.write(
        corpus.folder.parent / "timed",
        name="timed",
        root=corpus.root,
        source=corpus.source,
        utterances=[
            dataclasses.replace(corpus[0], text="cat " * 30, duration=0.5),
            *(corpus[i] for i in (1, 2)),
        ],
    )
    tokenizer = train_tokenizer(["the cat sat"] * 9, 300)
    long = np.nan_to_num(timed.durations) > 0.3
    assert long.tolist() == [True, False, False]
    options = {"tokenizer": tokenizer, "max_tokens": 10}
    with pytest.raises(CorpusError, match=r"at most 10 tokens.*data\.cut_texts=true"):
        Items(timed, **options)
    options["cut_texts"] = True
    said = r"at most 0\.3 s, .* found 1 longer \(a\).*data\.hear_seconds=0\.3"
    with pytest.raises(CorpusError, match=said):
        Items(timed, max_seconds=0.3, **options)
    items = Items(timed, max_seconds=0.3, hear_seconds=0.3, **options)
    assert items.num_cut == {"recordings": 1, "texts": 1}
    whole = Items(timed, **options)
    heard, all_of_it = items[0].audio, whole[0].audio
    assert heard is not None
    assert all_of_it is not None
    np.testing.assert_array_equal(heard, all_of_it[:4800])
    assert items.lengths[0] == pytest.approx(0.3)
    assert len(items[1].audio) == 4000
    assert whole.num_cut == {"recordings": 0, "texts": 1}
