"""The laws of twokey: how two keys make an emotion, and how each key shows itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

EMOTIONS = ("angry", "happy", "neutral", "sad")
VALENCES = ("negative", "neutral", "positive")
DELIVERIES = ("low", "middle", "high")

STEPS = np.arange(-8, 9)
"""The grid on which every cue of the delivery lies."""
LEVEL_STEPS = (-4, 0, 4)
"""Where low, middle and high lie on the grid."""


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One way in which the delivery can be heard."""

    name: str
    spread: float
    """Standard deviation around the level, in steps; the levels lie four steps apart."""

    def probabilities(self) -> NDArray[np.float64]:
        """(3, 17) probability of each step at low, middle and high delivery: a normal curve,
        taken at the steps and summed to one."""
        distance = (STEPS[None, :] - np.array(LEVEL_STEPS)[:, None]) / self.spread
        curve = np.exp(-0.5 * distance**2)
        total: NDArray[np.float64] = curve / curve.sum(1, keepdims=True)
        return total


CUES = (
    Cue(name="rate", spread=4 / 16.0**0.5),
    Cue(name="range", spread=4 / 6.0**0.5),
    Cue(name="pitch", spread=4 / 4.0**0.5),
)
"""Rate first, pitch last: a stranger's rate can be heard at once, the height of a voice means
little before one knows the speaker."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """A table from two keys to an emotion, and how often a key is blurred."""

    name: str
    table: tuple[tuple[str, str, str], tuple[str, str, str], tuple[str, str, str]]
    """Rows: negative, neutral, positive words; columns: low, middle, high delivery."""
    blur: float = 0.066
    """The share of utterances whose words, and the share whose delivery, show a level drawn
    blindly instead of the key."""

    def cells(self, emotion: str) -> tuple[tuple[int, int], ...]:
        """The (valence, delivery) pairs that mean this emotion, all equally likely."""
        return tuple(
            (valence, delivery)
            for valence, row in enumerate(self.table)
            for delivery, meant in enumerate(row)
            if meant == emotion
        )

    def key_probabilities(self) -> NDArray[np.float64]:
        """(emotion, valence, delivery) probabilities: the four emotions are equally likely."""
        probabilities = np.zeros((len(EMOTIONS), len(VALENCES), len(DELIVERIES)))
        for index, emotion in enumerate(EMOTIONS):
            cells = self.cells(emotion)
            for valence, delivery in cells:
                probabilities[index, valence, delivery] = 1 / len(EMOTIONS) / len(cells)
        return probabilities

    def channel(self) -> NDArray[np.float64]:
        """(key, shown) probability of the level that is shown, for words and delivery alike."""
        levels = len(VALENCES)
        channel: NDArray[np.float64] = (1 - self.blur) * np.eye(levels) + self.blur / levels
        return channel


LAWS: Mapping[str, Law] = MappingProxyType(
    {
        "interplay": Law(
            name="interplay",
            table=(
                ("neutral", "sad", "angry"),
                ("sad", "neutral", "happy"),
                ("angry", "happy", "neutral"),
            ),
        ),
        "quadrants": Law(
            name="quadrants",
            table=(
                ("sad", "sad", "angry"),
                ("sad", "neutral", "happy"),
                ("neutral", "happy", "happy"),
            ),
        ),
    }
)
"""interplay: the emotion is the unordered pair of the two levels, all equal pairs pooled, so that
what either key means is decided by the other. Of all tables from three by three levels to four
balanced emotions none leaves the best additive listener less (5/6 of the utterances without blur).
quadrants: the circumplex of valence and arousal, which an additive listener reads in full."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One utterance before it has a speaker and a sentence."""

    emotion: str
    valence: int
    """The key: 0 negative, 1 neutral, 2 positive."""
    delivery: int
    """The key: 0 low, 1 middle, 2 high."""
    shown_valence: int
    """What the words will say; differs from the key only in a blurred utterance."""
    steps: tuple[int, ...]
    """Where each of CUES lies on STEPS."""


def draw_utterances(
    law: Law, emotions: Sequence[str], rng: np.random.Generator
) -> tuple[Draw, ...]:
    """One draw from the law for each emotion."""
    channel = law.channel()
    curves = [cue.probabilities() for cue in CUES]
    cells = {emotion: law.cells(emotion) for emotion in EMOTIONS}
    draws = []
    for emotion in emotions:
        valence, delivery = cells[emotion][rng.integers(len(cells[emotion]))]
        shown_valence = _draw_index(channel[valence], rng)
        shown_delivery = _draw_index(channel[delivery], rng)
        steps = tuple(int(STEPS[_draw_index(curve[shown_delivery], rng)]) for curve in curves)
        draws.append(
            Draw(
                emotion=emotion,
                valence=valence,
                delivery=delivery,
                shown_valence=shown_valence,
                steps=steps,
            )
        )
    return tuple(draws)


def _draw_index(probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    drawn = np.searchsorted(np.cumsum(probabilities), rng.random(), side="right")
    return min(int(drawn), len(probabilities) - 1)
