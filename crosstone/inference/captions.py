"""The words of a transcript's cues, divided among the segments of its recording."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import inf

from crosstone.inference.segments import Kind, Segment
from crosstone.inference.transcripts import Cue, words_within

HELD_SECONDS = 60.0
"""From the first segment that waits for its words to the last; it waits no longer then."""


def with_words(segments: Iterator[Segment], kind: Kind, cues: Sequence[Cue]) -> Iterator[Segment]:
    """The same segments, in order, each with what is said in it.

    A cue that made a segment says its own words. Else the words of a cue are taken to be spoken
    evenly: in windows over its time, in stretches of speech over the speech in it, for which a
    stretch waits. Words of a cue without speech belong to the stretch after it.
    """
    if kind == "transcript":
        for segment, cue in zip(segments, cues, strict=True):
            yield replace(segment, text=cue.text)
    elif kind == "fixed":
        for segment in segments:
            yield replace(segment, text=words_within(cues, segment.start, segment.end))
    else:
        yield from _divided(segments, cues)


def _divided(segments: Iterator[Segment], cues: Sequence[Cue]) -> Iterator[Segment]:
    shares = _Shares(cues)
    waiting: deque[Segment] = deque()
    for segment in segments:
        waiting.append(segment)
        shares.spoken.append((segment.start, segment.end))
        while waiting and (
            shares.ends_before(segment.end, waiting[0].end)
            or segment.end - waiting[0].start > HELD_SECONDS
        ):
            yield shares.give(waiting.popleft(), known=segment.end)
    while waiting:
        yield shares.give(waiting.popleft(), known=inf)


@dataclass
class _Said:
    """A cue, its words, and how many of them have been given to segments."""

    cue: Cue
    words: list[str]
    given: int = 0


class _Shares:
    """Which words of each cue belong to which stretch of speech, asked in their order."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self._left = [_Said(cue, cue.text.split()) for cue in cues]
        self.spoken: list[tuple[float, float]] = []
        """Stretches that have come, as far as a cue with words left may overlap them; seconds."""

    def ends_before(self, known: float, end: float) -> bool:
        """Whether all cues that begin before `end` end where the speech is known."""
        return all(said.cue.end <= known for said in self._begun(end))

    def give(self, segment: Segment, *, known: float) -> Segment:
        """A segment with its words; known: until when speech was looked for."""
        text: list[str] = []
        begun = self._begun(segment.end)
        for said in begun:
            count = len(said.words)
            if said.cue.end > segment.start:
                count = self._share(said, segment.end, known)
            text += said.words[said.given : count]
            said.given = max(said.given, count)
        self._left[: len(begun)] = [said for said in begun if said.given < len(said.words)]
        begin = self._left[0].cue.start if self._left else inf
        self.spoken = [span for span in self.spoken if span[1] > begin]
        return replace(segment, text=" ".join(text) or None)

    def _begun(self, end: float) -> list[_Said]:
        return list(takewhile(lambda said: said.cue.start < end, self._left))

    def _share(self, said: _Said, end: float, known: float) -> int:
        """How many words of a cue are spoken before `end`, by its speech, or by its time where
        that is not known yet."""
        cue, count = said.cue, len(said.words)
        spans = [(max(s, cue.start), min(e, cue.end)) for s, e in self.spoken]
        spoken = sum(e - s for s, e in spans if e > s)
        before = sum(e - s for s, e in spans if e > s and s < end)
        spoken += max(0.0, cue.end - max(known, cue.start))
        return sum((i + 0.5) / count * spoken < before for i in range(count))
