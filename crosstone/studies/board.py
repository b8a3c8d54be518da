"""The claim board: every sentence of a study tried on its systems, all corrected together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    LOWER_IS_BETTER,
    Interval,
    Replicates,
    Sample,
    SeedDraws,
    bootstrap_replicates,
    canonical_name,
)
from crosstone.reports.chance import Chance, can_tell, chance_of, corrected, least_p
from crosstone.reports.comparison import System, gathered
from crosstone.reports.wording import METRICS, count, number
from crosstone.scoring.clusters import Clusters
from crosstone.scoring.measures import statistics_of
from crosstone.scoring.pairing import pair_scores
from crosstone.scoring.predictions import Predictions
from crosstone.studies.study import CHANCE, Claim, Study
from crosstone.studies.study import System as Training

Outcome = Literal["held", "did not hold", "not decided", "not tried"]

MARKS: Mapping[Outcome, str] = {
    "held": "✓",
    "did not hold": "✗",
    "not decided": "?",
    "not tried": "–",
}
"""Outcome → what stands before its word."""


Hypothesis = tuple[str, str, str, float]
"""What a comparison tests, whichever claims ask it: two systems, a metric and the effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One comparison of a claim: its first system against one of the others."""

    first: str
    over: str
    """The other's name, or a ceiling in words."""
    metric: str
    effect: Interval
    """Above 0 is better, whichever way the metric runs."""
    p: float
    """Of an effect of the claim's `by`."""
    p_corrected: float
    """After Holm, over all comparisons of the board, each counted once."""
    least_p: float
    """The smallest corrected p that so many clusters, or draws, allow."""
    by: str
    clusters: int
    test: str
    """What p comes from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A claim, and what became of it."""

    claim: Claim
    outcome: Outcome
    tried: tuple[Tried, ...] = ()
    remarks: tuple[str, ...] = ()
    """Why it was not tried or cannot be decided."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Draft:
    """What is known of a comparison before all are corrected together."""

    first: str
    over: str
    metric: str
    by: float
    effect: Interval
    chance: Chance
    level: float

    @property
    def asked(self) -> Hypothesis:
        return _hypothesis(self.first, self.over, self.metric, self.by)


def try_claims(
    study: Study, systems: Mapping[str, System], left_out: Mapping[str, str]
) -> tuple[Entry, ...]:
    """Every claim of a study with its outcome.

    Held: each comparison has a corrected p below 1 - level and an interval wholly above `by`. Did
    not hold: the interval of one lies wholly below the smallest gain that the claim can mean. A
    claim of a metric that is not measured is not tried. Holm counts a comparison once, however many
    claims ask it and whichever way round. The seeds of two systems that are one training are drawn
    together. left_out: why a system was not trained.
    """
    claims = study.claims
    trainings = {system.name: system for system in study.systems}
    drafts = [_drafts(claim, systems, left_out, trainings) for claim in claims]
    flat = [draft for found in drafts if not isinstance(found, str) for draft in found]
    chances: dict[Hypothesis, Chance] = {}
    for draft in flat:
        chances.setdefault(draft.asked, draft.chance)
    ps = dict(zip(chances, corrected(list(chances.values()), "holm"), strict=True))
    entries = []
    for claim, found in zip(claims, drafts, strict=True):
        if isinstance(found, str):
            entries.append(Entry(claim=claim, outcome="not tried", remarks=(found,)))
        else:
            entries.append(_entry(claim, found, [ps[draft.asked] for draft in found]))
    return tuple(entries)


def num_comparisons(entries: Sequence[Entry]) -> int:
    """How many comparisons the board is corrected over."""
    return len(
        {
            _hypothesis(one.first, one.over, one.metric, entry.claim.by)
            for entry in entries
            for one in entry.tried
        }
    )


def _hypothesis(first: str, over: str, metric: str, by: float) -> Hypothesis:
    """A two-sided test of no difference is the same from either side."""
    one, other = (first, over) if by else sorted((first, over))
    return one, other, metric, by


def _drafts(
    claim: Claim,
    systems: Mapping[str, System],
    left_out: Mapping[str, str],
    trainings: Mapping[str, Training],
) -> list[_Draft] | str:
    """The comparisons of a claim, or why it cannot be tried."""
    missing = [name for name in (claim.first, *claim.over) if name not in systems]
    if missing:
        return "; ".join(f"{name}: {left_out.get(name, 'not trained')}" for name in missing)
    first = systems[claim.first]
    if claim.ceiling:
        return _of_ceiling(claim, first)
    try:
        return [
            _of_pair(
                claim,
                first,
                systems[name],
                "together" if trainings[claim.first].shares_training(trainings[name]) else "apart",
            )
            for name in claim.over
        ]
    except CrosstoneError as error:
        return str(error)


def _of_pair(claim: Claim, first: System, over: System, seeds: SeedDraws) -> _Draft:
    pair = pair_scores(first.scores, over.scores, (first.name, over.name))
    drawn = pair.replicates(seeds=seeds)
    metric = canonical_name(claim.metric) or first.scores.headline
    if metric not in drawn:
        said = METRICS.get(metric, metric)
        raise CrosstoneError(f"the claim is of {said}, which is not measured here")
    sign, found = -1 if metric in LOWER_IS_BETTER else 1, drawn[metric]
    better = Replicates(sign * found.observed, sign * found.drawn)
    return _Draft(
        first=first.name,
        over=over.name,
        metric=metric,
        by=claim.by,
        effect=better.estimate(first.scores.level).mean,
        chance=_by_draws(better, claim.by, pair.clusters)
        if claim.by
        else chance_of(pair, metric, found),
        level=first.scores.level,
    )


def _of_ceiling(claim: Claim, first: System) -> list[_Draft] | str:
    """One system against the best score that a listener of a kind can reach, which is exact."""
    (alone,) = gathered([first])
    scores = first.scores
    ceilings, metric, said = alone.ceilings, alone.ceiling_metric, "the exact ceiling of "
    if claim.ceiling == CHANCE and scores.labels:
        ceilings, metric, said = {CHANCE: 1 / len(scores.labels)}, "ua", ""
    if claim.ceiling not in ceilings or not isinstance(scores.sample, Sample):
        return f"{first.name}: its corpus states no ceiling '{claim.ceiling}'"
    assert isinstance(scores.predictions, Predictions)
    _, score, _ = statistics_of(scores.predictions)
    drawn = bootstrap_replicates(
        scores.sample, score, replicates=scores.replicates, seed=scores.seed
    )
    found, bound = drawn[metric], ceilings[claim.ceiling]
    above = Replicates(found.observed - bound, found.drawn - bound)
    return [
        _Draft(
            first=first.name,
            over=f"{said}{claim.ceiling}, {number(bound)}",
            metric=metric,
            by=claim.by,
            effect=above.estimate(scores.level).mean,
            chance=_by_draws(above, claim.by, scores.clusters),
            level=scores.level,
        )
    ]


def _by_draws(better: Replicates, by: float, clusters: Clusters) -> Chance:
    """The chance of an effect of `by`, where there is nothing to exchange: a system and a ceiling,
    or two systems that are claimed to be so far apart."""
    moved = Replicates(better.observed - by, better.drawn - by)
    against = f", against an effect of {by:+g}" if by else ""
    return Chance(
        p=moved.p_value(),
        test=f"drawing {count(clusters.count, clusters.by)}{against}",
        least=least_p(clusters, moved),
        clusters=clusters,
    )


def _entry(claim: Claim, drafts: list[_Draft], ps: list[tuple[float, float]]) -> Entry:
    tried, held, failed, remarks = [], True, False, []
    for draft, (p, least) in zip(drafts, ps, strict=True):
        effect, clusters = draft.effect, draft.chance.clusters
        units = count(clusters.count, clusters.by)
        tells = can_tell(least, draft.level)
        if not math.isfinite(effect.low):
            remarks.append(f"no interval can be drawn over {units}")
        elif not tells:
            remarks.append(f"cannot be told with {units}: the least corrected p is {least:.3g}")
        held = held and tells and p < 1 - draft.level and effect.low > claim.by
        failed = failed or (tells and effect.high < claim.smallest)
        tried.append(
            Tried(
                first=draft.first,
                over=draft.over,
                metric=draft.metric,
                effect=effect,
                p=draft.chance.p,
                p_corrected=p,
                least_p=least,
                by=clusters.by,
                clusters=clusters.count,
                test=draft.chance.test,
            )
        )
    return Entry(
        claim=claim,
        outcome="held" if held else "did not hold" if failed else "not decided",
        tried=tuple(tried),
        remarks=tuple(dict.fromkeys(remarks)),
    )
