"""Sentences made of templates and a lexicon: what the words of twokey say."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

import numpy as np

from crosstone.data.corpora.twokey.law import VALENCES
from crosstone.data.corpora.twokey.lexicon import (
    ADJECTIVES,
    PEOPLE,
    TEMPLATES,
    THINGS,
    TIMES,
    VERBS,
)
from crosstone.errors import CorpusError


@dataclass(frozen=True)
class Sentence:
    """One sentence and what it says."""

    text: str
    valence: int
    """0 negative, 1 neutral, 2 positive."""
    strength: float
    """How strongly it praises or blames, 0 to 2.5."""


class SentenceMill:
    """Distinct sentences, as many as are asked for: none is given twice."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._given: set[str] = set()
        self._left = [capacity(valence) // 8 for valence in range(len(VALENCES))]

    def make(self, valence: int, count: int) -> tuple[Sentence, ...]:
        """`count` new sentences of one valence.

        Raises CorpusError beyond an eighth of all that the templates hold: short templates would
        run dry, and the rest would no longer look like the first.
        """
        if count > self._left[valence]:
            raise CorpusError(
                f"twokey: expected at most {self._left[valence]} more {VALENCES[valence]} "
                f"sentences, found {count} asked for; lower text_only"
            )
        self._left[valence] -= count
        words = {slot: tuple(known.items()) for slot, known in slot_words(valence).items()}
        made: list[Sentence] = []
        while len(made) < count:
            template = TEMPLATES[self._rng.integers(len(TEMPLATES))]
            chosen = {
                slot: words[slot][self._rng.integers(len(words[slot]))]
                for slot in slots_of(template)
            }
            text = template.format_map({slot: word for slot, (word, _) in chosen.items()})
            if text not in self._given:
                self._given.add(text)
                strengths = [value for _, value in chosen.values() if value]
                made.append(Sentence(text, valence, sum(strengths) / max(1, len(strengths))))
        return tuple(made)


def slots_of(template: str) -> tuple[str, ...]:
    """The names of the slots of a template, in order."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name)


def slot_words(valence: int) -> Mapping[str, Mapping[str, float]]:
    """For each slot its words and their strength."""
    adjectives = ADJECTIVES[valence]
    return {
        "adjective": adjectives,
        "an_adjective": {_with_article(word): value for word, value in adjectives.items()},
        "verb": VERBS[valence],
        "thing": dict.fromkeys(THINGS, 0.0),
        "person": dict.fromkeys(PEOPLE, 0.0),
        "time": dict.fromkeys(TIMES, 0.0),
    }


def capacity(valence: int) -> int:
    """How many distinct sentences of one valence there are."""
    words = slot_words(valence)
    total = 0
    for template in TEMPLATES:
        number = 1
        for slot in slots_of(template):
            number *= len(words[slot])
        total += number
    return total


def _with_article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
