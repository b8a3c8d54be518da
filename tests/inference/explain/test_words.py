"""Tokens become words, and words of cues get their times."""

from typing import Any

import numpy as np
import pytest

from crosstone.data.text import train_tokenizer
from crosstone.errors import CrosstoneError
from crosstone.inference.explain.words import token_mask, with_times, words_of
from crosstone.inference.transcripts import Cue


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(["the day was good"] * 5 + ["我们很高兴"] * 5, 290)


def test_every_token_is_of_one_word_and_special_ones_of_none(tokenizer: Any) -> None:
    text = "the day was unbelievable , really"
    ids = tokenizer(text)["input_ids"]
    words = words_of(tokenizer, text, len(ids))
    assert [w.text for w in words] == text.split()
    assert len(words[3].tokens) > 3
    assert sorted(t for w in words for t in w.tokens) == list(range(1, len(ids) - 1))
    for word in words:
        said = tokenizer.decode([ids[t] for t in word.tokens]).strip()
        assert said == word.text == text[word.begin : word.end]
    mask = token_mask(words, len(ids))
    assert mask.shape == (6, len(ids))
    assert np.array_equal(mask.sum(0), [0, *[1] * (len(ids) - 2), 0])


def test_words_that_share_a_token_are_one(tokenizer: Any) -> None:
    text = "我们很高兴 good"
    words = words_of(tokenizer, text, len(tokenizer(text)["input_ids"]))
    assert "".join(w.text for w in words) == text.replace(" ", "")
    assert words[-1].text == "good"
    held = [t for w in words for t in w.tokens]
    assert len(held) == len(set(held))


def test_words_that_were_cut_have_no_tokens(tokenizer: Any) -> None:
    words = words_of(tokenizer, "the day was good", 4)
    assert [len(w.tokens) > 0 for w in words] == [True, True, False, False]
    assert max(t for w in words for t in w.tokens) == 2


def test_words_of_a_cue_are_spoken_evenly_over_it(tokenizer: Any) -> None:
    words = words_of(tokenizer, "the day was good", 6)
    cues = [Cue(1.0, 2.0, "the day"), Cue(3.0, 4.5, "was")]
    timed = with_times(words, cues)
    assert [w.time for w in timed] == [(1.0, 1.5), (1.5, 2.0), (3.0, 4.5), None]


def test_a_tokenizer_without_places_is_refused() -> None:
    with pytest.raises(CrosstoneError, match="expected a tokenizer that says where its tokens"):
        words_of(object(), "the day", 4)
