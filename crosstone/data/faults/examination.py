"""A corpus examined in one pass: what it holds, how it sounds, and every fault."""

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crosstone.data.audio import AudioFault
from crosstone.data.corpus import Corpus
from crosstone.data.faults.fault import WHOLE_CORPUS, Fault
from crosstone.data.faults.histogram import histogram
from crosstone.data.faults.inventory import Inventory
from crosstone.data.faults.meetings import Meetings
from crosstone.data.faults.sound import Sound, hear
from crosstone.data.utterance import Utterance
from crosstone.data.votes import Ballots

MAX_WORDS = 2000
"""More than any utterance: a pasted document."""
MAX_CHARACTERS = 10 * MAX_WORDS
"""The same limit for scripts that put no spaces between words."""
MAX_CLIPPED = 0.001
"""Share of samples at full scale that is more than a few loud peaks."""
MAX_QUIET = 0.95
"""Share of quiet frames beyond which hardly anything is to be heard."""


@dataclass(frozen=True)
class Examination:
    """What an examination found."""

    faults: list[Fault]
    """In the order of the corpus, those of the whole corpus first."""
    findings: dict[str, Any]
    """Counts and histograms, as JSON; see `examine`."""
    digests: NDArray[np.int64]
    """(N,) of the samples of each utterance, `Sound.digest`; 0 where nothing was heard."""


def examine(
    corpus: Corpus,
    *,
    max_seconds: float = 60.0,
    listen: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Examination:
    """Every fault of a corpus and what it holds; each recording is decoded once, by threads.

    listen: False looks only whether the recordings are there. workers: by default one for each
    core. progress: called with how many of how many utterances are done. Findings: `corpus`,
    `hash`, `source`, `counts`, `expected`, `left_out`, `labels`, `speakers`, `groups`, `splits`,
    `per_speaker`, `per_group`, `raters` (target → agreement), `audio`, `text`, `repeats`,
    `overlaps`, `shared`; a histogram has count, min, median, mean, max, edges and counts.
    """
    inventory, sounds, texts, meetings = Inventory(), _Sounds(), _Texts(), Meetings()
    ballots = Ballots()
    twice = {identity: count for identity, count in Counter(corpus.ids).items() if count > 1}
    rows: dict[str, list[int]] = {identity: [] for identity in twice}
    lacking: dict[str, list[str]] = {"audio": [], "text": []}
    faults: list[Fault] = []
    digests = np.zeros(len(corpus), np.int64)

    @lru_cache(maxsize=1024)  # the stretches of a recording stand side by side
    def is_there(audio: str) -> bool:
        return (corpus.root / audio).is_file()

    def attend(utterance: Utterance) -> tuple[Utterance, list[Fault], Sound | None]:
        if listen or utterance.audio is None:
            return utterance, *_attend(corpus, utterance, max_seconds)
        if is_there(utterance.audio):
            return utterance, [], None
        sentence = f"{corpus.root / utterance.audio}: no such file"
        return utterance, [Fault(utterance.id, "missing", "error", sentence)], None

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        attended = (
            result
            for window in _windows(iter(corpus), 256)
            for result in (pool.map if listen else map)(attend, window)
        )
        for row, (utterance, found, sound) in enumerate(attended):
            if utterance.id in twice:
                rows[utterance.id].append(row + 1)
            for modality, ids in lacking.items():
                if getattr(utterance, modality) is None:
                    ids.append(utterance.id)
            inventory.add(utterance)
            ballots.add(utterance)
            meetings.add(row, utterance, None if sound is None else sound.digest)
            faults += texts.add(utterance)
            faults += found
            if sound is not None:
                sounds.add(sound)
                digests[row] = sound.digest
            if progress is not None:
                progress(row + 1, len(corpus))
    faults += [_same_id(identity, places) for identity, places in rows.items()]
    faults += meetings.faults(corpus)
    for modality, ids in lacking.items():
        if len(ids) < len(corpus):
            sentence = (
                f"has no {modality}, unlike {len(corpus) - len(ids)} of {len(corpus)} utterances"
            )
            faults += [Fault(identity, f"no-{modality}", "warning", sentence) for identity in ids]
    counted = inventory.findings()
    expected = corpus.extras.get("expected") if corpus.is_whole else None
    incomplete = inventory.missing(corpus.name, expected or {})
    whole = [Fault(WHOLE_CORPUS, "incomplete", "error", sentence) for sentence in incomplete]
    findings = {
        "corpus": corpus.name,
        "hash": corpus.hash,
        "source": asdict(corpus.source),
        "counts": {
            "utterances": counted.pop("utterances"),
            "with_audio": len(corpus) - len(lacking["audio"]),
            "with_text": len(corpus) - len(lacking["text"]),
            "recordings": meetings.num_recordings,
            "speakers": len(counted["speakers"]),
            "groups": len(counted["groups"]),
        },
        "expected": expected,
        "left_out": corpus.extras.get("left_out", {}),
        **counted,
        "raters": ballots.findings(),
        "audio": sounds.findings(corpus),
        "text": texts.findings(),
        **meetings.findings(corpus),
    }
    return Examination(whole + faults, findings, digests)


def find_faults(
    corpus: Corpus,
    *,
    max_seconds: float = 60.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fault]:
    """Every fault of a corpus, as `examine` finds them."""
    return examine(corpus, max_seconds=max_seconds, workers=workers, progress=progress).faults


LEAST = {"seconds": 0.05, "level": 0.5, "quiet": 0.01}
"""Narrowest bars of the histograms of sound: seconds, dB and a share."""


class _Sounds:
    """Gathers how the utterances sound, in 32 bytes each."""

    def __init__(self) -> None:
        self._rates: Counter[int] = Counter()
        self._channels: Counter[int] = Counter()
        self._measures = {name: array("d") for name in ("seconds", "level", "quiet")}
        self._clipped = 0

    def add(self, sound: Sound) -> None:
        self._rates[sound.sampling_rate] += 1
        self._channels[sound.num_channels] += 1
        self._clipped += sound.clipped > MAX_CLIPPED
        for name, values in self._measures.items():
            values.append(getattr(sound, name))

    def findings(self, corpus: Corpus) -> dict[str, Any]:
        """Where nothing was heard, only the seconds that the corpus knows."""
        measures = {name: np.asarray(values) for name, values in self._measures.items()}
        heard = len(measures["seconds"])
        if not heard:
            known = np.asarray(corpus.durations, np.float64)
            measures["seconds"] = known[np.isfinite(known)]
        return {
            "heard": heard,
            "hours": float(measures["seconds"].sum() / 3600),
            "rates": {str(rate): count for rate, count in sorted(self._rates.items())},
            "channels": {str(number): count for number, count in sorted(self._channels.items())},
            "clipped": self._clipped,
            **{name: histogram(values, LEAST[name]) for name, values in measures.items()},
        }


class _Texts:
    """Gathers how long the transcripts are, in 4 bytes each, and judges each."""

    def __init__(self) -> None:
        self._words = array("i")
        self._empty = 0

    def add(self, utterance: Utterance) -> Iterator[Fault]:
        text = utterance.text
        if text is None:
            return
        num_words = len(text.split())
        self._words.append(num_words)
        if not num_words:
            self._empty += 1
            if utterance.audio is None:
                sentence = (
                    "nothing to hear and no words: expected audio or a transcript; leave it out"
                )
                yield Fault(utterance.id, "no-content", "error", sentence)
            else:
                sentence = "the transcript is empty; leave it absent where it is unknown"
                yield Fault(utterance.id, "empty-text", "warning", sentence)
        if num_words > MAX_WORDS or len(text) > MAX_CHARACTERS:
            sentence = (
                f"the transcript has {num_words} words ({len(text)} characters), expected at most "
                f"{MAX_WORDS} ({MAX_CHARACTERS}); is it one utterance's?"
            )
            yield Fault(utterance.id, "long-text", "error", sentence)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            sentence = (
                "the transcript is not Unicode text (lone surrogates); decode its source as UTF-8"
            )
            yield Fault(utterance.id, "text-encoding", "error", sentence)

    def findings(self) -> dict[str, Any]:
        words = np.asarray(self._words, np.float64)
        return {"empty": self._empty, "words": histogram(words, whole=True)}


def _attend(
    corpus: Corpus, utterance: Utterance, max_seconds: float
) -> tuple[list[Fault], Sound | None]:
    """The faults of the recording, and how it sounds where it can be heard."""
    path = corpus.audio_path(utterance)
    if path is None:
        return [], None
    try:
        sound = hear(path, start=utterance.start, end=utterance.end, max_seconds=max_seconds)
    except AudioFault as error:
        return [Fault(utterance.id, error.kind, "error", str(error))], None
    faults = []
    if utterance.duration is not None and abs(utterance.duration - sound.seconds) > 0.1:
        sentence = (
            f"{path}: expected {utterance.duration:.2f} s, as when the corpus was prepared, found "
            f"{sound.seconds:.2f} s; prepare it again"
        )
        faults.append(Fault(utterance.id, "changed", "warning", sentence))
    if sound.clipped > MAX_CLIPPED:
        sentence = (
            f"{path}: clipped: {sound.clipped:.2%} of the samples stand at full scale, expected at "
            f"most {MAX_CLIPPED:.1%}; it was recorded or amplified too loud"
        )
        faults.append(Fault(utterance.id, "clipped", "warning", sentence))
    if sound.quiet > MAX_QUIET:
        sentence = (
            f"{path}: hardly anything to hear: {sound.quiet:.0%} of it is 40 dB or more below its "
            f"loudest moment, expected at most {MAX_QUIET:.0%}; cut away the silence"
        )
        faults.append(Fault(utterance.id, "mostly-quiet", "warning", sentence))
    return faults, sound


def _same_id(identity: str, rows: Sequence[int]) -> Fault:
    places = " and ".join([", ".join(map(str, rows[:-1])), str(rows[-1])])
    sentence = f"{len(rows)} utterances have this id (rows {places}); give each its own"
    return Fault(identity, "duplicate-id", "error", sentence)


_Item = TypeVar("_Item")


def _windows(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    """Runs of items: a pool that is given all at once would hold all of them."""
    while window := list(islice(items, size)):
        yield window
