"""Which items make a batch: the same on any number of processes and after any interruption."""

from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from crosstone.errors import CrosstoneError

BatchT = TypeVar("BatchT")


class Indexed(Sized, Protocol):
    """Anything with a length and items by number."""

    def __getitem__(self, index: int, /) -> Any: ...


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

    A batch is `batch_size` neighbours of the epoch's order, a pure function of (seed, epoch).
    With `lengths`, items drawn for `pool` batches are sorted by length before they are cut, and the
    batches shuffled, so that little is padded; what falls into one batch is then alike in length.
    Process r takes its items r, r + world, … and cuts them into micro-batches (None: one). Every
    process runs the same number of micro-batches, since each forward pass of a distributed model
    may wait for the others; one that has no item left runs an echo. So no item is dropped, the
    epoch's last batch may be small, and what is learnt depends on neither `world` nor
    `micro_batch_size`. Epochs count from 1.
    """

    items: int
    batch_size: int
    seed: int
    micro_batch_size: int | None = None
    rank: int = 0
    world: int = 1
    lengths: NDArray[np.float32] | None = None
    pool: int = 16

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last one included however small."""
        return -(-self.items // self.batch_size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The epoch's permutation of all items, the same on every process."""
        rng = np.random.default_rng([self.seed, epoch])
        drawn = rng.permutation(self.items)
        if self.lengths is None or self.pool < 2:
            return drawn
        size = self.pool * self.batch_size
        pools = [drawn[at : at + size] for at in range(0, self.items, size)]
        alike = np.concatenate([p[np.argsort(self.lengths[p], kind="stable")] for p in pools])
        full = self.items // self.batch_size
        batches = alike[: full * self.batch_size].reshape(full, self.batch_size)
        return np.concatenate([batches[rng.permutation(full)].ravel(), alike[batches.size :]])

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[MicroBatch]]:
        """This process's micro-batches of each batch of the epoch, from batch `start` on."""
        order = self.order(epoch)
        for step in range(start, self.steps_per_epoch):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size].tolist()
            mine, largest = batch[self.rank :: self.world], -(-len(batch) // self.world)
            size = self.micro_batch_size or largest
            cuts = [mine[at : at + size] for at in range(0, largest, size)]
            yield [MicroBatch(cut or batch[:1], bool(cut)) for cut in cuts]


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
        plan: BatchPlan,
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
