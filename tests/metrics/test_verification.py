"""Error rates of trials: by hand, against scikit-learn's ROC, laws, and CTAL's draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from crosstone.errors import CrosstoneError
from crosstone.metrics import det_points, eer, ge2e_eer, min_dcf
from crosstone.metrics.verification import Ranking

trials = st.lists(st.tuples(st.booleans(), st.integers(-6, 6)), min_size=2, max_size=60).filter(
    lambda found: len({target for target, _ in found}) == 2
)


def split(found: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([t for t, _ in found]), np.array([s for _, s in found], dtype=np.float64)


def test_by_hand() -> None:
    """One of three targets below one of three others: accept from 0.4 up, one error of each."""
    target = [True, True, True, False, False, False]
    scores = [0.9, 0.8, 0.3, 0.4, 0.2, 0.1]
    assert eer(target, scores) == pytest.approx(1 / 3)
    thresholds, false_alarm, miss = det_points(target, scores)
    assert thresholds.tolist() == [0.1, 0.2, 0.3, 0.4, 0.8, 0.9, np.inf]
    np.testing.assert_allclose(false_alarm, [1, 2 / 3, 1 / 3, 1 / 3, 0, 0, 0])
    np.testing.assert_allclose(miss, [0, 0, 0, 1 / 3, 1 / 3, 2 / 3, 1])
    # with equal priors and costs the best is one false alarm or one miss in three
    assert min_dcf(target, scores, p_target=0.5) == pytest.approx(1 / 3)
    # a rare target: no false alarm may be risked, a third of targets is missed
    assert min_dcf(target, scores) == pytest.approx(1 / 3)
    # a false alarm costs nothing much: accept all but what is below 0.3
    assert min_dcf(target, scores, p_target=0.5, c_miss=10) == pytest.approx(1 / 3)
    assert min_dcf(target, scores, p_target=0.5, c_fa=0.01) == pytest.approx(1 / 3)
    # both costs are 1 unless given: two false alarms in five are cheaper than one miss in two
    uneven = [True, False, False, True, False, False, False]
    assert min_dcf(uneven, np.arange(7, 0, -1.0), p_target=0.5) == pytest.approx(2 / 5)


def test_the_rate_between_two_thresholds_is_interpolated() -> None:
    """Misses 0 → 1/2 while false alarms go 1/3 → 0: the lines meet at 1/5."""
    target = [True, True, False, False, False]
    scores = [1.0, 0.5, 0.5, 0.2, 0.1]
    assert eer(target, scores) == pytest.approx(1 / 5)


def test_extremes() -> None:
    assert eer([True, False], [1.0, 0.0]) == 0
    assert eer([True, False], [0.0, 1.0]) == 1
    assert eer([True, False], [0.5, 0.5]) == 0.5
    assert min_dcf([True, False], [1.0, 0.0]) == 0
    assert min_dcf([True, False], [0.0, 1.0]) == 1  # refusing everything costs no more


@given(trials)
@settings(deadline=None, max_examples=80)
def test_agrees_with_the_roc_of_scikit_learn(found: list[tuple[bool, int]]) -> None:
    target, scores = split(found)
    false_alarm, true_alarm, _ = roc_curve(target, scores, drop_intermediate=False)
    _, ours, miss = det_points(target, scores)
    np.testing.assert_allclose(ours[::-1], false_alarm, atol=1e-12)
    np.testing.assert_allclose(miss[::-1], 1 - true_alarm, atol=1e-12)
    grid = np.linspace(0, 1, 20_001)  # along each segment in turn
    along = np.linspace(0, len(false_alarm) - 1, len(grid))
    steps = np.arange(len(false_alarm))
    gap = np.interp(along, steps, false_alarm) - np.interp(along, steps, 1 - true_alarm)
    nearest = np.argmin(np.abs(gap))
    assert eer(target, scores) == pytest.approx(
        np.interp(along[nearest], steps, false_alarm), abs=3e-3
    )
    cost = 0.01 * (1 - true_alarm) + 0.99 * false_alarm
    assert min_dcf(target, scores) == pytest.approx(cost.min() / 0.01)


@given(trials, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_only_the_order_of_scores_counts(found: list[tuple[bool, int]], random: object) -> None:
    target, scores = split(found)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for mapped in (2 * scores + 1, np.exp(scores / 3), scores**3, np.tanh(scores / 9)):
        assert eer(target, mapped) == eer(target, scores)
        assert min_dcf(target, mapped) == min_dcf(target, scores)
    assert eer(*split(shuffled)) == eer(target, scores)
    assert eer(~target, -scores) == pytest.approx(eer(target, scores))


@given(trials, st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_a_weight_is_a_repetition(found: list[tuple[bool, int]], seed: int) -> None:
    target, scores = split(found)
    counts = np.random.default_rng(seed).integers(1, 4, len(target))
    ranking = Ranking(target, scores)
    rates = ranking.rates(counts[None, ranking.order].astype(np.float64))
    repeated = np.repeat(target, counts), np.repeat(scores, counts)
    assert rates.eer()[0] == pytest.approx(eer(*repeated))
    assert rates.min_dcf(0.05, 1.0, 2.0)[0] == pytest.approx(
        min_dcf(*repeated, p_target=0.05, c_fa=2.0)
    )


def test_a_kind_without_weight_is_undefined() -> None:
    ranking = Ranking([True, False], [1.0, 0.0])
    assert np.isnan(ranking.rates(np.array([[1.0, 0.0]])).eer()).all()


def test_a_million_trials_are_one_sort() -> None:
    generator = np.random.default_rng(0)
    target = generator.random(1_000_000) < 0.1
    scores = generator.normal(size=target.size) + 2 * target
    assert eer(target, scores) == pytest.approx(0.1587, abs=2e-3)  # Φ(-1)


def speakers_apart(distance: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    centres = distance * generator.normal(size=(12, 8))
    names = np.repeat(np.arange(12), 15)
    return centres[names] + generator.normal(size=(180, 8)), names


def test_ctals_draw_is_seeded_and_far_easier_than_a_list_of_trials() -> None:
    embeddings, names = speakers_apart(1.0)
    drawn = ge2e_eer(embeddings, names, seed=3)
    assert drawn == ge2e_eer(embeddings, names, seed=3)
    assert drawn != ge2e_eer(embeddings, names, seed=4)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    upper = np.triu_indices(len(unit), 1)
    listed = eer((names[:, None] == names)[upper], (unit @ unit.T)[upper])
    assert 0 < drawn < 0.5 * listed


def test_ctals_draw_of_speakers_that_differ_entirely() -> None:
    """Orthogonal and without spread: own cosine 1, others 0, so every threshold tells them."""
    names = np.repeat(np.arange(4), 3)
    assert ge2e_eer(np.eye(4)[names], names) == 0
    # all alike: everything is accepted below 1, and the rate is half
    assert ge2e_eer(np.ones((12, 4)), names) == 0.5


@pytest.mark.parametrize(
    "target, scores, message",
    [
        ([True], [0.1, 0.2], r"found \(1,\) and \(2,\)"),
        ([True, False], [0.1, np.nan], r"in 1 of 2 trials \(first: trial 1\)"),
        ([True, True], [0.1, 0.2], "found 2 of one among 2; error rates need both"),
    ],
)
def test_wrong_trials_are_named(target: list[bool], scores: list[float], message: str) -> None:
    with pytest.raises(CrosstoneError, match=message):
        eer(target, scores)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(CrosstoneError, match=r"expected p_target in \(0, 1\).*found p_target=1"):
        min_dcf([True, False], [1.0, 0.0], p_target=1)
    with pytest.raises(CrosstoneError, match=r"at least 4 speakers, found shape .* and 2 speakers"):
        ge2e_eer(np.eye(2), [0, 1])
    with pytest.raises(CrosstoneError, match=r"even number of utterances per speaker.*found 5"):
        ge2e_eer(np.eye(4), range(4), utterances_per_speaker=5)  # type: ignore[arg-type]
