"""What an utterance is taken apart into, and what each part did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.batch import Item
from crosstone.errors import CrosstoneError
from crosstone.inference.explain.gradients import Gradients
from crosstone.inference.explain.occlusion import Losses
from crosstone.inference.explain.quantity import Floats
from crosstone.inference.explain.words import Word, with_times, words_of
from crosstone.inference.transcripts import Cue

WINDOW_SECONDS = 0.2
MOST_STRETCHES = 100
"""Where nobody says how long a stretch is."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What words and stretches did, by both ways."""

    words: Losses
    stretches: Losses
    gradients: Gradients
    word_gradients: Floats
    """(W,)"""
    stretch_gradients: Floats
    """(S,)"""

    def effects(self) -> dict[str, Floats]:
        """By what is explained and how."""
        return {
            "words.occlusion": self.words.effect,
            "words.gradients": self.word_gradients,
            "stretches.occlusion": self.stretches.effect,
            "stretches.gradients": self.stretch_gradients,
        }


def words_in(tokenizer: Any, item: Item, text: str | None, cues: Sequence[Cue]) -> list[Word]:
    """The words of an item, with the times of its cues; CrosstoneError where those say others."""
    said = " ".join(" ".join(cue.text.split()) for cue in cues)
    if cues and text is not None and said != text:
        raise CrosstoneError(
            "explain: expected cues that say the words of the text, found other words "
            f"({said[:40]!r}… for {text[:40]!r}…); give the cues alone"
        )
    if item.text is None or text is None:
        return []
    return with_times(words_of(tokenizer, text, len(item.text)), cues)


def edges_of(item: Item, sampling_rate: int, window: float | None) -> NDArray[np.int64]:
    """Samples where stretches of equal length begin and end, (S + 1,); (1,) without sound."""
    if item.audio is None:
        return np.zeros(1, np.int64)
    seconds = len(item.audio) / sampling_rate
    window = window or max(WINDOW_SECONDS, seconds / MOST_STRETCHES)
    stretches = max(1, round(seconds / window))
    edges: NDArray[np.int64] = np.linspace(0, len(item.audio), stretches + 1).round().astype(int)
    return edges
