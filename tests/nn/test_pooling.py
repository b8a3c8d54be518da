"""One vector from a sequence, by hand."""

import torch

from crosstone.nn.pooling import attention_pool, max_pool, statistics_pool
from crosstone.sequence import Sequence


def test_statistics_by_hand() -> None:
    """1, 3 and 5: mean 3, deviation √(8/3); one place: itself and 0; none: zeros."""
    values = torch.tensor([[1.0, 3.0, 5.0], [4.0, 9.0, 9.0], [9.0, 9.0, 9.0]])[..., None]
    mask = torch.arange(3) < torch.tensor([[3], [1], [0]])
    found = statistics_pool(Sequence(values, mask))
    expected = torch.tensor([[3.0, (8 / 3) ** 0.5], [4.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(found, expected)


def test_statistics_have_finite_gradients() -> None:
    values = torch.tensor([[1.0, 3.0, 5.0], [4.0, 9.0, 9.0], [9.0, 9.0, 9.0]], dtype=torch.float64)
    values = values[..., None].requires_grad_()
    mask = torch.arange(3) < torch.tensor([[3], [1], [0]])
    statistics_pool(Sequence(values, mask)).sum().backward()
    assert values.grad is not None
    deviation = (8 / 3) ** 0.5
    first = [1 / 3 + (x - 3) / (3 * deviation) for x in (1.0, 3.0, 5.0)]
    expected = torch.tensor([first, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(values.grad[..., 0], expected)


def test_statistics_of_a_full_batch_are_torchs() -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 6, 3)
    found = statistics_pool(Sequence(values, torch.ones(2, 6, dtype=torch.bool)))
    expected = torch.cat([values.mean(1), values.std(1, correction=0)], -1)
    torch.testing.assert_close(found, expected)


def test_maximum_and_attention_by_hand() -> None:
    """Scores 0 and log 3 weigh 1 : 3; what is no real place has no share and is no maximum."""
    values = torch.tensor([[-1.0, -3.0, 9.0], [-2.0, 9.0, 9.0], [9.0, 9.0, 9.0]])[..., None]
    values.requires_grad_()
    states = Sequence(values, torch.arange(3) < torch.tensor([[2], [1], [0]]))
    scores = torch.tensor([[1.0, 3.0, 7.0]] * 3).log()
    largest, weighed = max_pool(states), attention_pool(states, scores)
    assert largest.flatten().tolist() == [-1.0, -2.0, 0.0]
    torch.testing.assert_close(weighed.flatten(), torch.tensor([-2.5, -2.0, 0.0]))
    (largest + weighed).sum().backward()
    assert values.grad is not None
    expected = torch.tensor([[1.25, 0.75, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(values.grad[..., 0], expected)
