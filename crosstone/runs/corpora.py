"""The corpus of a recipe: opened, checked once, refused where it is faulty."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpora.lhotse.shards import is_shar
from crosstone.data.corpus import Corpus
from crosstone.data.faults import (
    Fault,
    brief,
    examine,
    keep_examination,
    kept_examination,
    refuse_faulty,
)
from crosstone.errors import ConfigError, CorpusError
from crosstone.runs.recipe import DataSpec, Recipe

_LOG = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]
"""Told (what is being done, done, in all)."""


def open_corpus(recipe: Recipe, progress: Progress | None = None) -> tuple[Corpus, int]:
    """The part of the corpus that a recipe is about, and how many faulty utterances it left out.

    Raises CorpusError where it is faulty, unless the recipe skips faulty utterances. A copy that is
    not whole is warned of here, since it is the protocol that knows which counts it needs.
    """
    if not recipe.data.corpus:
        raise ConfigError("data.corpus is missing: the folder that crosstone prepare wrote")
    if is_shar(Path(recipe.data.corpus)):
        raise ConfigError(
            f"{recipe.data.corpus}: expected a folder that crosstone prepare wrote, found a Lhotse "
            "Shar, which pretrain, and adapt without protocol, read as a stream; prepare the cut "
            "set that it was made of (crosstone prepare lhotse)"
        )
    whole = Corpus.open(recipe.data.corpus)
    faults = known_faults(whole, recipe.data.max_seconds, progress)
    protocol_split = recipe.protocol.split if recipe.protocol is not None else None
    corpus = whole
    for split in {recipe.data.split, protocol_split} - {None}:
        corpus = corpus.where(lambda utterance, split=split: utterance.split == split)  # type: ignore[misc]
        if not len(corpus):
            there = ", ".join(sorted({str(s) for s in whole.splits if s})) or "none"
            raise CorpusError(
                f"{whole.name}: no utterance in split '{split}'; the corpus has {there}"
            )
    for sentence in brief([f.sentence for f in faults if f.kind == "incomplete"]):
        _LOG.warning("%s", sentence)
    ids = set(corpus.ids)
    sound = refuse_faulty(corpus, [f for f in faults if f.id in ids], recipe.data.skip_faulty)
    return sound, len(corpus) - len(sound)


def known_faults(corpus: Corpus, max_seconds: float, progress: Progress | None) -> list[Fault]:
    """Every fault of a whole corpus, found once and kept in its folder.

    They are looked for again when an utterance, or size or time of a recording, has changed.
    """
    return _known(corpus, max_seconds, progress)[0]


def fingerprints_of(corpus: Corpus, progress: Progress | None = None) -> NDArray[np.int64]:
    """(N,) what tells the content of each utterance of a corpus or a view of one, 64 bits each.

    Of the samples where there is a recording, so that neither a new name nor a new corpus hides
    it. Where there is none, of the names of corpus and utterance with the words: many people say
    "okay", and `words_of` tells those.
    """
    digests = sounds_of(corpus, progress)
    for row in np.flatnonzero(digests == 0):
        utterance = corpus[int(row)]
        digests[row] = _digest(corpus.name, utterance.id, _plain(utterance.text))
    return digests


def sounds_of(corpus: Corpus, progress: Progress | None = None) -> NDArray[np.int64]:
    """(N,) what tells the samples of each recording; 0 where there is none."""
    return _known(Corpus.open(corpus.folder), None, progress)[1][corpus.base_indices]


def words_of(corpus: Corpus, progress: Progress | None = None) -> NDArray[np.int64]:
    """(N,) what tells the words, whatever their case and blanks, of each utterance without a
    recording; 0 where there is one."""
    digests = np.zeros(len(corpus), np.int64)
    for row in np.flatnonzero(sounds_of(corpus, progress) == 0):
        digests[row] = _digest(_plain(corpus[int(row)].text))
    return digests


def _plain(text: str | None) -> str:
    return " ".join((text or "").casefold().split())


def _digest(*parts: str) -> int:
    content = "\0".join(parts).encode("utf-8", "surrogatepass")
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def _known(
    corpus: Corpus, max_seconds: float | None, progress: Progress | None
) -> tuple[list[Fault], NDArray[np.int64]]:
    """Faults and digests of a whole corpus; max_seconds None takes what is kept under any limit."""
    kept = kept_examination(corpus, max_seconds)
    if kept is not None:
        return kept
    tick = None
    if progress is not None:
        tick = lambda done, total: progress(f"checking {corpus.name}", done, total)  # noqa: E731
    limit = DataSpec().max_seconds if max_seconds is None else max_seconds
    found = examine(corpus, max_seconds=limit, progress=tick)
    keep_examination(corpus, limit, found)
    return found.faults, found.digests
