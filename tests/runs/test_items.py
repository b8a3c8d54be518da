"""What is measured on the items that train."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from calls import RATE, syllables

from crosstone.data.batch import Items
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.runs.items import pauses_in


def corpus_of(folder: Path, pauses: list[tuple[float, float] | None]) -> Corpus:
    """A clip of speech between pauses of so many seconds each, without a recording where None."""
    rng = np.random.default_rng(0)
    utterances = []
    for i, pause in enumerate(pauses):
        if pause is not None:
            quiet = [rng.normal(0, 1e-4, round(RATE * seconds)) for seconds in pause]
            samples = np.concatenate([quiet[0], syllables("tense", 1.0, rng), quiet[1]])
            soundfile.write(folder / f"{i}.wav", samples, RATE)
        audio = None if pause is None else f"{i}.wav"
        utterances.append(Utterance(id=f"u{i}", audio=audio, text="words", speaker="s", group="g"))
    source = Source(url="", version="", licence="", citation="")
    Corpus.write(folder, name="clips", root=folder, source=source, utterances=utterances)
    return Corpus.open(folder)


def test_pauses_are_medians_over_recordings(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [(0.5, 0.3), None, (0.9, 0.3), (1.0, 2.0)])
    kept = [i for i, utterance in enumerate(corpus) if utterance.audio is not None]
    items = Items(corpus.select(np.array(kept)))
    assert pauses_in(items) == pytest.approx([0.9, 0.3], abs=0.05)


def test_without_recordings_there_are_none(tmp_path: Path) -> None:
    items = Items(corpus_of(tmp_path, [(0.5, 0.3)]))
    items.hears = False
    assert pauses_in(items) is None
