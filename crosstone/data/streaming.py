"""Which items make a batch where shards can only be read forward."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from crosstone.data.sampling import MicroBatch
from crosstone.errors import ConfigError

LANES = 8
"""Shards that a process reads by turns; a worker keeps to its own where their number divides it."""


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """The batches of every epoch over shards, for one process out of `world`.

    The shards' order is a pure function of (seed, epoch). Process r reads the shards r, r + world,
    … of it, so that no shard is read twice, and deals them to LANES lanes, which by turns give a
    micro-batch; in a lane `pool` micro-batches are sorted by length before they are cut, and then
    shuffled. A step is batch_size / world items of every process. An epoch lasts as long as the
    process that has most to read; one that has no item left runs echoes, so none is dropped. Unlike
    with BatchPlan, what is learnt depends on `world` and on micro_batch_size, but as there on no
    worker and no interruption. Epochs count from 1.
    """

    starts: NDArray[np.int64]
    """(S + 1,) number of the first item of each shard, and of all."""

    lengths: NDArray[np.float32]
    """(N,) seconds."""

    seed: int
    batch_size: int
    micro_batch_size: int | None = None
    rank: int = 0
    world: int = 1
    pool: int = 16

    def __post_init__(self) -> None:
        share, rest = divmod(self.batch_size, self.world)
        if rest or share % (self.micro_batch_size or share):
            raise ConfigError(
                "training: a stream expects a batch_size that is a multiple of processes times "
                f"micro_batch_size, found {self.batch_size}, {self.world} and "
                f"{self.micro_batch_size}; round it up"
            )
        if len(self.starts) - 1 < self.world:
            raise ConfigError(
                f"a stream expects a shard for every process, found {len(self.starts) - 1} for "
                f"{self.world}; write smaller shards or start fewer processes"
            )

    @property
    def window(self) -> int:
        """Items of a lane among which those of a micro-batch are chosen."""
        return max(1, self.pool) * self._size

    @property
    def _size(self) -> int:
        return self.micro_batch_size or self.batch_size // self.world

    @property
    def _per_step(self) -> int:
        return self.batch_size // self.world // self._size

    def num_steps(self, epochs: Iterable[int]) -> int:
        """Batches of these epochs together."""
        return sum(self._num_steps(epoch) for epoch in epochs)

    def shards(self, epoch: int, rank: int) -> NDArray[np.int64]:
        """The shards that a process reads, in their order."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.starts) - 1)
        return order[rank :: self.world]

    def seconds(self, epoch: int) -> NDArray[np.float64]:
        """The lengths of each of the epoch's batches together."""
        totals = np.zeros(self._num_steps(epoch))
        for rank in range(self.world):
            for at, numbers in enumerate(self._micro_batches(epoch, rank)):
                totals[at // self._per_step] += self.lengths[numbers].sum(dtype=np.float64)
        return totals

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[MicroBatch]]:
        """This process's micro-batches of each batch of the epoch, from batch `start` on."""
        own = [numbers.tolist() for numbers in self._micro_batches(epoch, self.rank)]
        echo = MicroBatch(own[-1][:1], False)
        for step in range(start, self._num_steps(epoch)):
            mine = own[step * self._per_step : (step + 1) * self._per_step]
            real = [MicroBatch(numbers, True) for numbers in mine]
            yield real + [echo] * (self._per_step - len(mine))

    def _num_steps(self, epoch: int) -> int:
        counts = np.diff(self.starts)
        most = 0
        for rank in range(self.world):
            shards = self.shards(epoch, rank)
            lanes = [int(counts[shards[lane::LANES]].sum()) for lane in range(LANES)]
            most = max(most, sum(-(-items // self._size) for items in lanes))
        return -(-most // self._per_step)

    def _micro_batches(self, epoch: int, rank: int) -> Iterator[NDArray[np.int64]]:
        shards = self.shards(epoch, rank)
        lanes = [self._lane(epoch, rank, lane, shards[lane::LANES]) for lane in range(LANES)]
        turns = chain.from_iterable(zip_longest(*lanes))
        return (numbers for numbers in turns if numbers is not None)

    def _lane(
        self, epoch: int, rank: int, lane: int, shards: NDArray[np.int64]
    ) -> Iterator[NDArray[np.int64]]:
        rng = np.random.default_rng([self.seed, epoch, rank, lane])
        numbers = [np.arange(self.starts[shard], self.starts[shard + 1]) for shard in shards]
        items = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
        for at in range(0, len(items), self.window):
            pool = items[at : at + self.window]
            if self.pool > 1:
                pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            cuts = np.split(pool, range(self._size, len(pool), self._size))
            yield from (cuts[i] for i in rng.permutation(len(cuts)))
