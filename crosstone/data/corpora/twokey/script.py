"""The script of twokey: who says which sentence how, before anything is spoken."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import numpy as np

from crosstone.data.corpora.twokey.law import (
    CUES,
    DELIVERIES,
    EMOTIONS,
    VALENCES,
    Draw,
    Law,
    draw_utterances,
)
from crosstone.data.corpora.twokey.text import Sentence, SentenceMill
from crosstone.data.corpora.twokey.voices import Speaker, cast_speakers
from crosstone.errors import CorpusError

COMMON_SENTENCES = 100
"""Sentences of one valence that every session may say."""
OWN_SENTENCES = 40
"""Sentences of one valence that only one session may say; half of its utterances do."""
UNLABELLED_SENTENCES = 400
"""Sentences of one valence that only the unlabelled part says."""

MIDDLE_RATE, RATE_STEP = 172, 1.065
"""Words a minute, and the factor of one step: 104 to 285."""
MIDDLE_RANGE, RANGE_STEP = 50, 6
"""eSpeak's scale, where 0 is monotone and 50 usual: 2 to 98."""
PITCH_STEP = 4
"""eSpeak's scale: the speaker's base and up to 32 units above or below."""

INTENSITY = (0.8, 1.0, 1.2)
"""What low, middle and high delivery make of the words' strength."""
SCATTER = 0.25
"""Standard deviation of the sentiment around what the keys say."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the synthesiser is asked for."""

    text: str
    voice: str
    rate: int
    """Words a minute."""
    range: int
    """eSpeak's scale, 0 to 100."""
    pitch: int
    """eSpeak's scale, 0 to 100."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One utterance of the script."""

    split: str
    """labelled, unlabelled or text"""
    sentence: Sentence
    speaker: Speaker | None = None
    line: Line | None = None
    labels: Mapping[str, str | float] = field(default_factory=dict)


def write_script(
    law: Law,
    *,
    seed: int,
    labelled: int,
    unlabelled: int,
    text_only: int,
    speakers: int,
    unlabelled_speakers: int,
) -> tuple[Entry, ...]:
    """The whole corpus on paper; the same arguments give the same script.

    Raises CorpusError where a count does not fit.
    """
    _check_counts(seed, labelled, unlabelled, text_only, speakers, unlabelled_speakers)
    words, keys = (np.random.default_rng([seed, stream]) for stream in (1, 2))
    cast, strangers = cast_of(seed, speakers, unlabelled_speakers)
    mill = SentenceMill(words)
    common = _make_pool(mill, COMMON_SENTENCES)
    own = {group: _make_pool(mill, OWN_SENTENCES) for group in sorted({s.group for s in cast})}
    others = _make_pool(mill, UNLABELLED_SENTENCES)
    entries: list[Entry] = []
    for speaker, emotions in _shares(cast, labelled, keys):
        for draw in draw_utterances(law, emotions, keys):
            pool = (common, own[speaker.group])[keys.integers(2)][draw.shown_valence]
            sentence = pool[keys.integers(len(pool))]
            labels = _key_labels(draw) | {
                "emotion": draw.emotion,
                "sentiment": _sentiment(draw, sentence, keys),
            }
            entries.append(_entry("labelled", speaker, sentence, draw, labels))
    for speaker, emotions in _shares(strangers, unlabelled, keys):
        for draw in draw_utterances(law, emotions, keys):
            pool = others[draw.shown_valence]
            sentence = pool[keys.integers(len(pool))]
            entries.append(_entry("unlabelled", speaker, sentence, draw, _key_labels(draw)))
    for valence in range(len(VALENCES)):
        count = len(range(valence, text_only, len(VALENCES)))
        entries += [Entry(split="text", sentence=made) for made in mill.make(valence, count)]
    return tuple(entries)


def cast_of(
    seed: int, speakers: int, unlabelled_speakers: int
) -> tuple[tuple[Speaker, ...], tuple[Speaker, ...]]:
    """The labelled speakers of a script, session by session, and the unlabelled ones."""
    return cast_speakers(speakers, unlabelled_speakers, np.random.default_rng([seed, 0]))


def _check_counts(
    seed: int,
    labelled: int,
    unlabelled: int,
    text_only: int,
    speakers: int,
    unlabelled_speakers: int,
) -> None:
    faults = [
        f"{name} at least {least}, found {count}"
        for name, count, least in (
            ("seed", seed, 0),
            ("labelled", labelled, speakers),
            ("unlabelled", unlabelled, 0),
            ("text_only", text_only, 0),
            ("unlabelled_speakers", unlabelled_speakers, int(unlabelled > 0)),
        )
        if count < least
    ]
    if faults:
        raise CorpusError(
            f"twokey: expected {'; '.join(faults)} (each of the {speakers} speakers says something)"
        )


def _make_pool(mill: SentenceMill, count: int) -> tuple[tuple[Sentence, ...], ...]:
    """`count` sentences of each valence."""
    return tuple(mill.make(valence, count) for valence in range(len(VALENCES)))


def _shares(
    cast: Sequence[Speaker], count: int, rng: np.random.Generator
) -> Iterator[tuple[Speaker, list[str]]]:
    """The emotions of each speaker, shuffled: as many of each, give or take one, for every
    speaker, in every session and in all; and as many for every speaker."""
    emotions = cycle(EMOTIONS)
    for number, speaker in enumerate(cast):
        own = count * (number + 1) // len(cast) - count * number // len(cast)
        shares = list(islice(emotions, own))
        yield speaker, [shares[index] for index in rng.permutation(own)]


def _key_labels(draw: Draw) -> dict[str, str | float]:
    return {
        "valence_key": VALENCES[draw.valence],
        "delivery_key": DELIVERIES[draw.delivery],
    }


def _sentiment(draw: Draw, sentence: Sentence, rng: np.random.Generator) -> float:
    """Between -3 and 3 in steps of 0.2, like the mean of five raters.

    The valence key gives the sign, the words' strength (1.7 where they show another level) and
    the delivery key the size; a neutral key is 0; all of it scattered.
    """
    strength = sentence.strength if draw.shown_valence == draw.valence else 1.7
    meant = (draw.valence - 1) * strength * INTENSITY[draw.delivery]
    rated = float(np.clip(meant + rng.normal(0.0, SCATTER), -3.0, 3.0))
    return round(rated * 5) / 5 + 0.0  # never -0.0


def _entry(
    split: str,
    speaker: Speaker,
    sentence: Sentence,
    draw: Draw,
    labels: Mapping[str, str | float],
) -> Entry:
    step = dict(zip((cue.name for cue in CUES), draw.steps, strict=True))
    line = Line(
        text=sentence.text,
        voice=speaker.voice,
        rate=round(MIDDLE_RATE * RATE_STEP ** step["rate"]),
        range=MIDDLE_RANGE + RANGE_STEP * step["range"],
        pitch=speaker.pitch + PITCH_STEP * step["pitch"],
    )
    return Entry(split=split, sentence=sentence, speaker=speaker, line=line, labels=labels)
