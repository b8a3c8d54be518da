"""The words of a text, the tokens that stand for each, and when each is said."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CrosstoneError
from crosstone.inference.transcripts import Cue

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Signs of scripts without blanks, each of which is a word until a token holds several."""
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Word:
    """A word, and its places among the tokens of its text."""

    text: str
    tokens: tuple[int, ...]
    """None where the tokenizer leaves it out, or where the text was cut before it."""
    begin: int
    end: int
    """Where it stands in the text, in letters."""
    time: tuple[float, float] | None = None
    """From when to when it is said, in seconds; None where nobody says so."""


def words_of(tokenizer: Any, text: str, num_tokens: int) -> list[Word]:
    """The words of a text, in order; special tokens belong to none.

    num_tokens: those that the model reads; of more, the last before the closing token are cut.
    Words that share a token are one. Raises CrosstoneError for a tokenizer that does not say where
    its tokens stand.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise CrosstoneError(
            "explain: expected a tokenizer that says where its tokens stand in the text, found "
            f"{type(tokenizer).__name__}; save the model with the fast one (tokenizer.json)"
        )
    coded = tokenizer(
        text,
        truncation=False,
        verbose=False,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    spans: list[tuple[int, int]] = coded["offset_mapping"]
    special: list[int] = coded["special_tokens_mask"]
    if len(spans) > num_tokens:
        spans, special = spans[: num_tokens - 1], special[: num_tokens - 1]
    found = [Word(m.group(), (), *m.span()) for m in _WORD.finditer(text)]
    for place, ((begin, end), is_special) in enumerate(zip(spans, special, strict=True)):
        if is_special:
            continue
        touched = [i for i, w in enumerate(found) if w.begin < end and begin < w.end]
        if not touched:  # a blank of its own stands before its word
            touched = [i for i, w in enumerate(found) if w.begin >= begin][:1] or [len(found) - 1]
        first, last = found[touched[0]], found[touched[-1]]
        both = tuple(sorted({place, *(t for i in touched for t in found[i].tokens)}))
        joined = Word(text[first.begin : last.end], both, first.begin, last.end)
        found[touched[0] : touched[-1] + 1] = [joined]
    return found


def with_times(words: Sequence[Word], cues: Sequence[Cue]) -> list[Word]:
    """The words of the text that the cues say together, with the times they are said at.

    Words of one cue are taken to be spoken evenly over it, as in `words_within`. A word of which
    no letter stands in the cues has none.
    """
    timed: list[tuple[int, int, float, float]] = []
    place = 0
    for cue in cues:
        said = cue.text.split()
        step = (cue.end - cue.start) / len(said)
        for i, letters in enumerate(said):
            at = cue.start + i * step
            timed.append((place, place + len(letters), at, at + step))
            place += len(letters) + 1
    out = []
    for word in words:
        over = [t for t in timed if t[0] < word.end and word.begin < t[1]]
        out.append(replace(word, time=(over[0][2], over[-1][3]) if over else None))
    return out


def token_mask(words: Sequence[Word], num_tokens: int) -> Mask:
    """(W, T) True where a token is of a word."""
    mask = np.zeros((len(words), num_tokens), bool)
    for row, word in zip(mask, words, strict=True):
        row[list(word.tokens)] = True
    return mask


def mask_token_of(tokenizer: Any) -> tuple[int, str]:
    """Number and name of what stands for a masked word: the mask token, of a tokenizer without one
    that of padding."""
    if tokenizer is None:
        return 0, ""
    if tokenizer.mask_token_id is not None:
        return int(tokenizer.mask_token_id), str(tokenizer.mask_token)
    return int(tokenizer.pad_token_id), str(tokenizer.pad_token)
