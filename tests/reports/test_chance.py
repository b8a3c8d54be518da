"""The smallest p that a test can give, by its clusters and by how often it drew."""

import numpy as np
import pytest

from crosstone.metrics import PairedTest, Replicates
from crosstone.reports.chance import can_tell, least_p
from crosstone.scoring.clusters import Clusters


def clusters(count: int) -> Clusters:
    return Clusters(by="speaker", count=count, why="", names=np.array([], dtype=np.str_))


@pytest.mark.parametrize(
    ("count", "drawn", "least"),
    [(5, 0, 2 / 32), (12, 0, 2 / 4096), (100, 10_000, 1 / 10_001), (100, 400, 1 / 401)],
)
def test_of_exchanges(count: int, drawn: int, least: float) -> None:
    test = PairedTest(difference=0.1, p=least, units=count, drawn=drawn)
    assert least_p(clusters(count), test) == pytest.approx(least)


@pytest.mark.parametrize(("count", "drawn", "least"), [(5, 500, 2 / 32), (100, 500, 2 / 501)])
def test_of_draws(count: int, drawn: int, least: float) -> None:
    found = Replicates(np.full(2, 0.1), np.full((2, drawn), 0.1))
    assert least_p(clusters(count), found) == pytest.approx(least)
    assert found.p_value() <= least_p(clusters(count), found)


def test_a_floor_below_the_level_can_tell() -> None:
    assert can_tell(0.04, 0.95)
    assert not can_tell(0.0625, 0.95)
