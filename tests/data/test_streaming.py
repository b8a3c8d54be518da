"""Shards over processes and lanes: every item once, every process equally often, always again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.streaming import LANES, StreamPlan
from crosstone.errors import ConfigError


def plans(counts: list[int], world: int = 1, **options: int) -> list[StreamPlan]:
    starts = np.cumsum([0, *counts])
    lengths = np.random.default_rng(0).uniform(1, 16, starts[-1]).astype(np.float32)
    fixed = {"starts": starts, "lengths": lengths, "seed": 3, "world": world}
    return [StreamPlan(**{**fixed, **options}, rank=rank) for rank in range(world)]


@settings(deadline=None, max_examples=80)
@given(
    counts=st.lists(st.integers(1, 30), min_size=4, max_size=30),
    world=st.integers(1, 4),
    micro=st.integers(1, 4),
    per_step=st.integers(1, 3),
    pool=st.integers(0, 5),
    epoch=st.integers(1, 3),
)
def test_every_item_once_and_every_process_equally_often(
    counts: list[int], world: int, micro: int, per_step: int, pool: int, epoch: int
) -> None:
    size = {"batch_size": world * micro * per_step, "micro_batch_size": micro, "pool": pool}
    shares = plans(counts, world, **size)
    steps = [list(plan.steps(epoch)) for plan in shares]
    assert {len(listed) for listed in steps} == {shares[0].num_steps([epoch])}
    assert all(len(step) == per_step for listed in steps for step in listed)
    trained = [
        i for listed in steps for step in listed for cut in step if cut.real for i in cut.indices
    ]
    assert sorted(trained) == list(range(sum(counts)))
    for plan, listed in zip(shares, steps, strict=True):
        assert list(plan.steps(epoch, 2)) == listed[2:]
        own = set(plan.shards(epoch, plan.rank).tolist())
        read = {i for step in listed for cut in step for i in cut.indices}
        assert set((np.searchsorted(plan.starts, list(read), side="right") - 1).tolist()) == own
    seconds = shares[0].seconds(epoch)
    assert len(seconds) == len(steps[0])
    assert seconds.sum() == pytest.approx(shares[0].lengths.sum(dtype=np.float64))
    first = sum(shares[0].lengths[cut.indices].sum() for s in steps for cut in s[0] if cut.real)
    assert seconds[0] == pytest.approx(first, rel=1e-5)


def test_an_epoch_has_its_own_order_and_the_seed_gives_it_again() -> None:
    (plan,), (again,), (other,) = (
        plans([5] * 9, batch_size=4, **more) for more in ({}, {}, {"seed": 4})
    )
    assert list(plan.steps(1)) == list(again.steps(1))
    assert list(plan.steps(1)) != list(plan.steps(2))
    assert list(plan.steps(1)) != list(other.steps(1))
    assert plan.num_steps([1, 2]) == 2 * plan.num_steps([1])


def test_lanes_take_turns_and_what_is_batched_is_alike() -> None:
    (plan,) = plans([64] * 2 * LANES, batch_size=4, pool=16)
    batches = [step[0].indices for step in plan.steps(1)]
    lane_of = {s: n % LANES for n, s in enumerate(plan.shards(1, 0).tolist())}
    turns = [lane_of[int(np.searchsorted(plan.starts, b[0], side="right")) - 1] for b in batches]
    assert turns == [n % LANES for n in range(len(batches))]
    padded = sum(len(b) * plan.lengths[b].max() for b in batches)
    assert plan.lengths.sum() > 0.93 * padded


def test_what_cannot_be_shared_evenly_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of processes times micro_batch_size, found 6"):
        plans([5] * 9, 4, batch_size=6)
    with pytest.raises(ConfigError, match="found 8, 2 and 3; round it up"):
        plans([5] * 9, 2, batch_size=8, micro_batch_size=3)
    with pytest.raises(ConfigError, match="a shard for every process, found 3 for 4"):
        plans([5] * 3, 4, batch_size=8)
