"""Tokenizers: every script, nothing cut in silence."""

import json
from pathlib import Path

import pytest
from tokenizers.normalizers import Lowercase

from crosstone.data.text import (
    load_tokenizer,
    shortened,
    tokenise,
    train_tokenizer,
    with_reading,
)
from crosstone.errors import CheckpointError, CorpusError

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"] * 20


def test_trained_tokenizer_has_robertas_form_and_survives_saving(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    ids = tokenizer("the cat sat")["input_ids"]
    assert (ids[0], ids[-1]) == (0, 2)
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (1, 4)
    assert set(tokenizer.all_special_ids) == {0, 1, 2, 3, 4}
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path)("the cat sat")["input_ids"] == ids


@pytest.mark.parametrize("text", ["Привет, мир", "你好世界", "مرحبا", "🙂 naïve — Ω", "x" * 50])
def test_any_script_comes_back(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    (row,) = tokenise(tokenizer, [("u", text)], 500)
    assert 3 not in row
    assert tokenizer.decode(row, skip_special_tokens=True) == text


def test_texts_too_long_are_all_named() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    texts = [("fine", "the cat"), ("long", "cat " * 100), ("longer", "dog " * 10_000)]
    with pytest.raises(CorpusError, match=r"at most 20 tokens.*long \(100 words.*longer \(10000"):
        tokenise(tokenizer, texts, 20)
    assert tokenise(tokenizer, [], 20) == []


def test_a_text_that_is_cut_keeps_its_closing_token() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    (row,) = tokenise(tokenizer, [("long", "cat " * 100)], None)
    cut = shortened(row, 20)
    assert (len(cut), cut[0], cut[-1]) == (20, 0, 2)
    assert (cut[:19] == row[:19]).all()
    assert shortened(cut, 20) is cut


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no tokenizer can be loaded"):
        load_tokenizer(tmp_path)


def test_a_bare_vocabulary_with_merges_is_a_tokenizer(tmp_path: Path) -> None:
    trained = train_tokenizer(["a good day", "a bad night"] * 9, 300)
    trained.backend_tokenizer.model.save(str(tmp_path))
    bare = load_tokenizer(tmp_path)
    assert bare("a good day")["input_ids"] == trained("a good day")["input_ids"]
    assert (bare.mask_token_id, len(bare)) == (4, len(trained))
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    del vocabulary["<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(CheckpointError, match="RoBERTa's special tokens, found no <mask>"):
        load_tokenizer(tmp_path)
    (tmp_path / "merges.txt").write_text("no such merge\n")
    with pytest.raises(CheckpointError, match="no byte-level BPE"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_may_read_words_without_case() -> None:
    texts = ["a good day", "a bad night"] * 9
    as_coded = with_reading(train_tokenizer(texts, 300), "plain")
    plain = train_tokenizer(texts, 300)
    assert as_coded(" A GOOD, day!?")["input_ids"] == plain("a good day")["input_ids"]
    plain.backend_tokenizer.normalizer = Lowercase()
    assert with_reading(plain, "plain").backend_tokenizer.normalizer.normalize_str("X.") == "x."


@pytest.mark.parametrize("reading,same", [("as-written", False), ("lower", False), ("plain", True)])
def test_a_corpus_in_capitals_and_one_in_sentences_give_the_same_tokens(
    reading: str, same: bool
) -> None:
    """LibriSpeech is written in capitals, IEMOCAP in sentences."""
    tokenizer = train_tokenizer(["HE HOPED THERE WOULD BE STEW"] * 20, 300, reading)
    capitals, sentence = (tokenizer(t)["input_ids"] for t in ("HE HOPED", "He hoped."))
    assert (capitals == sentence) is same
    assert len(capitals) < 6
    assert (tokenizer("he hoped")["input_ids"] == capitals) is (reading != "as-written")
