"""How well scores tell trials of one speaker from trials of two: EER, detection cost, DET points.

A trial is accepted where its score reaches the threshold. Everything follows from one sort of the
scores, so a metric costs O(n log n), and only their order counts: a strictly monotone map changes
nothing. Trials of equal score are accepted together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosstone.errors import CrosstoneError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRates:
    """Misses and false alarms at every threshold, for R weightings of the same trials.

    miss, false_alarm (R, k + 1): nothing rejected first, everything rejected last; NaN where the
    weights leave no trial of that kind. thresholds (k + 1,): the distinct scores rising, then inf.
    """

    thresholds: Floats
    miss: Floats
    false_alarm: Floats

    def eer(self) -> Floats:
        """Where misses equal false alarms, on straight lines between the thresholds, (R,)."""
        gap = self.miss - self.false_alarm
        after = np.argmax(gap >= 0, axis=1)  # gap rises from -1 to 1
        rows = np.arange(len(gap))
        before = np.maximum(after - 1, 0)
        low, high = gap[rows, before], gap[rows, after]
        with np.errstate(invalid="ignore", divide="ignore"):
            part = -low / (high - low)
        start, end = self.false_alarm[rows, before], self.false_alarm[rows, after]
        return np.asarray(start + part * (end - start), dtype=np.float64)

    def min_dcf(self, p_target: float, c_miss: float, c_fa: float) -> Floats:
        """The least normalised detection cost over all thresholds, (R,)."""
        cost = c_miss * p_target * self.miss + c_fa * (1 - p_target) * self.false_alarm
        return np.asarray(cost.min(axis=1) / min(c_miss * p_target, c_fa * (1 - p_target)))


class Ranking:
    """Trials in the order of their scores, sorted once and weighed as often as needed."""

    def __init__(self, target: ArrayLike, scores: ArrayLike) -> None:
        """target (n,) True where both sides are one speaker; scores (n,), higher is more alike.

        Raises CrosstoneError for unequal lengths, scores that are not finite, or where trials of
        one kind are missing.
        """
        is_target, values = _checked(target, scores)
        self.order: NDArray[np.int64] = np.argsort(values, kind="stable")
        """(n,) the trial at each rank, lowest score first."""
        self.target: Bools = is_target[self.order]
        ordered = values[self.order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        self._thresholds = np.append(ordered[last], np.inf)
        kinds = [np.flatnonzero(self.target), np.flatnonzero(~self.target)]
        self._kinds = [(k, np.append(0, np.searchsorted(k, last, side="right"))) for k in kinds]

    def rates(self, weights: Floats | None = None) -> ErrorRates:
        """Error rates under weights (R, n) in the order of the ranks; by default 1 each.

        A weight says how often a trial counts.
        """
        ranked = np.ones((1, len(self.order))) if weights is None else weights
        rejected = []
        for columns, below in self._kinds:
            sums = np.zeros((len(ranked), len(columns) + 1))
            np.cumsum(ranked[:, columns], axis=1, out=sums[:, 1:])
            total = sums[:, -1:]
            rejected.append((sums / np.where(total > 0, total, np.nan))[:, below])
        miss, true_rejection = rejected
        return ErrorRates(self._thresholds, miss, 1 - true_rejection)


def eer(target: ArrayLike, scores: ArrayLike) -> float:
    """Equal error rate of a list of trials: the rate at which misses equal false alarms.

    Raises as `Ranking` does.
    """
    return float(Ranking(target, scores).rates().eer()[0])


def min_dcf(
    target: ArrayLike,
    scores: ArrayLike,
    *,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> float:
    """Least detection cost over thresholds, divided by that of the better constant answer.

    From 0 to 1. p_target: the prior of a target trial, c_miss and c_fa: what each error costs.
    Raises as `Ranking` does, and for a prior outside of (0, 1) or a cost that is not positive.
    """
    if not 0 < p_target < 1 or c_miss <= 0 or c_fa <= 0:
        raise CrosstoneError(
            f"min_dcf: expected p_target in (0, 1) and positive costs, found p_target={p_target}, "
            f"c_miss={c_miss}, c_fa={c_fa}"
        )
    return float(Ranking(target, scores).rates().min_dcf(p_target, c_miss, c_fa)[0])


def det_points(target: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Thresholds, false-alarm rates and miss rates of the DET curve, each (k + 1,).

    One point per distinct score (trials that reach it are accepted) and one where nothing is.
    Raises as `Ranking` does.
    """
    rates = Ranking(target, scores).rates()
    return rates.thresholds, rates.false_alarm[0], rates.miss[0]


def ge2e_eer(
    embeddings: ArrayLike,
    speakers: ArrayLike,
    *,
    seed: int = 0,
    rounds: int = 10,
    speakers_per_draw: int = 4,
    utterances_per_speaker: int = 50,
) -> float:
    """The equal error rate of CTAL's released code, against centroids of a few drawn speakers.

    embeddings (n, D), speakers (n,). Each of `rounds` times as many draws as there are speakers
    takes 4 speakers and, with replacement, 50 utterances of each; the first half makes a centroid,
    the second half is compared with all 4 by cosine, and with its own speaker's centroid of the
    rest of the second half. A draw's rate is (false alarms + misses) / 2 where they are nearest to
    each other among the thresholds 0, 0.01, …, 1, and the result is the mean over draws. Four
    speakers against centroids are far easier than pairs of utterances: the same embeddings gave
    0.007 here and 0.063 by `eer`, so the two are never compared. The released code draws without a
    seed. Raises CrosstoneError for fewer speakers than a draw needs.
    """
    vectors, names = np.asarray(embeddings, dtype=np.float64), np.asarray(speakers)
    found, index = np.unique(names, return_inverse=True)
    if vectors.ndim != 2 or len(vectors) != names.size or len(found) < speakers_per_draw:
        raise CrosstoneError(
            f"ge2e_eer: expected embeddings (items, width) with a speaker each, of at least "
            f"{speakers_per_draw} speakers, found shape {vectors.shape} and {len(found)} speakers"
        )
    if utterances_per_speaker % 2 or utterances_per_speaker < 4:
        raise CrosstoneError(
            "ge2e_eer: expected an even number of utterances per speaker, at least 4, found "
            f"{utterances_per_speaker}"
        )
    members = [np.flatnonzero(index == k) for k in range(len(found))]
    generator = np.random.default_rng(seed)
    rates = []
    for _ in range(rounds * len(found)):
        drawn = generator.choice(len(found), speakers_per_draw, replace=False)
        rows = [generator.choice(members[k], utterances_per_speaker) for k in drawn]
        rates.append(_draw_rate(vectors[np.stack(rows)]))
    return float(np.mean(rates))


def _draw_rate(drawn: Floats) -> float:
    """The error rate of one draw (S, U, D)."""
    half = drawn.shape[1] // 2
    enrolled, asked = drawn[:, :half].mean(axis=1), drawn[:, half:]
    similarity = np.einsum("sud,kd->suk", _unit(asked), _unit(enrolled))
    others = (asked.sum(axis=1, keepdims=True) - asked) / (asked.shape[1] - 1)
    own = np.arange(len(drawn))
    similarity[own, :, own] = (_unit(asked) * _unit(others)).sum(axis=-1)
    is_own = np.broadcast_to(np.eye(len(drawn), dtype=bool)[:, None], similarity.shape)
    accepted = similarity[..., None] > np.linspace(0, 1, 101)
    miss = 1 - accepted[is_own].mean(axis=0)
    false_alarm = accepted[~is_own].mean(axis=0)
    nearest = int(np.argmin(np.abs(false_alarm - miss)))
    return float(false_alarm[nearest] + miss[nearest]) / 2


def _unit(vectors: Floats) -> Floats:
    lengths: Floats = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def _checked(target: ArrayLike, scores: ArrayLike) -> tuple[Bools, Floats]:
    is_target, values = np.asarray(target), np.asarray(scores, dtype=np.float64)
    if is_target.shape != values.shape or values.ndim != 1:
        raise CrosstoneError(
            f"trials: expected target and scores of one shape (trials,), found {is_target.shape} "
            f"and {values.shape}; give one of each per trial"
        )
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise CrosstoneError(
            f"trials: expected finite scores, found NaN or infinity in {wrong.size} of "
            f"{values.size} trials (first: trial {wrong[0]}); the model that made them has diverged"
        )
    is_target = is_target.astype(bool)
    if not is_target.any() or is_target.all():
        raise CrosstoneError(
            f"trials: expected trials of one and of two speakers, found {int(is_target.sum())} of "
            f"one among {values.size}; error rates need both"
        )
    return is_target, values
