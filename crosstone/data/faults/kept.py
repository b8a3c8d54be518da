"""What an examination found, kept in the corpus's folder until the corpus changes."""

import hashlib
import io
import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpus import Corpus
from crosstone.data.faults.examination import Examination
from crosstone.data.faults.fault import Fault
from crosstone.files import whole

KEPT = "faults.json"
DIGESTS = "sounds.npy"
CHECKS = 3
"""Which faults are looked for; a list that was kept under another number is made again."""


def keep_examination(corpus: Corpus, max_seconds: float, found: Examination) -> None:
    """Write what was found in a whole corpus into its folder, where it can be written to."""
    if not os.access(corpus.folder, os.W_OK):
        return
    listed = [{name: getattr(f, name) for name in Fault.__dataclass_fields__} for f in found.faults]
    kept = {"key": _key(corpus, max_seconds), "faults": listed}
    for name, content in (
        (DIGESTS, _array_bytes(found.digests)),
        (KEPT, json.dumps(kept).encode()),
    ):
        with whole(corpus.folder / name) as temporary:
            temporary.write_bytes(content)


def kept_examination(
    corpus: Corpus, max_seconds: float | None
) -> tuple[list[Fault], NDArray[np.int64]] | None:
    """Faults and digests of a whole corpus as they were kept, None where there are none of today.

    max_seconds: None takes what is kept under any limit. None where an utterance, or size or time
    of a recording, has changed since.
    """
    path = corpus.folder / KEPT
    if not path.is_file() or not (corpus.folder / DIGESTS).is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    limit = kept["key"].get("max_seconds") if max_seconds is None else max_seconds
    if kept["key"] != _key(corpus, limit):
        return None
    return [Fault(**fault) for fault in kept["faults"]], np.load(corpus.folder / DIGESTS)


def _array_bytes(array: NDArray[np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _key(corpus: Corpus, max_seconds: float) -> dict[str, Any]:
    return {
        "checks": CHECKS,
        "hash": corpus.hash,
        "files": _stamp(corpus),
        "max_seconds": max_seconds,
    }


def _stamp(corpus: Corpus) -> str:
    digest = hashlib.sha256()
    paths = {utterance.audio for utterance in corpus if utterance.audio is not None}
    for path in (corpus.root / audio for audio in sorted(paths)):
        try:
            stat = path.stat()
            digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{path}|missing\n".encode())
    return digest.hexdigest()[:16]
