import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.data.sampling import BatchPlan, BatchStream
from crosstone.errors import CrosstoneError


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
    assert {len(step) for step in steps} == {shares[0].steps_per_epoch}
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
