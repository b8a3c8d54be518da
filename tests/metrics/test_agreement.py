"""Raters against each other: by hand, published examples, and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstone.errors import CrosstoneError
from crosstone.metrics import agreement as a

NONE = math.nan
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)
"""Observers by units: the reliability data of Krippendorff (2011), section C and D."""
FLEISS = np.array(
    [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
)
"""Ratings of ten subjects by fourteen raters in five classes: Wikipedia's example for Fleiss."""


def rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Raters by items, NaN where missing, as items and values."""
    rater, item = np.nonzero(~np.isnan(table))
    return item, table[rater, item]


def classes(items: list[int], chosen: list[str], names: str = "abc") -> tuple[np.ndarray, ...]:
    """One row per judgement; "ab" is a vote for both."""
    shares = [[each.count(name) / len(each) for name in names] for each in chosen]
    return np.array(items), np.array(shares)


def test_published_examples() -> None:
    items, values = rows(KRIPPENDORFF)
    shares = np.eye(5)[values.astype(int) - 1]
    assert a.krippendorff_nominal(items, shares) == pytest.approx(0.743, abs=5e-4)
    assert a.krippendorff_interval(items, values) == pytest.approx(0.849, abs=5e-4)
    items = np.repeat(np.arange(10), 14)
    votes = np.concatenate([np.repeat(np.arange(5), row) for row in FLEISS])
    assert a.fleiss_kappa(items, np.eye(5)[votes]) == pytest.approx(0.210, abs=5e-4)


def test_classes_by_hand() -> None:
    """Item 0: a, a, b; item 1: b, b; item 2 was judged once."""
    items, shares = classes([0, 0, 0, 1, 1, 2], ["a", "a", "b", "b", "b", "c"])
    found = a.class_agreement(items, shares)
    assert (found.items, found.judgements) == (2, 5)
    # observed: of 3 pairs one agrees, of 1 pair one; by chance 0.4² + 0.6²
    assert found.kappa == pytest.approx(((1 / 3 + 1) / 2 - 0.52) / 0.48)
    # each vote: ½, ½, 0, 1, 1 of five; by chance (2·1 + 3·2) / (5·4)
    assert found.alpha == pytest.approx((3 / 5 - 0.4) / 0.6)
    # item 0: a meets a tie of a and b twice, b meets a
    expected = [[1 / 6 + 1 / 6, 1 / 3, 0], [1 / 6 + 1 / 6, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(a.rater_confusion(items, shares), expected)
    assert found.scores["wa"] == pytest.approx((1 / 3 + 1) / 2)
    assert found.scores["ua"] == pytest.approx((1 / 2 + 3 / 4) / 2)


def test_a_vote_for_two_classes_is_half_a_vote_for_each() -> None:
    items, shares = classes([0, 0, 0], ["ab", "a", "b"])
    # ab meets a and b: ½; a meets 1½ votes, half a one for a; b likewise
    assert a.fleiss_kappa(items, shares) == pytest.approx((1 / 3 - 0.5) / 0.5)
    # ab: the others tie; a: b has more; b: a has more
    expected = np.array([[1 / 4, 1 / 4 + 1], [1 / 4 + 1, 1 / 4], [0, 0]]) / 3
    np.testing.assert_allclose(a.rater_confusion(items, shares)[:, :2], expected)


def test_a_part_of_a_vote_weighs_as_a_part() -> None:
    """Half of the first vote fell to a class that is not asked about."""
    items, shares = np.zeros(3, int), np.array([[0.5, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # ½ meets ½ a; 1 meets ⅓ of 1½; 1 meets none; of 2½ votes
    assert a.fleiss_kappa(items, shares) == pytest.approx(
        ((1 / 4 + 1 / 3) / 2.5 - (0.6**2 + 0.4**2)) / (1 - 0.6**2 - 0.4**2)
    )
    assert a.rater_confusion(items, shares).sum() == pytest.approx(1)


def test_a_scale_by_hand() -> None:
    """Item 0: 1 and 3; item 1: 2, 2 and 5."""
    items, values = np.array([0, 0, 1, 1, 1, 7]), np.array([1.0, 3.0, 2.0, 2.0, 5.0, 9.0])
    found = a.scale_agreement(items, values)
    assert (found.items, found.judgements) == (2, 5)
    assert math.isnan(found.kappa)
    # pairs within: 2·4/1 + (2·9 + 2·9)/2; all ordered pairs: 2·(5·43 − 13²) = 92, over 4
    assert found.alpha == pytest.approx(1 - (8 + 18) / (92 / 4))
    # |1-3|, |3-1|; |2-3.5|, |2-3.5|, |5-2|
    assert found.scores["mae"] == pytest.approx((2 + (1.5 + 1.5 + 3) / 3) / 2)
    weights = np.array([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]) / 2
    own, others = np.array([1.0, 3.0, 2.0, 2.0, 5.0]), np.array([3.0, 1.0, 3.5, 3.5, 2.0])
    mean, other = weights @ own, weights @ others
    together = weights @ ((own - mean) * (others - other))
    spread = weights @ (own - mean) ** 2 + weights @ (others - other) ** 2
    assert found.scores["ccc"] == pytest.approx(2 * together / (spread + (mean - other) ** 2))


def test_what_is_undefined_is_nan() -> None:
    for items, chosen in (([0, 1], ["a", "b"]), ([], [])):
        found = a.class_agreement(*classes(items, chosen)[:1], np.eye(3)[: len(items)])
        assert (found.items, found.judgements) == (0, 0)
        assert all(map(math.isnan, (found.alpha, found.kappa, *found.scores.values())))
        found = a.scale_agreement(items, np.zeros(len(items)))
        assert all(map(math.isnan, (found.alpha, *found.scores.values())))
    same = a.class_agreement(*classes([0, 0], ["a", "a"]))
    assert math.isnan(same.alpha)
    assert math.isnan(same.kappa)
    assert same.scores["wa"] == 1
    assert math.isnan(a.krippendorff_interval([0, 0], [2.0, 2.0]))
    silent = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert a.class_agreement([0, 0], silent).items == 0


def test_bad_input_is_refused() -> None:
    with pytest.raises(CrosstoneError, match=r"found \(2,\) and \(3, 2\); give one row per item"):
        a.fleiss_kappa([0, 1], np.eye(3)[:, :2])
    with pytest.raises(CrosstoneError, match="expected shares of one vote"):
        a.krippendorff_nominal([0, 0], [[1.0, 1.0], [1.0, 0.0]])
    with pytest.raises(CrosstoneError, match="with NaN or infinity"):
        a.rater_scale_scores([0, 0], [1.0, math.nan])


votes = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "c", "ab", "abc"])), max_size=25
)


@settings(deadline=None)
@given(votes, st.permutations("abc"), st.randoms(use_true_random=False))
def test_neither_order_nor_names_matter(cast, renamed, random) -> None:
    named = dict(zip("abc", renamed, strict=True))
    items, shares = classes([i for i, _ in cast], [c for _, c in cast])
    shares = shares.reshape(len(cast), 3)
    found = a.class_agreement(items, shares)
    shuffled = random.sample(cast, len(cast))
    other = classes([9 - i for i, _ in shuffled], ["".join(map(named.get, c)) for _, c in shuffled])
    again = a.class_agreement(other[0], other[1].reshape(len(cast), 3))
    assert (again.items, again.judgements) == (found.items, found.judgements)
    np.testing.assert_allclose(
        [again.alpha, again.kappa, *again.scores.values()],
        [found.alpha, found.kappa, *found.scores.values()],
        atol=1e-9,
    )
    if found.items:
        assert a.rater_confusion(items, shares).sum() == pytest.approx(found.items)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-5, 5)), min_size=1, max_size=20),
    st.floats(0.1, 10),
    st.floats(-10, 10),
)
def test_interval_alpha_knows_no_unit_and_no_zero(judged, factor, shift) -> None:
    items, values = (np.array(column) for column in zip(*judged, strict=True))
    before = a.krippendorff_interval(items, values)
    after = a.krippendorff_interval(items, factor * values + shift)
    lonely = a.krippendorff_interval(np.append(items, 99), np.append(values, 1000.0))
    if not math.isnan(before):
        assert after == pytest.approx(before, abs=1e-6)
        assert lonely == before
