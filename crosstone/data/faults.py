"""Every fault of a corpus at once, and what training does about them."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from crosstone.data.audio import AudioFault, check_audio
from crosstone.data.corpus import Corpus
from crosstone.data.utterance import Utterance
from crosstone.errors import CorpusError

MAX_WORDS = 2000
"""More than any utterance: a pasted document."""
MAX_CHARACTERS = 10 * MAX_WORDS
"""The same limit for scripts that put no spaces between words."""
WHOLE_CORPUS = "(corpus)"
"""The id of a fault that no single utterance has."""
NUM_SHOWN = 5
NUM_WARNINGS = 10
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one utterance."""

    id: str
    """The utterance's id."""
    kind: str
    """One word for counting: missing, truncated, silent, duplicate-id, …"""
    severity: Literal["error", "warning"]
    """Training refuses errors."""
    sentence: str
    """Where, what was expected, what was found, what to do."""


def find_faults(
    corpus: Corpus,
    *,
    max_seconds: float = 60.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fault]:
    """Every fault of a corpus, in its order; each recording is decoded once, in blocks, by threads.

    progress: called with how many of how many utterances are done.
    """
    twice = {identity: count for identity, count in Counter(corpus.ids).items() if count > 1}
    rows: dict[str, list[int]] = {identity: [] for identity in twice}
    heard: dict[bytes, Utterance] = {}
    faults = _count_faults(corpus)
    lacking: dict[str, list[str]] = {"audio": [], "text": []}

    def listen(utterance: Utterance) -> tuple[Utterance, list[Fault], bytes | None]:
        return utterance, *_audio_faults(corpus, utterance, max_seconds)

    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        checked = (
            result for window in _windows(iter(corpus), 256) for result in pool.map(listen, window)
        )
        for row, (utterance, found, digest) in enumerate(checked):
            if utterance.id in twice:
                rows[utterance.id].append(row + 1)
            for modality, ids in lacking.items():
                if getattr(utterance, modality) is None:
                    ids.append(utterance.id)
            faults += _text_faults(utterance)
            faults += found
            if digest is not None:
                first = heard.setdefault(digest, utterance)
                if first is not utterance:
                    faults.append(_same_recording(utterance, first))
            if progress is not None:
                progress(row + 1, len(corpus))
    faults += [_same_id(identity, places) for identity, places in rows.items()]
    for modality, ids in lacking.items():
        if len(ids) < len(corpus):
            sentence = (
                f"has no {modality}, unlike {len(corpus) - len(ids)} of {len(corpus)} utterances"
            )
            faults += [Fault(identity, f"no-{modality}", "warning", sentence) for identity in ids]
    return faults


def missing_counts(
    name: str, expected: Mapping[str, Any], utterances: Iterable[Utterance]
) -> list[str]:
    """A sentence for each count that differs from what the corpus called name should hold.

    expected: any of `utterances` and `speakers` (how many), `per_speaker` (utterances of each),
    `labels` (name → value → utterances).
    """
    labels: Mapping[str, Mapping[str, int]] = expected.get("labels", {})
    values: dict[str, Counter[str]] = {label: Counter() for label in labels}
    speakers: Counter[str] = Counter()
    total = 0
    for utterance in utterances:
        total += 1
        if utterance.speaker is not None:
            speakers[utterance.speaker] += 1
        for label, counter in values.items():
            if label in utterance.labels:
                counter[str(utterance.labels[label])] += 1
    found: list[tuple[str, int, int]] = []
    if "utterances" in expected:
        found.append(("utterances", expected["utterances"], total))
    if "speakers" in expected:
        found.append(("speakers", expected["speakers"], len(speakers)))
    if "per_speaker" in expected:
        each = expected["per_speaker"]
        found += [(f"utterances of speaker '{who}'", each, speakers[who]) for who in speakers]
    for label, counts in labels.items():
        found += [
            (f"utterances with {label} '{value}'", count, values[label][value])
            for value, count in counts.items()
        ]
    return [
        f"{name}: expected {wanted} {what}, found {there}; is every file there?"
        for what, wanted, there in found
        if wanted != there
    ]


def format_faults(faults: Sequence[Fault]) -> str:
    """The faults as lines, errors first, under a line that counts them by kind.

    Every error has its line; of a kind of warning only the first NUM_WARNINGS have.
    """
    if not faults:
        return "no faults"
    lines = [f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'}: {count_kinds(faults)}"]
    for severity in ("error", "warning"):
        said: Counter[str] = Counter()
        for fault in (fault for fault in faults if fault.severity == severity):
            said[fault.kind] += 1
            if severity == "error" or said[fault.kind] <= NUM_WARNINGS:
                lines.append(f"{severity} [{fault.kind}] {fault.id}: {fault.sentence}")
        if severity == "warning":
            lines += [
                f"warning [{kind}] and {count - NUM_WARNINGS} more"
                for kind, count in said.items()
                if count > NUM_WARNINGS
            ]
    return "\n".join(lines)


def count_kinds(faults: Sequence[Fault]) -> str:
    """How many faults of each kind, the most frequent first: "3 silent, 1 missing"."""
    kinds = Counter(fault.kind for fault in faults)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def refuse_faulty(corpus: Corpus, faults: Sequence[Fault], skip: bool = False) -> Corpus:
    """The corpus to train on: itself without errors, or, with skip, the view without faulty ones.

    Logs (warning) how many it left out and why. Raises CorpusError where there are errors and
    skip is False, or where skipping would leave nothing.
    """
    errors = [fault for fault in faults if fault.severity == "error"]
    if not errors:
        return corpus
    faulty = {fault.id for fault in errors}
    kept = corpus.select([i for i, identity in enumerate(corpus.ids) if identity not in faulty])
    left_out = len(corpus) - len(kept)
    number = "1 fault" if len(errors) == 1 else f"{len(errors)} faults"
    summary = f"{number} ({count_kinds(errors)}) in {left_out} of {len(corpus)} utterances"
    shown = [f"  {fault.id}: {fault.sentence}" for fault in errors[:NUM_SHOWN]]
    if len(errors) > NUM_SHOWN:
        shown.append(f"  … and {len(errors) - NUM_SHOWN} more")
    listed = "\n".join(shown)
    if not skip:
        raise CorpusError(
            f"{corpus.name}: {summary}\n{listed}\n"
            f"See them all with `crosstone check {corpus.folder}`, and mend them or leave them out "
            "with `--skip-faulty`"
        )
    if len(kept) == 0:
        raise CorpusError(
            f"{corpus.name}: {summary}, so none is left\n{listed}\n"
            f"See them all with `crosstone check {corpus.folder}`"
        )
    _LOG.warning(
        "%s: left out %d utterances, %d remain: %s", corpus.name, left_out, len(kept), summary
    )
    return kept


def _audio_faults(
    corpus: Corpus, utterance: Utterance, max_seconds: float
) -> tuple[list[Fault], bytes | None]:
    """The faults of the recording, and the digest of the file where the utterance is all of it."""
    path = corpus.audio_path(utterance)
    if path is None:
        return [], None
    start, end = utterance.start, utterance.end
    try:
        seconds = check_audio(path, start=start, end=end, max_seconds=max_seconds)
    except AudioFault as error:
        return [Fault(utterance.id, error.kind, "error", str(error))], None
    faults = []
    if utterance.duration is not None and abs(utterance.duration - seconds) > 0.1:
        sentence = (
            f"{path}: expected {utterance.duration:.2f} s, as when the corpus was prepared, found "
            f"{seconds:.2f} s; prepare it again"
        )
        faults.append(Fault(utterance.id, "changed", "warning", sentence))
    return faults, _file_digest(path) if start is None and end is None else None


def _text_faults(utterance: Utterance) -> Iterator[Fault]:
    text = utterance.text
    if text is None:
        return
    if not text.strip():
        if utterance.audio is None:
            sentence = "nothing to hear and no words: expected audio or a transcript; leave it out"
            yield Fault(utterance.id, "no-content", "error", sentence)
        else:
            sentence = "the transcript is empty; leave it absent where it is unknown"
            yield Fault(utterance.id, "empty-text", "warning", sentence)
    num_words = len(text.split())
    if num_words > MAX_WORDS or len(text) > MAX_CHARACTERS:
        sentence = (
            f"the transcript has {num_words} words ({len(text)} characters), expected at most "
            f"{MAX_WORDS} ({MAX_CHARACTERS}); is it one utterance's?"
        )
        yield Fault(utterance.id, "long-text", "error", sentence)
    if any("\ud800" <= character <= "\udfff" for character in text):
        sentence = (
            "the transcript is not Unicode text (lone surrogates); decode its source as UTF-8"
        )
        yield Fault(utterance.id, "text-encoding", "error", sentence)


def _same_recording(utterance: Utterance, first: Utterance) -> Fault:
    sentence = f"the same recording, byte for byte, as '{first.id}'"
    if utterance.group != first.group:
        sentence += f", in another group ({first.group or 'none'} and {utterance.group or 'none'})"
    if utterance.group != first.group or utterance.group is None:
        sentence += ", so that folds may train on what they test"
    sentence += "; keep one"
    return Fault(utterance.id, "duplicate-audio", "warning", sentence)


def _same_id(identity: str, rows: Sequence[int]) -> Fault:
    places = " and ".join([", ".join(map(str, rows[:-1])), str(rows[-1])])
    sentence = f"{len(rows)} utterances have this id (rows {places}); give each its own"
    return Fault(identity, "duplicate-id", "error", sentence)


def _count_faults(corpus: Corpus) -> list[Fault]:
    """What a whole corpus lacks of the counts that its preparation expects; nothing for a view."""
    expected = corpus.extras.get("expected")
    if not corpus.is_whole or not expected:
        return []
    return [
        Fault(WHOLE_CORPUS, "incomplete", "error", sentence)
        for sentence in missing_counts(corpus.name, expected, corpus)
    ]


def _file_digest(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


_Item = TypeVar("_Item")


def _windows(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    """Runs of items: a pool that is given all at once would hold all of them."""
    while window := list(islice(items, size)):
        yield window
