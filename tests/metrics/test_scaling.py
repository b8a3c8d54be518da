"""Temperature and vector scaling against scipy, and the laws that they keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from crosstone.errors import CrosstoneError
from crosstone.metrics.scaling import fit_apart, fit_scaling, logarithms, nll


def overconfident(count: int = 400, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Targets drawn from softmax(z), and softmax(2.5 z): a temperature of 2.5 is the truth."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, classes))
    target = (softmax(logits, 1).cumsum(1) > rng.random((count, 1))).argmax(1)
    return target, softmax(2.5 * logits, axis=1)


def test_the_temperature_minimises_nll_as_scipy_finds_it() -> None:
    target, given_ = overconfident()
    logits = np.log(given_)
    found = fit_scaling("temperature", target, given_)
    reference = minimize(
        lambda b: -log_softmax(b[0] * logits, 1)[np.arange(len(target)), target].mean(),
        [1.0],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-14},
    )
    assert found.scale == pytest.approx([reference.x[0]] * 4, rel=1e-5)
    assert 1 / found.scale[0] == pytest.approx(2.5, rel=0.15)
    assert found.bias == (0.0,) * 4


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_scaling_makes_nll_no_worse(method: str) -> None:
    target, given_ = overconfident(seed=1)
    scaled = fit_scaling(method, target, given_).apply(given_)  # type: ignore[arg-type]
    assert scaled.sum(1) == pytest.approx(np.ones(len(target)))
    assert nll(target, np.log(scaled)) < nll(target, np.log(given_))


def test_vector_scaling_finds_biases_that_a_temperature_cannot() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1, (4000, 3))
    target = (softmax(logits, 1).cumsum(1) > rng.random((4000, 1))).argmax(1)
    given_ = softmax(logits + np.array([1.0, 0.0, -1.0]), axis=1)
    temperature, vector = (fit_scaling(m, target, given_) for m in ("temperature", "vector"))
    assert vector.bias == pytest.approx([-1, 0, 1], abs=0.15)
    gain = [nll(target, np.log(s.apply(given_))) for s in (temperature, vector)]
    assert gain[1] < gain[0] - 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_a_temperature_leaves_the_order_of_the_classes(seed: int, classes: int) -> None:
    target, given_ = overconfident(40, classes, seed)
    scaled = fit_scaling("temperature", target, given_).apply(given_)
    assert (scaled.argsort(1) == given_.argsort(1)).all()


def test_where_none_is_wrong_the_temperature_stays_finite() -> None:
    given_ = np.tile([[0.9, 0.1], [0.2, 0.8]], (10, 1))
    found = fit_scaling("temperature", [0, 1] * 10, given_)
    assert found.scale[0] == pytest.approx(20, rel=1e-3)
    assert np.isfinite(found.apply([[1.0, 0.0]])).all()
    assert np.isfinite(logarithms([0.0])).all()


def test_each_part_is_scaled_by_the_others() -> None:
    target, given_ = overconfident(100)
    units = [f"g{i % 5}" for i in range(100)]
    scaled = fit_apart("temperature", target, given_, units)
    own = np.arange(100) % 5 == 3
    others = fit_scaling("temperature", target[~own], given_[~own])
    np.testing.assert_array_equal(scaled[own], others.apply(given_[own]))
    changed = target.copy()
    changed[own] = 0  # what its own group is said to be changes nothing for it
    np.testing.assert_array_equal(
        fit_apart("temperature", changed, given_, units)[own], scaled[own]
    )


def test_too_few_are_refused() -> None:
    target, given_ = overconfident(19)
    with pytest.raises(CrosstoneError, match="at least 20 labelled utterances, found 19"):
        fit_scaling("vector", target, given_)
    with pytest.raises(CrosstoneError, match="at least 2 groups"):
        fit_apart("vector", target, given_, ["one"] * 19)
