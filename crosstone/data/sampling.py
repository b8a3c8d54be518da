"""Which items make a batch: the same on any number of processes and after any interruption."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from crosstone.errors import ConfigError, CrosstoneError

BatchT = TypeVar("BatchT")


class Indexed(Sized, Protocol):
    """Anything with a length and items by number."""

    def __getitem__(self, index: int, /) -> Any: ...


class Plan(Protocol):
    """The batches of every epoch for one process out of `world`."""

    @property
    def seed(self) -> int: ...
    @property
    def world(self) -> int: ...
    @property
    def lengths(self) -> NDArray[np.float32] | None: ...
    def num_steps(self, epochs: Iterable[int]) -> int: ...
    def seconds(self, epoch: int) -> NDArray[np.float64] | None: ...
    def steps(self, epoch: int, start: int = 0) -> "Iterator[list[MicroBatch]]": ...


@runtime_checkable
class Planned(Indexed, Protocol):
    """Items that can be read in some orders only, and make the plan themselves."""

    def plan(
        self,
        *,
        seed: int,
        batch_size: int,
        micro_batch_size: int | None,
        rank: int,
        world: int,
        pool: int,
    ) -> Plan: ...


class MicroBatch(NamedTuple):
    """The items one process runs through the model at once.

    `real` is False for an echo: an item that another process trains on, repeated so that all
    processes run equally often, and whose loss counts zero.
    """

    indices: list[int]
    real: bool


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The batches of every epoch, cut for one process out of `world`.

    Exactly one of batch_size and batch_seconds is given. A batch is `batch_size` neighbours of the
    epoch's order, a pure function of (seed, epoch); or as many as its longest item times their
    number fits into `batch_seconds`, and never more than max_batch_items. An item that is longer
    than the whole budget makes a batch of its own: none is dropped.

    With `lengths`, items drawn for `pool` batches are sorted by length before they are cut, and the
    batches shuffled, so that little is padded; what falls into one batch is then alike in length.
    Process r takes its items r, r + world, … and cuts them into micro-batches, each within
    micro_batch_size items and micro_batch_seconds of padded length (both None: one). Every
    process runs the same number of micro-batches, since each forward pass of a distributed model
    may wait for the others; one that has no item left runs an echo. So no item is dropped, the
    epoch's last batch may be small, and what is learnt depends on neither `world` nor the cuts
    into micro-batches. Epochs count from 1.
    """

    items: int
    seed: int
    batch_size: int | None = None
    batch_seconds: float | None = None
    max_batch_items: int | None = None
    micro_batch_size: int | None = None
    micro_batch_seconds: float | None = None
    rank: int = 0
    world: int = 1
    lengths: NDArray[np.float32] | None = None
    pool: int = 16

    def __post_init__(self) -> None:
        counts_seconds = self.batch_seconds is not None or self.micro_batch_seconds is not None
        if counts_seconds and self.lengths is None:
            raise ConfigError(
                "training: batch_seconds and micro_batch_seconds expect recordings, whose seconds "
                "they count, found items without; use batch_size and micro_batch_size"
            )

    def num_steps(self, epochs: Iterable[int]) -> int:
        """Batches of these epochs together; a budget of seconds may cut each into another number.

        Takes time in proportion to items times epochs where seconds are counted, else none.
        """
        if self.batch_size is not None:
            return sum(-(-self.items // self.batch_size) for _ in epochs)
        return sum(len(self.batches(epoch)) for epoch in epochs)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The epoch's permutation of all items, the same on every process."""
        return np.concatenate(self.batches(epoch))

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The epoch's batches over all processes, each the numbers of its items."""
        rng = np.random.default_rng([self.seed, epoch])
        drawn = rng.permutation(self.items)
        starts = range(0, self.items, self._pool_items)
        pools = [drawn[at : at + self._pool_items] for at in starts]
        if self.lengths is not None and self.pool > 1:
            pools = [p[np.argsort(self.lengths[p], kind="stable")] for p in pools]
        if self.batch_seconds is not None:
            cut = [batch for pool in pools for batch in self._within_budget(pool)]
            return [cut[i] for i in rng.permutation(len(cut))]
        assert self.batch_size is not None
        alike = np.concatenate(pools)
        cut = np.split(alike, range(self.batch_size, self.items, self.batch_size))
        if self.lengths is None or self.pool < 2:
            return cut
        full = self.items // self.batch_size
        return [*(cut[i] for i in rng.permutation(full)), *cut[full:]]

    def seconds(self, epoch: int) -> NDArray[np.float64] | None:
        """The lengths of each of the epoch's batches together; None without lengths."""
        if self.lengths is None:
            return None
        lengths = self.lengths.astype(np.float64)
        return np.array([lengths[batch].sum() for batch in self.batches(epoch)])

    @property
    def _pool_items(self) -> int:
        """Items that are sorted together."""
        if self.batch_size is not None:
            return self.pool * self.batch_size
        assert self.lengths is not None
        assert self.batch_seconds is not None
        fitting = self.batch_seconds / max(float(self.lengths.mean()), 1e-3)
        return max(1, round(self.pool * min(fitting, self.max_batch_items or fitting)))

    def _within_budget(self, items: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cuts items, shortest first where they were sorted, into batches within the budget."""
        assert self.lengths is not None
        assert self.batch_seconds is not None
        most = self.max_batch_items or len(items)
        longest, at = self.lengths[items].astype(np.float64), 0
        while at < len(items):
            fitting = self.batch_seconds / max(longest[at], 1e-3)
            window = np.maximum.accumulate(longest[at : at + min(most, int(fitting) + 1)])
            padded = window * np.arange(1, len(window) + 1)
            count = max(1, int(np.searchsorted(padded, self.batch_seconds, side="right")))
            yield items[at : at + count]
            at += count

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[MicroBatch]]:
        """This process's micro-batches of each batch of the epoch, from batch `start` on."""
        for numbers in self.batches(epoch)[start:]:
            batch: list[int] = numbers.tolist()
            cuts = [self._micro_batches(batch[rank :: self.world]) for rank in range(self.world)]
            mine, most = cuts[self.rank], max(map(len, cuts))
            echoes = [MicroBatch(batch[:1], False)] * (most - len(mine))
            yield [*(MicroBatch(cut, True) for cut in mine), *echoes]

    def _micro_batches(self, mine: list[int]) -> list[list[int]]:
        """One process's share of a batch, cut."""
        most, budget = self.micro_batch_size or len(mine), self.micro_batch_seconds or np.inf
        cuts: list[list[int]] = []
        longest = 0.0
        for item in mine:
            length = 0.0 if self.lengths is None else float(self.lengths[item])
            widened = max(longest, length)
            if cuts and len(cuts[-1]) < most and widened * (len(cuts[-1]) + 1) <= budget:
                cuts[-1].append(item)
                longest = widened
            else:
                cuts.append([item])
                longest = length
        return cuts


class _Collated(Dataset[Any]):
    """Collated items by a list of their numbers.

    A CrosstoneError on the way is handed over as a value: a worker process would bury its
    sentence in a traceback.
    """

    def __init__(self, items: Indexed, collate: Callable[[list[Any]], Any]) -> None:
        self.items, self.collate = items, collate

    def __getitem__(self, indices: list[int]) -> Any:
        try:
            return self.collate([self.items[index] for index in indices])
        except CrosstoneError as error:
            return error


class _Queue(Sampler[list[int]]):
    """The index lists still to be read."""

    waiting: Iterator[list[int]] = iter(())

    def __iter__(self) -> Iterator[list[int]]:
        return self.waiting


def _unchanged(value: Any) -> Any:
    return value


class BatchStream(Generic[BatchT]):
    """The collated micro-batches of a plan, in order, read ahead by worker processes.

    One loader serves all epochs, with a generator of its own: a DataLoader without one draws from
    torch's global state whenever it is iterated, and a resumed run would part from one that never
    stopped. Workers are spawned, so items and collate must be picklable; neither may draw random
    numbers, since which worker reads an item depends on where the run was resumed.
    """

    def __init__(
        self,
        items: Indexed,
        collate: Callable[[list[Any]], BatchT],
        plan: Plan,
        *,
        workers: int = 0,
    ) -> None:
        self.plan = plan
        self._queue = _Queue()
        self._loader: DataLoader[Any] = DataLoader(
            _Collated(items, collate),
            batch_size=None,
            sampler=self._queue,
            num_workers=workers,
            collate_fn=_unchanged,
            generator=torch.Generator().manual_seed(plan.seed),
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
        )

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[tuple[BatchT, bool]]]:
        """The micro-batches of each step from `start` on, each with whether it is real.

        Raises the CrosstoneError that an item or the collation raised.
        """
        self._queue.waiting = (
            micro.indices for step in self.plan.steps(epoch, start) for micro in step
        )
        batches = iter(self._loader)
        for step in self.plan.steps(epoch, start):
            yield [(_raised(next(batches)), micro.real) for micro in step]


def _raised(batch: Any) -> Any:
    if isinstance(batch, CrosstoneError):
        raise batch
    return batch
