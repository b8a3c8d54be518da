"""Words of cues fall to the segments in which they are spoken."""

from collections.abc import Iterator

import numpy as np
import pytest

from crosstone.inference.captions import HELD_SECONDS, with_words
from crosstone.inference.segments import Kind, Segment
from crosstone.inference.transcripts import Cue

NOTHING = np.zeros(0, np.float32)


def said(kind: Kind, cues: list[Cue], *spans: tuple[float, float]) -> list[str | None]:
    segments = (Segment(start, end, NOTHING) for start, end in spans)
    found = list(with_words(segments, kind, cues))
    assert [(segment.start, segment.end) for segment in found] == list(spans)
    return [segment.text for segment in found]


def test_words_are_spoken_where_there_is_speech() -> None:
    """Two words a second of speech: 1 s before a pause of 6 s, 3 s after it."""
    cues = [Cue(0, 10, "a b c d e f g h")]
    assert said("vad", cues, (0, 1), (7, 10)) == ["a b", "c d e f g h"]
    assert said("vad", cues, (0, 10)) == ["a b c d e f g h"]
    assert said("vad", cues, (-1, 1), (7, 12)) == ["a b", "c d e f g h"]


def test_no_word_is_lost_or_said_twice() -> None:
    cues = [Cue(0, 4, "a b c d"), Cue(4.5, 4.9, "in a pause"), Cue(8, 9, "e"), Cue(8.5, 12, "f g")]
    spans = [(0.2, 2.0), (3.2, 4.4), (6.0, 9.0), (10.0, 10.5)]
    assert said("vad", cues, *spans) == ["a b c", "d", "in a pause e f", "g"]
    rng = np.random.default_rng(0)
    for _ in range(50):
        edges = np.sort(rng.uniform(0, 300, 80)).reshape(-1, 2)
        starts = np.sort(rng.uniform(0, edges[-1, 0], 20))
        many = [
            Cue(start, start + rng.uniform(0.5, 90), " ".join(f"{i}.{k}" for k in range(7)))
            for i, start in enumerate(starts)
        ]
        words = " ".join(filter(None, said("vad", many, *map(tuple, edges)))).split()
        assert len(words) == len(set(words))
        own = [[w for w in words if w.startswith(f"{i}.")] for i in range(20)]
        before = [cue.text.split()[: len(o)] for cue, o in zip(many, own, strict=True)]
        assert own == before  # in their order, none left out between
        assert all(len(o) == 7 for o, cue in zip(own, many, strict=True) if cue.end < edges[-1, 0])


def test_windows_divide_a_cue_by_time_and_cues_keep_their_own() -> None:
    cues = [Cue(0, 4, "a b c d"), Cue(3, 5, "e")]
    assert said("fixed", cues, (0, 2), (2, 4), (4, 6)) == ["a b", "c d", "e"]
    assert said("fixed", cues, (0, 4), (2, 6)) == ["a b c d", "c d e"]
    assert said("transcript", cues, (0, 4), (3, 5)) == ["a b c d", "e"]
    assert said("vad", [Cue(5, 6, "later")], (0, 4)) == [None]


def test_segments_wait_for_their_words_and_no_longer() -> None:
    """A cue of 300 s is divided by its speech within a minute, and by its time after that."""
    asked = 0

    def segments() -> Iterator[Segment]:
        nonlocal asked
        for asked in range(30):
            yield Segment(10.0 * asked, 10.0 * asked + 5, NOTHING)

    words = [f"{i}" for i in range(100)]
    found = []
    for segment in with_words(segments(), "vad", [Cue(0, 300, " ".join(words))]):
        found += (segment.text or "").split()
        assert 10.0 * asked - segment.start <= HELD_SECONDS
    assert found == words
    short = [Cue(10.0 * i, 10.0 * i + 5, "x") for i in range(30)]
    for segment in with_words(segments(), "vad", short):
        assert segment.text == "x"
        assert 10.0 * asked == pytest.approx(segment.start)
