import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.sampling import BatchPlan, BatchStream
from crosstone.errors import ConfigError, CrosstoneError


def plans(world: int, **options: int | None) -> list[BatchPlan]:
    return [BatchPlan(**{"seed": 1, **options}, rank=r, world=world) for r in range(world)]


@settings(deadline=None)
@given(
    items=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    micro=st.none() | st.integers(1, 9),
    world=st.integers(1, 5),
    epoch=st.integers(1, 4),
)
def test_processes_share_each_batch_and_run_equally_often(items, batch_size, micro, world, epoch):
    shares = plans(world, items=items, batch_size=batch_size, micro_batch_size=micro)
    order = shares[0].order(epoch)
    assert sorted(order) == list(range(items))
    steps = [list(plan.steps(epoch)) for plan in shares]
    assert {len(step) for step in steps} == {shares[0].num_steps([epoch])}
    for number, together in enumerate(zip(*steps, strict=True)):
        assert len({len(mine) for mine in together}) == 1
        trained = [i for mine in together for cut in mine if cut.real for i in cut.indices]
        assert sorted(trained) == sorted(order[number * batch_size : (number + 1) * batch_size])
        for cut in (cut for mine in together for cut in mine):
            assert cut.indices
            assert micro is None or len(cut.indices) <= micro


def test_a_rank_takes_every_other_item_and_an_echo_where_none_is_left():
    first, second = plans(2, items=5, batch_size=4, micro_batch_size=1)
    order = first.order(1).tolist()
    whole, rest = first.steps(1)
    assert [cut.indices for cut in whole] == [[order[0]], [order[2]]]
    assert rest == [([order[4]], True)]
    whole, rest = second.steps(1)
    assert [cut.indices for cut in whole] == [[order[1]], [order[3]]]
    assert rest == [([order[4]], False)]


def test_order_depends_on_seed_and_epoch_alone():
    plan = BatchPlan(items=100, batch_size=7, seed=1)
    same = BatchPlan(items=100, batch_size=30, seed=1, micro_batch_size=2, rank=1, world=3)
    other = BatchPlan(items=100, batch_size=7, seed=2)
    assert np.array_equal(plan.order(2), same.order(2))
    assert not np.array_equal(plan.order(2), plan.order(3))
    assert not np.array_equal(plan.order(2), other.order(2))


def test_starting_within_an_epoch_gives_its_remaining_batches():
    plan = BatchPlan(items=23, batch_size=4, seed=5, micro_batch_size=3)
    assert list(plan.steps(2, start=4)) == list(plan.steps(2))[4:]


class Letters:
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> str:
        if index == 5:
            raise CrosstoneError("item 5: expected sound, found silence")
        return "abcdef"[index]


def joined(letters: list[str]) -> str:
    return "".join(letters)


@pytest.mark.parametrize("start", [0, 1])
def test_stream_gives_collated_batches_and_leaves_the_global_generator_alone(start):
    plan = BatchPlan(items=5, batch_size=2, seed=0)
    before = torch.get_rng_state()
    stream = BatchStream(Letters(), joined, plan)
    for epoch in (1, 2):
        letters = ["".join("abcdef"[i] for i in cut.indices) for (cut,) in plan.steps(epoch, start)]
        assert [batch for ((batch, _),) in stream.epoch(epoch, start)] == letters
    assert torch.equal(torch.get_rng_state(), before)


def test_an_item_that_cannot_be_read_keeps_its_sentence():
    stream = BatchStream(Letters(), joined, BatchPlan(items=6, batch_size=6, seed=0))
    with pytest.raises(CrosstoneError, match=r"^item 5: expected sound, found silence$"):
        list(stream.epoch(1))


def test_a_pool_sorts_by_length_and_drops_nothing() -> None:
    lengths = np.random.default_rng(0).uniform(1, 20, 103).astype(np.float32)
    plan = BatchPlan(items=103, batch_size=8, seed=1, lengths=lengths, pool=4)
    blind = BatchPlan(items=103, batch_size=8, seed=1, lengths=lengths, pool=1)

    def padded(order: np.ndarray) -> float:
        cuts = [lengths[order[at : at + 8]] for at in range(0, 103, 8)]
        return 1 - lengths.sum() / sum(len(cut) * cut.max() for cut in cuts)

    for epoch in (1, 2):
        order = plan.order(epoch)
        assert sorted(order.tolist()) == list(range(103))
        assert padded(order) < 0.5 * padded(blind.order(epoch))
    assert not np.array_equal(plan.order(1), plan.order(2))


def like_librispeech(count: int) -> np.ndarray:
    """Seconds as LibriSpeech's 960 hours have them: most from 12 to 16, some short, few to 35."""
    rng = np.random.default_rng(5)
    kinds = rng.choice(3, count, p=[0.7, 0.28, 0.02])
    drawn = np.choose(
        kinds,
        [rng.normal(14.2, 1.3, count), rng.uniform(1.3, 14, count), rng.uniform(16, 35, count)],
    )
    return np.clip(drawn, 1.3, 35).astype(np.float32)


BUDGETS: dict[str, dict] = {
    "count": {"batch_size": 16, "pool": 64},
    "seconds": {"batch_seconds": 200.0, "max_batch_items": 64, "pool": 64},
}


@pytest.mark.parametrize("budget", BUDGETS)
def test_of_lengths_like_librispeechs_less_than_a_twentieth_is_padding(budget):
    lengths = like_librispeech(20_000)
    plan = BatchPlan(items=20_000, seed=1, lengths=lengths, **BUDGETS[budget])
    for epoch in (1, 2):
        batches = plan.batches(epoch)
        padded = sum(len(batch) * float(lengths[batch].max()) for batch in batches)
        assert 1 - lengths.sum() / padded < 0.05
        assert sorted(np.concatenate(batches).tolist()) == list(range(20_000))


@settings(deadline=None)
@given(
    items=st.integers(1, 80),
    seconds=st.floats(0.5, 60),
    most=st.none() | st.integers(1, 6),
    pool=st.integers(1, 4),
    micro=st.none() | st.floats(0.5, 30),
    world=st.integers(1, 4),
    epoch=st.integers(1, 3),
)
def test_a_batch_of_seconds_keeps_to_its_budget_and_drops_nothing(
    items, seconds, most, pool, micro, world, epoch
):
    lengths = np.random.default_rng(items).uniform(0, 20, items).astype(np.float32)
    lengths[::7] = 0
    shares = plans(
        world,
        items=items,
        batch_seconds=seconds,
        max_batch_items=most,
        micro_batch_seconds=micro,
        lengths=lengths,
        pool=pool,
    )
    batches = shares[0].batches(epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(items))
    assert shares[0].num_steps([epoch]) == len(batches)
    for batch in batches:
        fits = len(batch) * float(lengths[batch].max()) <= seconds
        assert fits or len(batch) == 1
        assert most is None or len(batch) <= most
    steps = [list(plan.steps(epoch)) for plan in shares]
    for batch, together in zip(batches, zip(*steps, strict=True), strict=True):
        assert len({len(mine) for mine in together}) == 1
        cuts = [cut for mine in together for cut in mine]
        assert sorted(i for cut in cuts if cut.real for i in cut.indices) == sorted(batch.tolist())
        for cut in cuts:
            padded = len(cut.indices) * float(lengths[cut.indices].max())
            assert micro is None or padded <= micro or len(cut.indices) == 1
    later = list(shares[-1].steps(epoch, start=2))
    assert later == steps[-1][2:]


def test_seconds_by_hand():
    lengths = np.array([4, 1, 3, 2, 9], np.float32)
    plan = BatchPlan(items=5, seed=0, batch_seconds=6.0, lengths=lengths, pool=9)
    batches = sorted(sorted(lengths[batch].tolist()) for batch in plan.batches(1))
    assert batches == [[1, 2], [3], [4], [9]]
    micro = BatchPlan(items=5, seed=0, batch_size=5, micro_batch_seconds=6, lengths=lengths, pool=2)
    (step,) = micro.steps(1)
    assert [lengths[cut.indices].tolist() for cut in step] == [[1, 2], [3], [4], [9]]


def test_a_budget_may_be_used_up():
    lengths = np.array([2, 2, 2, 5], np.float32)
    plan = BatchPlan(items=4, seed=0, batch_seconds=6.0, lengths=lengths, pool=9)
    assert sorted(map(len, plan.batches(1))) == [1, 3]


def test_batches_of_seconds_depend_on_seed_and_epoch_alone():
    lengths = like_librispeech(500)
    asked = {"items": 500, "batch_seconds": 60.0, "lengths": lengths, "pool": 8}
    first, again = BatchPlan(seed=1, **asked), BatchPlan(seed=1, rank=1, world=3, **asked)
    assert np.array_equal(first.order(2), again.order(2))
    assert not np.array_equal(first.order(2), first.order(3))
    assert not np.array_equal(first.order(2), BatchPlan(seed=2, **asked).order(2))
    assert first.num_steps(range(1, 4)) == sum(len(first.batches(e)) for e in (1, 2, 3))


def test_seconds_of_what_has_none_are_refused():
    with pytest.raises(ConfigError, match=r"batch_seconds .* expect recordings, .* found items"):
        BatchPlan(items=5, seed=0, batch_seconds=6.0)
