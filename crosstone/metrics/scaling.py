"""Probabilities made believable after training: temperature and vector scaling.

Both (Guo et al. 2017, §4.2) act on logits; here on logarithms of probabilities, which are logits up
to a constant of each item. The softmax forgets that constant, so a temperature is the same; vector
scaling, whose scales differ by class, would not be, and is defined by this choice of it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]
Method = Literal["temperature", "vector"]

TEMPERATURES = (0.05, 20.0)
"""Between these a temperature is sought: where no item is wrong, none would be small enough."""

FEWEST = 20
"""Items below which nothing is fitted."""

_PARTS = 5

_PENALTY = 1e-3
"""Of vector scaling: holds what the items leave open near the temperature's solution."""

_SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Scaling:
    """softmax(scale · log p + bias), the same scale for every class where it is a temperature."""

    scale: tuple[float, ...]
    """By class."""
    bias: tuple[float, ...]
    """By class; a bias of all classes alike says nothing, so they sum to 0."""

    def apply(self, probabilities: ArrayLike) -> Floats:
        """Probabilities (…, C) → calibrated ones."""
        scaled = np.multiply(self.scale, logarithms(probabilities)) + self.bias
        out: Floats = softmax(scaled, axis=-1)
        return out


def fit_scaling(method: Method, target: ArrayLike, probabilities: ArrayLike) -> Scaling:
    """The scaling with the least NLL: target (n,) class indices, probabilities (n, C).

    Raises CrosstoneError where there are fewer than 20 items.
    """
    chosen, logits = np.asarray(target, dtype=np.int64), logarithms(probabilities)
    if len(chosen) < FEWEST:
        raise CrosstoneError(
            f"calibration: expected at least {FEWEST} labelled utterances, found {len(chosen)}; "
            "calibrate on more"
        )
    classes = logits.shape[1]
    inverse = 1 / _temperature(chosen, logits)
    if method == "temperature":
        return Scaling((inverse,) * classes, (0.0,) * classes)
    return _vector(chosen, logits, inverse)


def fit_apart(
    method: Method, target: ArrayLike, probabilities: ArrayLike, units: ArrayLike
) -> Floats:
    """Each item's probabilities (n, C) under a scaling that was fitted without its unit's part.

    units (n,) names what belongs together; they are dealt into at most five parts in the order of
    their names. Raises CrosstoneError where there is one unit, or too few items without a part.
    """
    chosen, given = np.asarray(target, dtype=np.int64), np.asarray(probabilities, np.float64)
    names, number = np.unique(np.asarray(units, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        raise CrosstoneError(
            "calibration: expected at least 2 groups, so that one may be judged by the others, "
            f"found {len(names)}; calibrate on more"
        )
    part = number.ravel() % _PARTS
    out = np.empty_like(given)
    for k in np.unique(part):
        rest = part != k
        out[~rest] = fit_scaling(method, chosen[rest], given[rest]).apply(given[~rest])
    return out


def nll(target: NDArray[np.int64], logits: Floats) -> float:
    """Mean negative log likelihood in nats of logits (n, C)."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(target)), target].mean())


def logarithms(probabilities: ArrayLike) -> Floats:
    """log p, of p below the smallest number that of this number."""
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST))


def _temperature(target: NDArray[np.int64], logits: Floats) -> float:
    """NLL is convex in the inverse temperature, so it has one lowest place."""
    low, high = TEMPERATURES
    found = minimize_scalar(
        lambda inverse: nll(target, inverse * logits),
        bounds=(1 / high, 1 / low),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(1 / found.x)


def _vector(target: NDArray[np.int64], logits: Floats, inverse: float) -> Scaling:
    rows, classes = logits.shape
    hits = np.eye(classes)[target]

    def loss(weights: Floats) -> tuple[float, Floats]:
        scale, bias = weights[:classes], weights[classes:]
        scaled = scale * logits + bias
        gaps = (softmax(scaled, axis=1) - hits) / rows
        away = np.concatenate([scale - inverse, bias])
        gradient = np.concatenate([(gaps * logits).sum(0), gaps.sum(0)]) + 2 * _PENALTY * away
        return nll(target, scaled) + _PENALTY * float(away @ away), gradient

    start = np.concatenate([np.full(classes, inverse), np.zeros(classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    scale, bias = found[:classes], found[classes:]
    return Scaling(tuple(map(float, scale)), tuple(map(float, bias - bias.mean())))
