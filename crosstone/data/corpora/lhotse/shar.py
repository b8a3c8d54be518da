"""Lhotse Shar as items: shards of cuts beside tar files of their recordings, read forward by
lhotse's own readers (the `lhotse` extra)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from crosstone.data.batch import Item
from crosstone.data.corpora.lhotse.shards import Shar, words_of
from crosstone.data.heard import Heard
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
    """The cuts of a Shar as items, by their numbers.

    A shard can only be read forward: cuts that were passed over are kept for as long as the order
    of a `plan` may ask for them, and whoever asks for an earlier one has the shard read again.
    heard: what tells the samples of each item that is read goes there. Raises CorpusError where
    lhotse is not installed and for a text too long, AudioError for a recording that cannot be used.
    """

    def __init__(
        self,
        shar: Shar,
        *,
        tokenizer: Any = None,
        max_tokens: int = 512,
        sampling_rate: int = 16_000,
        cut_texts: bool = False,
        heard: Heard | None = None,
    ) -> None:
        self.shar, self.sampling_rate = shar, sampling_rate
        self._tokenizer, self._max_tokens, self._cut_texts = tokenizer, max_tokens, cut_texts
        self._heard = heard
        _reader()
        self._open: dict[int, _Opened] = {}
        self._keep(1)

    @property
    def lengths(self) -> NDArray[np.float32]:
        """(N,) seconds."""
        return self.shar.lengths

    def plan(self, *, seed: int, batch_size: int, **options: Any) -> StreamPlan:
        """An order in which every shard is read once an epoch; options: those of StreamPlan."""
        plan = StreamPlan(
            starts=self.shar.starts,
            lengths=self.lengths,
            seed=seed,
            batch_size=batch_size,
            **options,
        )
        self._keep(plan.window)
        return plan

    def _keep(self, window: int) -> None:
        self._window = window
        shards_of_window = window * len(self.shar.shards) // max(1, len(self)) + 2
        self._most_open = LANES * shards_of_window

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __len__(self) -> int:
        return len(self.shar)

    def __getitem__(self, number: int) -> Item:
        starts = self.shar.starts
        shard = int(np.searchsorted(starts, number, side="right")) - 1
        skipped = self.shar.skipped if shard == 0 else 0
        last = int(starts[shard + 1] - starts[shard]) + skipped
        cut = self._cut(shard, number - int(starts[shard]) + skipped, last)
        text = words_of(s.text for s in cut.supervisions)
        return Item(
            id=cut.id,
            audio=self._samples(number, cut),
            text=self._tokens(cut.id, text) if text and self._tokenizer is not None else None,
        )

    def _cut(self, shard: int, place: int, size: int) -> Any:
        opened = self._open.pop(shard, None)
        if opened is None or (place < opened.num_read and place not in opened.kept):
            cuts, recording = self.shar.shards[shard]
            opened = _Opened(iter(_reader()({"cuts": [cuts], "recording": [recording]})))
        self._open[shard] = opened  # the last to be closed
        while len(self._open) > self._most_open:
            del self._open[next(iter(self._open))]
        while opened.num_read <= place:
            cut = next(opened.cuts, None)
            if cut is None:
                raise CorpusError(
                    f"{self.shar.shards[shard][1]}: expected recordings of {size} cuts, found "
                    f"{opened.num_read}; fetch the shard again"
                )
            opened.kept[opened.num_read] = cut
            opened.kept.pop(opened.num_read - self._window, None)
            opened.num_read += 1
        if opened.num_read == size:
            opened.cuts = iter(())  # closes the files
        return opened.kept.pop(place)

    def _samples(self, number: int, cut: Any) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = cut.load_audio().mean(axis=0, dtype=np.float32)
        if not len(samples) or not np.isfinite(samples).all():
            raise AudioError(
                f"{self.shar.folder}: cut '{cut.id}': expected finite samples, found "
                f"{'others' if len(samples) else 'none'}; leave it out and write the Shar again"
            )
        if self._heard is not None:
            self._heard.note(number, samples)
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
