"""What utterances share that no fold should: sound, words, stretches of a recording, people."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

from crosstone.data.corpus import Corpus
from crosstone.data.faults.fault import WHOLE_CORPUS, Fault
from crosstone.data.faults.repeats import Repeat, Repeats
from crosstone.data.faults.stretches import Stretches, Units
from crosstone.data.utterance import Utterance

MIN_WORDS = 3
"""Shorter texts ("yes", "I know") come again in any conversation."""
NUM_LISTED = 10
NUM_NAMED = 5


class Meetings:
    """Gathers, in some 80 bytes for each utterance, what would tell a fold about another."""

    def __init__(self) -> None:
        self._sounds, self._texts = Repeats(), Repeats()
        self._stretches, self._units = Stretches(), Units()
        self._overlaps: list[tuple[int, int, float]] | None = None
        self._said: list[Repeat] | None = None

    def add(self, row: int, utterance: Utterance, digest: int | None) -> None:
        """Take in the utterance in this row; digest: that of its samples, where it was heard."""
        if digest is not None:
            self._sounds.add(row, digest, utterance.group)
        if utterance.text is not None:
            words = utterance.text.casefold().split()
            if len(words) >= MIN_WORDS:
                self._texts.add(row, hash(" ".join(words)), utterance.group)
        self._stretches.add(row, utterance)
        self._units.add(utterance)

    @property
    def num_recordings(self) -> int:
        """How many files the utterances are in."""
        return self._stretches.num_files

    def faults(self, corpus: Corpus) -> Iterator[Fault]:
        """A warning for each repeated sound, and one for each other kind that was met."""
        for repeat in sorted(self._sounds.found(), key=lambda found: found.rows[1]):
            first = corpus[repeat.rows[0]]
            for row in repeat.rows[1:]:
                yield _same_sound(corpus[row], first)
        yield from self._repeated_texts(corpus)
        yield from self._overlapping(corpus)
        for kind, pairs in self._units.shared().items():
            for pair, names in pairs.items():
                more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
                are = f"{kind} is" if len(names) == 1 else f"{kind}s are"
                yield _of_corpus(
                    f"shared-{kind}",
                    f"{len(names)} {are} in both {pair}: {', '.join(names[:NUM_NAMED])}{more}; "
                    "what is learnt of them in one helps in the other",
                )

    def findings(self, corpus: Corpus) -> dict[str, Any]:
        """`repeats`, `overlaps` and `shared`, as JSON."""
        across = self._across()
        return {
            "repeats": {
                "distinct_texts": self._texts.num_keys,
                "texts": len(across),
                "utterances": sum(len(repeat.rows) for repeat in across),
                "listed": [
                    {
                        "text": corpus[repeat.rows[0]].text,
                        "utterances": len(repeat.rows),
                        "groups": repeat.num_groups,
                    }
                    for repeat in across[:NUM_LISTED]
                ],
                "sounds": sum(len(repeat.rows) - 1 for repeat in self._sounds.found()),
            },
            "overlaps": len(self._overlapped()),
            "shared": self._units.shared(),
        }

    def _repeated_texts(self, corpus: Corpus) -> Iterator[Fault]:
        across = self._across()
        if not across:
            return
        first = across[0]
        texts, stand = (
            (f"{len(across)} texts", "stand") if len(across) > 1 else ("1 text", "stands")
        )
        has_groups = any(group is not None for group in corpus.groups)
        where = "in more than one group, in" if has_groups else "more than once, in"
        places = f" in {first.num_groups} groups" if has_groups else ""
        yield _of_corpus(
            "duplicate-text",
            f"{texts} of {MIN_WORDS} words or more {stand} {where} "
            f"{sum(len(repeat.rows) for repeat in across)} of {len(corpus)} utterances; the most "
            f"frequent, '{_short(corpus[first.rows[0]].text or '')}', {len(first.rows)} times"
            f"{places}; a model of words may know them from training",
        )

    def _overlapping(self, corpus: Corpus) -> Iterator[Fault]:
        found = self._overlapped()
        if not found:
            return
        row, before, seconds = max(found, key=lambda overlap: round(overlap[2], 2))
        splits, groups = corpus.splits, corpus.groups
        apart = sum(splits[i] != splits[j] or groups[i] != groups[j] for i, j, _ in found)
        tail = "of them in another group or split" if apart else "all within one group and split"
        yield _of_corpus(
            "overlap",
            f"{len(found)} of {len(corpus)} utterances begin before one before them in the same "
            f"recording has ended, {f'{apart} {tail}' if apart else tail}; the most, "
            f"{f'{seconds:.2f} s' if isfinite(seconds) else 'to the end'}, '{corpus[row].id}' with "
            f"'{corpus[before].id}'",
        )

    def _overlapped(self) -> list[tuple[int, int, float]]:
        if self._overlaps is None:
            self._overlaps = self._stretches.overlaps()
        return self._overlaps

    def _across(self) -> list[Repeat]:
        """The texts that stand in more than one group."""
        if self._said is None:
            self._said = [repeat for repeat in self._texts.found() if repeat.num_groups > 1]
        return self._said


def _same_sound(utterance: Utterance, first: Utterance) -> Fault:
    sentence = f"the same recording, sample for sample, as '{first.id}'"
    if utterance.group != first.group:
        sentence += f", in another group ({first.group or 'none'} and {utterance.group or 'none'})"
    if utterance.group != first.group or utterance.group is None:
        sentence += ", so that folds may train on what they test"
    sentence += "; keep one"
    return Fault(utterance.id, "duplicate-audio", "warning", sentence)


def _of_corpus(kind: str, sentence: str) -> Fault:
    return Fault(WHOLE_CORPUS, kind, "warning", sentence)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
