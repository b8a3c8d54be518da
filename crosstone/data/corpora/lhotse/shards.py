"""What the cuts of a Lhotse Shar say before any recording is read: lengths, words, speakers."""

import dataclasses
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosstone.data.store import HEADER
from crosstone.data.utterance import Source
from crosstone.errors import CorpusError

SAMPLED_TEXTS = 100_000
"""Texts that are kept for a tokenizer, the first of every shard."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shar:
    """The shards of a folder in the order of their names, and their cuts numbered through them.

    A cut's words are those of its supervisions, joined. Of speakers and groups (`custom.group`) the
    names are kept, of texts a sample.
    """

    folder: Path
    shards: tuple[tuple[Path, Path], ...]
    """File of cuts and file of recordings of each."""
    starts: NDArray[np.int64]
    """(S + 1,) number of the first cut of each shard, and of all."""
    lengths: NDArray[np.float32]
    """(N,) seconds."""
    has_text: NDArray[np.bool_]
    """(N,) whether a cut has words."""
    texts: tuple[str, ...]
    speakers: tuple[str, ...]
    groups: tuple[str, ...]
    hash: str
    """16 hexadecimal digits of the SHA-256 over names, cuts and sizes of all shards."""
    skipped: int = 0
    """Cuts at the beginning of the first shard that are not counted."""

    source = Source()
    """A Shar does not say where its corpus comes from."""

    @classmethod
    def open(cls, folder: Path, progress: Callable[[int, int], None] | None = None) -> "Shar":
        """The Shar of a folder; raises CorpusError for one that is none, or not whole.

        progress: called with how many of how many shards are read.
        """
        shards = _shards(folder)
        most = -(-SAMPLED_TEXTS // len(shards))
        lengths: list[NDArray[np.float32]] = []
        has_text: list[bool] = []
        texts: list[str] = []
        speakers: set[str] = set()
        groups: set[str] = set()
        digest = hashlib.sha256()
        for number, (cuts, recordings) in enumerate(shards, start=1):
            digest.update(f"{cuts.name}|{recordings.name}|{recordings.stat().st_size}\n".encode())
            seconds: list[float] = []
            room = len(texts) + most
            for cut in _cuts(cuts):
                digest.update(cut.line)
                seconds.append(cut.seconds)
                has_text.append(bool(cut.text))
                if cut.text and len(texts) < room:
                    texts.append(cut.text)
                speakers |= cut.speakers
                groups |= cut.groups
            lengths.append(np.array(seconds, np.float32))
            if progress is not None:
                progress(number, len(shards))
        return cls(
            folder=folder,
            shards=tuple(shards),
            starts=np.cumsum([0, *map(len, lengths)], dtype=np.int64),
            lengths=np.concatenate(lengths),
            has_text=np.array(has_text, bool),
            texts=tuple(texts),
            speakers=tuple(sorted(speakers)),
            groups=tuple(sorted(groups)),
            hash=digest.hexdigest()[:16],
        )

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.resolve().name

    def __len__(self) -> int:
        return len(self.lengths)

    def refuse_longer(self, max_seconds: float) -> None:
        """Raises CorpusError that names the first cut that lasts longer."""
        long = np.flatnonzero(self.lengths > max_seconds)
        if len(long):
            number = int(long[0])
            shard = int(np.searchsorted(self.starts, number, side="right")) - 1
            path = self.shards[shard][0]
            place = number - int(self.starts[shard]) + (self.skipped if shard == 0 else 0)
            cut = next(islice(_cuts(path), place, None))
            raise CorpusError(
                f"{path}: cut '{cut.identity}' lasts {cut.seconds:.1f} s, expected at most "
                f"{max_seconds:g} s, as with {len(long)} of {len(self)} cuts; cut them into "
                "utterances, or raise data.max_seconds where the model takes more"
            )

    def set_aside(self, count: int) -> "tuple[Shar, Shar]":
        """The rest, and the first `count` cuts of the first shard, fewer than it has."""
        rest = dataclasses.replace(
            self,
            starts=np.maximum(self.starts - count, 0),
            lengths=self.lengths[count:],
            has_text=self.has_text[count:],
            skipped=self.skipped + count,
        )
        aside = dataclasses.replace(
            self,
            shards=self.shards[:1],
            starts=np.array([0, count]),
            lengths=self.lengths[:count],
            has_text=self.has_text[:count],
        )
        return rest, aside


def is_shar(folder: Path) -> bool:
    """Whether a folder holds shards of cuts, and is no corpus that `prepare` wrote."""
    return not (folder / HEADER).is_file() and any(folder.glob("cuts.*.jsonl*"))


def words_of(texts: Iterable[str | None]) -> str:
    """The words of a cut's supervisions, joined; "" where none says any."""
    return " ".join(text.strip() for text in texts if text)


def _shards(folder: Path) -> list[tuple[Path, Path]]:
    cuts = {path.name.split(".")[1]: path for path in folder.glob("cuts.*.jsonl*")}
    recordings = {path.name.split(".")[1]: path for path in folder.glob("recording.*.tar*")}
    lonely = sorted(cuts.keys() ^ recordings.keys())
    if not cuts or lonely:
        found = f"{len(cuts)} of the one and {len(recordings)} of the other"
        raise CorpusError(
            f"{folder}: expected a Lhotse Shar folder, cuts.*.jsonl.gz with as many "
            f"recording.*.tar, found {found}"
            + (f" (alone: {', '.join(lonely[:5])})" if lonely else "")
            + "; write it with `lhotse shar export` or fetch what is missing"
        )
    return [(cuts[number], recordings[number]) for number in sorted(cuts)]


class _Cut(NamedTuple):
    line: bytes
    identity: str
    seconds: float
    text: str
    speakers: set[str]
    groups: set[str]


def _cuts(path: Path) -> Iterator[_Cut]:
    number = 1
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                yield _cut(line)
                number += 1
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{path}: expected cuts as lhotse writes them, cannot read line {number} "
            f"({type(error).__name__}: {error}); fetch the shard again"
        ) from error


def _cut(line: bytes) -> _Cut:
    cut = json.loads(line)
    said = cut.get("supervisions") or []
    groups = [(one.get("custom") or {}).get("group") for one in said]
    return _Cut(
        line,
        str(cut["id"]),
        float(cut["duration"]),
        words_of(one.get("text") for one in said),
        {str(one["speaker"]) for one in said if one.get("speaker")},
        {str(group) for group in groups if group},
    )
