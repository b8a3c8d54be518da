"""How often the best listener of each kind is right, as finite sums over the law's grids."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement, permutations

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpora.twokey.law import CUES, EMOTIONS, VALENCES, Cue, Law

Array = NDArray[np.float64]

KINDS_OF_ADDITION = 4488
"""Triangulations of the product of a triangle and a tetrahedron, all of them regular
(De Loera, Rambau and Santos 2010): the ways in which f can order three words and four emotions."""


def ceilings(law: Law, cues: Sequence[Cue] = CUES) -> dict[str, float]:
    """The accuracy of the best listener of each kind, who knows the law and the speaker's voice.

    words, delivery: knows what is said, or only how (the steps of all `cues`). joint: knows both;
    bounds every listener. additive: decides by the largest f_c(words) + g_c(delivery), with f and
    g of greatest likelihood: what a linear head on both views tends to under cross entropy.
    additive_best: the same form, with f and g of greatest accuracy: bounds every additive listener.
    """
    observed = observation_probabilities(law, cues)
    return {
        "words": float(observed.sum(2).max(0).sum()),
        "delivery": float(observed.sum(1).max(0).sum()),
        "additive": likeliest_additive(observed),
        "additive_best": best_additive(observed),
        "joint": float(observed.max(0).sum()),
    }


def observation_probabilities(law: Law, cues: Sequence[Cue] = CUES) -> Array:
    """(emotion, shown words, heard delivery) probabilities.

    Deliveries that have the same likelihood ratios between low, middle and high tell every
    listener the same and are pooled; the ceilings do not change.
    """
    heard = np.ones((3, 1))
    for cue in cues:
        heard = _pool((heard[:, :, None] * cue.probabilities()[:, None, :]).reshape(3, -1))
    channel = law.channel()
    observed: Array = np.einsum(
        "evd,vw,do->ewo", law.key_probabilities(), channel, channel @ heard, optimize=True
    )
    return observed


def likeliest_additive(observed: Array) -> float:
    """The accuracy of argmax f_c(words) + g_c(delivery) where f and g maximise the likelihood.

    observed (emotion, words, delivery). The likelihood is concave and is maximised by L-BFGS;
    the accuracy is then an exact sum.
    """
    scores = likeliest_scores(observed)
    return float(np.take_along_axis(observed, scores.argmax(0)[None], 0).sum())


def likeliest_scores(observed: Array) -> Array:
    """(emotion, words, delivery) log-probabilities that the likeliest additive listener gives."""
    from scipy.optimize import minimize  # the speaking children import this package, and wait

    emotions, words, deliveries = observed.shape
    total = observed.sum(0)

    def log_probabilities(parameters: Array) -> Array:
        f = parameters[: emotions * words].reshape(emotions, words, 1)
        g = parameters[emotions * words :].reshape(emotions, 1, deliveries)
        scores = f + g
        scores = scores - scores.max(0)
        result: Array = scores - np.log(np.exp(scores).sum(0))
        return result

    def loss(parameters: Array) -> tuple[float, Array]:
        scores = log_probabilities(parameters)
        gap = total * np.exp(scores) - observed
        return -float((observed * scores).sum()), np.append(gap.sum(2), gap.sum(1))

    start = np.zeros(emotions * (words + deliveries))
    options = {"maxiter": 5000, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return log_probabilities(found.x)


def best_additive(observed: Array) -> float:
    """The greatest accuracy of argmax f_c(words) + g_c(delivery) over all f and g, exactly.

    observed (4 emotions, 3 words, deliveries). For a given f, some g makes the listener answer
    (a, b, c) to the three words exactly when no other order of the same answers has a larger sum
    of f; so f matters only by the order it prefers for each multiset of answers. There are 4,488
    such kinds of f; for each, every delivery takes the answers that are right most often.
    """
    answers = _all_answers()
    right = sum(observed[answers[:, word], word] for word in range(len(VALENCES)))
    kinds = _kinds_of_addition()
    rows = max(1, 1_000_000 // (kinds.shape[1] * observed.shape[2]))
    parts = [kinds[first : first + rows] for first in range(0, len(kinds), rows)]
    return float(max(right[part].max(1).sum(1).max() for part in parts))


@lru_cache(maxsize=1)
def _kinds_of_addition() -> NDArray[np.int64]:
    """(4488, 20) rows of `_all_answers` that are within reach, for each kind of f.

    Drawn until all kinds have been met; the rarest turns up about once in ten thousand.
    """
    answers = _all_answers()
    index = {tuple(row): number for number, row in enumerate(answers.tolist())}
    orders = [
        [index[order] for order in sorted(set(permutations(multiset)))]
        for multiset in combinations_with_replacement(range(len(EMOTIONS)), len(VALENCES))
    ]
    rng = np.random.default_rng(0)
    kinds = np.empty((0, len(orders)), dtype=np.int64)
    while len(kinds) < KINDS_OF_ADDITION:
        f = rng.normal(size=(len(EMOTIONS), len(VALENCES), 40_000))
        sums = sum(f[answers[:, word], word] for word in range(len(VALENCES)))
        preferred = [np.array(order)[sums[order].argmax(0)] for order in orders]
        kinds = np.unique(np.concatenate([kinds, np.stack(preferred, 1)]), axis=0)
    return kinds


def _all_answers() -> NDArray[np.int64]:
    """(64, 3): every way to answer the three words."""
    grid = np.indices((len(EMOTIONS),) * len(VALENCES))
    return np.asarray(grid.reshape(len(VALENCES), -1).T, np.int64)


def _pool(heard: Array) -> Array:
    ratios = np.round(heard / heard.sum(0), 9)
    _, where = np.unique(ratios, axis=1, return_inverse=True)
    return np.stack([np.bincount(where.ravel(), weights=row) for row in heard])
