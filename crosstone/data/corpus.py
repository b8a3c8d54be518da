"""A corpus: utterances on disk, and the columns that folds and batches ask for."""

import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.store import Store, write_store
from crosstone.data.trials import Trial, Trials
from crosstone.data.utterance import Source, Utterance
from crosstone.errors import CorpusError

__all__ = ["Corpus", "Source", "Trial", "Trials", "Utterance"]

Relabelling = Callable[[Utterance], Utterance]
"""Gives an utterance other labels."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Corpus:
    """Utterances of one corpus folder, or a view of some of them.

    An utterance is parsed when it is asked for; a view holds row numbers and shares the memory
    map; a pickle holds the folder and the row numbers, and opens the folder again elsewhere.
    Two corpora are equal when name, root, source, extras, rows and relabelling are.
    """

    def __init__(
        self,
        store: "Store",
        rows: NDArray[np.int64] | None = None,
        relabel: Relabelling | None = None,
    ) -> None:
        self._store = store
        self._rows = rows
        self._relabel = relabel

    @classmethod
    def open(cls, folder: Path | str) -> "Corpus":
        """The corpus in `folder`; raises CorpusError that lists every fault with its line."""
        return cls(Store(Path(folder)))

    @classmethod
    def write(
        cls,
        folder: Path | str,
        *,
        name: str,
        root: Path | str,
        source: Source,
        utterances: Iterable[Utterance],
        extras: Mapping[str, Any] = _NOTHING,
        trials: Iterable[Trial] = (),
    ) -> "Corpus":
        """Write a corpus whole or not at all, and open it.

        root: the folder that audio paths start from; kept relative to `folder` where it lies
        within it or is given as a relative path, so that both can move together. extras: JSON.
        Raises CorpusError with every duplicate id and every fault of every utterance, or of every
        trial.
        """
        write_store(
            Path(folder),
            name=name,
            root=Path(root),
            source=source,
            utterances=utterances,
            extras=extras,
            trials=trials,
        )
        return cls.open(folder)

    @property
    def name(self) -> str:
        """The corpus's name."""
        return self._store.name

    @property
    def root(self) -> Path:
        """The folder that audio paths start from, absolute."""
        return self._store.root

    @property
    def folder(self) -> Path:
        """The folder that the corpus was opened from."""
        return self._store.folder

    @property
    def source(self) -> Source:
        """Where the corpus comes from."""
        return self._store.source

    @property
    def extras(self) -> Mapping[str, Any]:
        """What else its preparation recorded, as JSON: expected counts, ceilings."""
        return self._store.extras

    @cached_property
    def trials(self) -> Trials:
        """The verification trials both of whose utterances are here; read when asked for.

        Raises CorpusError that lists every fault of their file.
        """
        trials = self._store.trials
        return trials if self._rows is None else trials.among(self._rows, self.ids)

    def __len__(self) -> int:
        return len(self._store.index.durations) if self._rows is None else len(self._rows)

    def __getitem__(self, i: int) -> Utterance:
        row = range(len(self))[operator.index(i)]
        utterance = self._store.utterance(row if self._rows is None else int(self._rows[row]))
        return utterance if self._relabel is None else self._relabel(utterance)

    def __iter__(self) -> Iterator[Utterance]:
        for i in range(len(self)):
            yield self[i]

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)} utterances, hash {self.hash})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Corpus):
            return NotImplemented
        return (
            (self.name, self.root, self.source) == (other.name, other.root, other.source)
            and dict(self.extras) == dict(other.extras)
            and self._digest == other._digest
            and self._relabel == other._relabel
        )

    def __hash__(self) -> int:
        return hash((self.name, self._digest))

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.folder.absolute(), self._rows, self._store.digest, self._relabel)

    @property
    def is_whole(self) -> bool:
        """Whether this is all of the folder's corpus, not a view of some of it."""
        return self._rows is None

    @property
    def base_indices(self) -> NDArray[np.int64]:
        """(N,) row numbers in the file on disk."""
        return np.arange(len(self)) if self._rows is None else self._rows

    @cached_property
    def ids(self) -> Sequence[str]:
        """The ids in order."""
        ids = self._store.index.ids
        return ids if self._rows is None else _Chosen(ids, self._rows)

    @cached_property
    def durations(self) -> NDArray[np.float32]:
        """(N,) seconds, NaN where unknown."""
        return self._column(self._store.index.durations)

    @cached_property
    def speakers(self) -> NDArray[np.object_]:
        """(N,) strings, None where unknown."""
        return self._column(self._store.index.column("speaker"))

    @cached_property
    def groups(self) -> NDArray[np.object_]:
        """(N,) strings, None where unknown."""
        return self._column(self._store.index.column("group"))

    @cached_property
    def splits(self) -> NDArray[np.object_]:
        """(N,) strings, None where the corpus has no partition of its own."""
        return self._column(self._store.index.column("split"))

    @property
    def hash(self) -> str:
        """16 hexadecimal digits of the SHA-256 over the rows' canonical lines, in order.

        The trials among the rows count as content too, where there are any.
        """
        return self._digest[:16]

    def labels(self, name: str) -> dict[str, int]:
        """How often each value of a label occurs among the utterances that have it, sorted."""
        counts: dict[str, int] = {}
        others: set[str] = set()
        for utterance in self:
            others.update(utterance.labels)
            if name in utterance.labels:
                value = str(utterance.labels[name])
                counts[value] = counts.get(value, 0) + 1
        if not counts:
            found = ", ".join(sorted(others)) or "none"
            raise CorpusError(
                f"{self.name}: no utterance has a label '{name}'; labels here: {found}"
            )
        return dict(sorted(counts.items()))

    def audio_path(self, utterance: Utterance) -> Path | None:
        """Where the utterance's recording lies, None where it has none."""
        return None if utterance.audio is None else self.root / utterance.audio

    def where(self, predicate: Callable[[Utterance], bool]) -> "Corpus":
        """The view of the utterances for which the predicate holds."""
        return self.select([i for i, utterance in enumerate(self) if predicate(utterance)])

    def select(self, indices: Sequence[int] | NDArray[Any]) -> "Corpus":
        """The view of the given positions in their order, or of the True rows of a bool array."""
        chosen = np.asarray(indices)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise IndexError(f"expected {len(self)} booleans, found shape {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        elif chosen.size and chosen.dtype.kind not in "iu":
            raise TypeError(f"expected row positions as integers, found {chosen.dtype}")
        return Corpus(self._store, self.base_indices[chosen.astype(np.int64)], self._relabel)

    def relabelled(self, relabel: Relabelling) -> "Corpus":
        """The same utterances with the labels that `relabel` gives them when they are asked for.

        relabel: a function that can be pickled and compared. The content hash stays that of the
        corpus's own labels.
        """
        return Corpus(self._store, self._rows, relabel)

    def _column(self, column: NDArray[Any]) -> NDArray[Any]:
        return column if self._rows is None else column[self._rows]

    @cached_property
    def _digest(self) -> str:
        digest = self._store.digest_of(self._rows)
        if not self.trials:
            return digest
        return hashlib.sha256(bytes.fromhex(digest) + self.trials.digest).hexdigest()


class _Chosen(Sequence[str]):
    """Some of a sequence's strings, looked up when asked for."""

    def __init__(self, strings: Sequence[str], rows: NDArray[np.int64]) -> None:
        self.strings = strings
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.strings[int(row)] for row in self.rows[index]]
        return self.strings[int(self.rows[index])]


def _reopen(
    folder: Path,
    rows: NDArray[np.int64] | None,
    digest: str,
    relabel: Relabelling | None,
) -> Corpus:
    store = Store(folder)
    if store.digest != digest:
        raise CorpusError(f"{folder}: the corpus changed while it was in use; start again")
    return Corpus(store, rows, relabel)
