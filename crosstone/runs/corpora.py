"""The corpus of a recipe: opened, checked once, refused where it is faulty."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from crosstone.data.corpus import Corpus
from crosstone.data.faults import Fault, find_faults, refuse_faulty
from crosstone.errors import ConfigError, CorpusError
from crosstone.runs.recipe import Recipe

KEPT = "faults.json"
CHECKS = 2
"""Which faults are looked for; a list that was kept under another number is made again."""
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
    for fault in faults:
        if fault.kind == "incomplete":
            _LOG.warning("%s", fault.sentence)
    ids = set(corpus.ids)
    sound = refuse_faulty(corpus, [f for f in faults if f.id in ids], recipe.data.skip_faulty)
    return sound, len(corpus) - len(sound)


def known_faults(corpus: Corpus, max_seconds: float, progress: Progress | None) -> list[Fault]:
    """Every fault of a whole corpus, found once and kept in its folder.

    They are looked for again when an utterance, or size or time of a recording, has changed.
    """
    path = corpus.folder / KEPT
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == _key(corpus, max_seconds):
            return [Fault(**fault) for fault in kept["faults"]]
    tick = None
    if progress is not None:
        tick = lambda done, total: progress(f"checking {corpus.name}", done, total)  # noqa: E731
    faults = find_faults(corpus, max_seconds=max_seconds, progress=tick)
    keep_faults(corpus, max_seconds, faults)
    return faults


def keep_faults(corpus: Corpus, max_seconds: float, faults: Sequence[Fault]) -> None:
    """Write the faults of a whole corpus into its folder, where it can be written to."""
    if not os.access(corpus.folder, os.W_OK):
        return
    path = corpus.folder / KEPT
    listed = [{name: getattr(f, name) for name in Fault.__dataclass_fields__} for f in faults]
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    kept = {"key": _key(corpus, max_seconds), "faults": listed}
    temporary.write_text(json.dumps(kept), encoding="utf-8")
    temporary.replace(path)


def _key(corpus: Corpus, max_seconds: float) -> dict[str, Any]:
    return {
        "checks": CHECKS,
        "hash": corpus.hash,
        "files": _stamp(corpus),
        "max_seconds": max_seconds,
    }


def _stamp(corpus: Corpus) -> str:
    digest = hashlib.sha256()
    for path in sorted({corpus.audio_path(u) for u in corpus if u.audio}, key=str):
        try:
            stat = (path or corpus.root).stat()
            digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{path}|missing\n".encode())
    return digest.hexdigest()[:16]
