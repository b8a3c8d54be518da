"""Lhotse Shar as items: shards of cuts beside tar files of their recordings, read forward by
lhotse's own readers (the `lhotse` extra)."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from crosstone.data.batch import Item
from crosstone.data.streaming import LANES, StreamPlan
from crosstone.data.text import shortened, tokenise
from crosstone.errors import AudioError, CorpusError


@dataclass
class _Opened:
    """A shard that is being read: its cuts, how many have come, and those still to be asked for."""

    cuts: Iterator[Any]
    num_read: int = 0
    kept: dict[int, Any] = field(default_factory=dict)


class SharItems:
    """The cuts of a Shar folder as items, numbered through its shards in the order of their names.

    A cut is an item; the words of its supervisions are joined. Only ids and lengths are read ahead,
    at the start. A shard can only be read forward: cuts that were passed over are kept for as long
    as the order of a `plan` may ask for them, and whoever asks for an earlier one has the shard
    read again. Raises CorpusError at the start for a folder that is no Shar and for a cut too long,
    later for a text too long; AudioError for a recording that cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        tokenizer: Any = None,
        max_tokens: int = 512,
        sampling_rate: int = 16_000,
        max_seconds: float = 60.0,
        cut_texts: bool = False,
    ) -> None:
        self.folder, self.sampling_rate = Path(folder), sampling_rate
        self._tokenizer, self._max_tokens, self._cut_texts = tokenizer, max_tokens, cut_texts
        _reader()
        self._shards = _shards(self.folder)
        self._open: dict[int, _Opened] = {}
        durations = [_durations(cuts, max_seconds) for cuts, _ in self._shards]
        self.starts = np.cumsum([0, *map(len, durations)], dtype=np.int64)
        """(S + 1,) number of the first item of each shard, and of all."""
        self.lengths: NDArray[np.float32] = np.concatenate(durations)
        """(N,) seconds."""
        self._keep(1)

    def plan(self, *, seed: int, batch_size: int, **options: Any) -> StreamPlan:
        """An order in which every shard is read once an epoch; options: those of StreamPlan."""
        plan = StreamPlan(
            starts=self.starts, lengths=self.lengths, seed=seed, batch_size=batch_size, **options
        )
        self._keep(plan.window)
        return plan

    def _keep(self, window: int) -> None:
        self._window = window
        shards_of_window = window * len(self._shards) // max(1, len(self)) + 2
        self._most_open = LANES * shards_of_window

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> Item:
        shard = int(np.searchsorted(self.starts, number, side="right")) - 1
        cut = self._cut(shard, number - int(self.starts[shard]))
        text = " ".join(s.text.strip() for s in cut.supervisions if s.text)
        return Item(
            id=cut.id,
            audio=self._samples(cut),
            text=self._tokens(cut.id, text) if text and self._tokenizer is not None else None,
        )

    def _cut(self, shard: int, place: int) -> Any:
        opened = self._open.pop(shard, None)
        if opened is None or (place < opened.num_read and place not in opened.kept):
            cuts, recording = self._shards[shard]
            opened = _Opened(iter(_reader()({"cuts": [cuts], "recording": [recording]})))
        self._open[shard] = opened  # the last to be closed
        while len(self._open) > self._most_open:
            del self._open[next(iter(self._open))]
        size = int(self.starts[shard + 1] - self.starts[shard])
        while opened.num_read <= place:
            cut = next(opened.cuts, None)
            if cut is None:
                raise CorpusError(
                    f"{self._shards[shard][1]}: expected recordings of {size} cuts, found "
                    f"{opened.num_read}; fetch the shard again"
                )
            opened.kept[opened.num_read] = cut
            opened.kept.pop(opened.num_read - self._window, None)
            opened.num_read += 1
        if opened.num_read == size:
            opened.cuts = iter(())  # closes the files
        return opened.kept.pop(place)

    def _samples(self, cut: Any) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = cut.load_audio().mean(axis=0, dtype=np.float32)
        if not len(samples) or not np.isfinite(samples).all():
            raise AudioError(
                f"{self.folder}: cut '{cut.id}': expected finite samples, found "
                f"{'others' if len(samples) else 'none'}; leave it out and write the Shar again"
            )
        if cut.sampling_rate != self.sampling_rate:
            samples = soxr.resample(samples, cut.sampling_rate, self.sampling_rate)
        return np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)

    def _tokens(self, identity: str, text: str) -> NDArray[np.int64]:
        limit = None if self._cut_texts else self._max_tokens
        (row,) = tokenise(self._tokenizer, [(identity, text)], limit)
        return shortened(row, self._max_tokens)


def _reader() -> Any:
    try:
        from lhotse.shar import LazySharIterator
    except ImportError as error:
        raise CorpusError(
            "Lhotse Shar is read by lhotse, which is not installed; pip install 'crosstone[lhotse]'"
        ) from error
    return LazySharIterator


def _shards(folder: Path) -> list[tuple[Path, Path]]:
    """Cuts and recordings of each shard, in the order of their names."""
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


def _durations(path: Path, max_seconds: float) -> NDArray[np.float32]:
    """Seconds of each cut of a shard."""
    seconds = []
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                cut = json.loads(line)
                seconds.append(float(cut["duration"]))
                if seconds[-1] > max_seconds:
                    raise CorpusError(
                        f"{path}: cut '{cut['id']}' lasts {seconds[-1]:.1f} s, expected at most "
                        f"{max_seconds:g} s; cut it into utterances or raise data.max_seconds"
                    )
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{path}: expected cuts as lhotse writes them, cannot read line {len(seconds) + 1} "
            f"({type(error).__name__}: {error}); fetch the shard again"
        ) from error
    return np.array(seconds, np.float32)
