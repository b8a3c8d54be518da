"""Words as a recogniser might mishear them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SUBSTITUTED, DELETED = 0.6, 0.2
"""Shares of the errors; the rest are insertions. Our choice: in most recognisers the first lead."""


def misheard(
    words: Sequence[str], rate: float, spoken: Sequence[str], rng: np.random.Generator
) -> list[str]:
    """The words with an error at each with probability `rate`; never none where there was one.

    spoken: the running words of a corpus, of which substitutes and insertions are drawn, so that
    frequent ones are. With the same rng the errors at a lower rate are among those at a higher one.
    """
    out: list[str] = []
    for word in words:
        error, kind = rng.random(2)
        other = _other(word, spoken, int(rng.integers(len(spoken))))
        if error >= rate:
            out.append(word)
        elif kind < SUBSTITUTED:
            out.append(other)
        elif kind >= SUBSTITUTED + DELETED:
            out += [word, other]
    return out or list(words[:1])


def word_errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest substitutions, deletions and insertions from the one to the other."""
    names = {word: i for i, word in enumerate(dict.fromkeys([*reference, *heard]))}
    column = np.array([names[word] for word in heard], np.int64)
    places = np.arange(len(heard) + 1)
    row: NDArray[np.int64] = places.copy()
    for count, word in enumerate(reference, 1):
        without = np.minimum(row[1:] + 1, row[:-1] + (column != names[word]))
        # an insertion costs one a place: the least of what stands before, each brought here
        row = np.minimum.accumulate(np.concatenate([[count], without]) - places) + places
    return int(row[-1])


def _other(word: str, spoken: Sequence[str], place: int) -> str:
    """The first from there on that is another word; the word itself where there is none."""
    for step in range(len(spoken)):
        found = spoken[(place + step) % len(spoken)]
        if found.casefold() != word.casefold():
            return found
    return word
