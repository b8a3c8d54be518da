"""Promises by hand, and kept on synthetic data."""

import math

import numpy as np
import pytest
from scipy.stats import binom, t

from crosstone.errors import CrosstoneError
from crosstone.metrics.conformal import (
    abstention_threshold,
    conformal_quantile,
    effective_items,
    fewest_for,
    highest_accuracy,
)


def test_the_bound_by_hand() -> None:
    scores = [5, 1, 4, 2, 3, 9, 7, 8, 6]
    assert conformal_quantile(scores, 0.5) == 5  # the ⌈10 · 0.5⌉ = 5th
    assert conformal_quantile(scores, 0.51) == 6
    assert conformal_quantile(scores, 0.9) == 9
    assert conformal_quantile(scores, 0.91) == math.inf
    assert fewest_for(0.9) == 9
    assert fewest_for(0.95) == 19
    with pytest.raises(CrosstoneError, match="coverage: expected a share"):
        conformal_quantile(scores, 1.0)


def test_each_speaker_weighs_alike_in_the_bound_by_hand() -> None:
    """Three speakers of 1, 2 and 4 items weigh a quarter each, and the new one the fourth."""
    scores, who = [5, 1, 9, 2, 3, 4, 8], [0, 1, 1, 2, 2, 2, 2]
    # in order 1 2 3 4 5 8 9 hold, of a quarter, .5 .25 .25 .25 1 .25 .5
    assert conformal_quantile(scores, 0.125, units=who) == 1
    assert conformal_quantile(scores, 0.25, units=who) == 3
    assert conformal_quantile(scores, 0.5, units=who) == 5
    assert conformal_quantile(scores, 0.6, units=who) == 8
    assert conformal_quantile(scores, 0.75, units=who) == 9
    assert conformal_quantile(scores, 0.76, units=who) == math.inf
    assert conformal_quantile(scores, 0.76) == 9  # of items by themselves the 7th of 8
    assert conformal_quantile([], 0.5) == math.inf


@pytest.mark.parametrize(("speakers", "coverage"), [(4, 0.8), (9, 0.9), (20, 0.9)])
def test_coverage_holds_for_new_speakers(speakers: int, coverage: float) -> None:
    """1000 draws of speakers of 1 to 40 items whose distances differ in size, and a new one."""
    rng = np.random.default_rng(speakers)
    covered = blind = 0
    for _ in range(1000):
        who = np.repeat(np.arange(speakers + 1), rng.integers(1, 41, speakers + 1))
        scores = np.abs(rng.normal(size=len(who))) * rng.lognormal(0, 1, speakers + 1)[who]
        seen, new = who < speakers, scores[who == speakers][0]
        covered += new <= conformal_quantile(scores[seen], coverage, units=who[seen])
        blind += new <= conformal_quantile(scores[seen], coverage)
    assert covered >= binom.ppf(0.001, 1000, coverage)
    assert covered >= blind


def test_coverage_holds_on_exchangeable_items() -> None:
    """2000 draws of 49 items and a new one: covered as often as said, 0.9 exactly (45 of 50)."""
    rng = np.random.default_rng(0)
    draws = np.abs(rng.standard_t(3, (2000, 50)))
    covered = sum(row[-1] <= conformal_quantile(row[:-1], 0.9) for row in draws)
    low, high = binom.ppf([0.001, 0.999], 2000, 0.9)
    assert low <= covered <= high


def test_the_threshold_by_hand() -> None:
    """200 of 200 right above .9, half below: 0.5^(1/200) is far above .95, all together are not."""
    confidence = np.r_[np.full(200, 0.95), np.full(200, 0.6)]
    hit = np.r_[np.ones(200), np.arange(200) % 2]
    assert abstention_threshold(confidence, hit, 0.95) == pytest.approx(0.605)
    assert abstention_threshold(confidence, hit, 0.6) == 0
    # 22 that are right promise .9 to one start of five only where .9^22 = .098 is under .02
    assert abstention_threshold(confidence[:22], hit[:22], 0.9) is None
    assert abstention_threshold(confidence[:38], hit[:38], 0.9) == 0
    assert abstention_threshold([], [], 0.9) is None


def test_the_highest_accuracy_by_hand() -> None:
    """Of 38 that are all right .9^38 = .018 is under .02, the part of a start, .91^38 = .028 not;
    of none, and of 200 that are all wrong, nothing can be promised."""
    assert highest_accuracy(np.full(38, 0.95), np.ones(38)) == 0.9
    assert highest_accuracy([], []) is None
    assert highest_accuracy(np.full(200, 0.95), np.zeros(200)) is None


def test_the_stated_accuracy_holds_on_items_held_out() -> None:
    """Over 300 draws of 1000 calibration items it fails at most as often as the risk allows."""
    rng = np.random.default_rng(1)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        confidence = rng.uniform(0.25, 1, count)
        return confidence, rng.random(count) < confidence**2  # less sure than it says

    new, right = draw(200_000)
    failed = answered = 0
    for _ in range(300):
        threshold = abstention_threshold(*draw(1000), 0.8)
        if threshold is not None:
            answered += 1
            failed += right[new >= threshold].mean() < 0.8
    assert answered > 250
    assert failed <= binom.ppf(0.999, 300, 0.1)


def test_what_speakers_are_worth_by_hand() -> None:
    """Of items alone each is worth one; of speakers who are all right or all wrong, one each."""
    wrong = np.array([1, 0] * 50, bool)
    assert effective_items(wrong, np.arange(100), 0.02) == 100
    alike = np.repeat([True, False] * 50, 4)
    worth = effective_items(alike, np.repeat(np.arange(100), 4), 0.02)
    known = (t.ppf(0.98, 399) / t.ppf(0.98, 99)) ** 2
    assert worth == pytest.approx(100 * 99 / 100 * known)
    assert effective_items(wrong, np.zeros(100, int), 0.02) == 0
    # where none or all are wrong, a speaker is worth one item
    assert effective_items(np.zeros(9, bool), np.zeros(9, int), 0.02) == 1
    assert effective_items(np.zeros(50, bool), np.arange(50) // 10, 0.02) == 5
    assert effective_items(np.ones(50, bool), np.arange(50) // 10, 0.02) == 5
    # two speakers with an error each look more alike than chance would have them: no gain of that
    even = np.arange(50) % 25 == 0
    known = (t.ppf(0.98, 49) / t.ppf(0.98, 1)) ** 2
    assert effective_items(even, np.arange(50) // 25, 0.02) == pytest.approx(50 * known)


def test_the_stated_accuracy_holds_where_speakers_differ() -> None:
    """20 speakers of 50 items each, whose accuracy has a deviation of .08 among them."""
    rng = np.random.default_rng(2)
    truth, failed, blind = 0.8, 0, 0
    for _ in range(300):
        own = np.clip(rng.normal(truth, 0.08, 20), 0, 1)
        hit = rng.random((20, 50)) < own[:, None]
        sure, who = np.full(1000, 0.9), np.repeat(np.arange(20), 50)
        # what is promised wrongly is any accuracy above the truth
        failed += abstention_threshold(sure, hit.ravel(), truth + 0.001, units=who) is not None
        blind += abstention_threshold(sure, hit.ravel(), truth + 0.001) is not None
    assert failed <= binom.ppf(0.999, 300, 0.1)
    assert blind > failed


@pytest.mark.parametrize("speakers", [2, 3, 5, 10])
@pytest.mark.parametrize("alike", [True, False])
def test_the_stated_accuracy_holds_of_few_speakers(speakers: int, alike: bool) -> None:
    """Each of 25 items, all of which or half of which are right: .75 of all that may be drawn."""
    rng = np.random.default_rng(speakers)
    count, failed = speakers * 25, 0
    who = np.repeat(np.arange(speakers), 25)
    for _ in range(300):
        hit = rng.random((speakers, 25)) < rng.choice([1.0, 0.5], (speakers, 1))
        sure = np.full(count, 0.97) if alike else rng.uniform(0.5, 1, count)
        failed += abstention_threshold(sure, hit.ravel(), 0.9, units=who) is not None
    assert failed <= binom.ppf(0.999, 300, 0.1)
