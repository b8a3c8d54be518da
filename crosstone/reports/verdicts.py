"""Whether systems on the same items really differ: one sentence per pair, and its numbers."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crosstone.errors import CrosstoneError
from crosstone.metrics import (
    LOWER_IS_BETTER,
    Interval,
    Needed,
    Replicates,
    canonical_name,
    needed_items,
)
from crosstone.reports.chance import Chance, Correction, can_tell, chance_of, corrected
from crosstone.reports.comparison import System, find_system
from crosstone.reports.wording import (
    METRICS,
    bracket,
    count,
    enumerate_words,
    number,
    percent,
)
from crosstone.scoring.pairing import Pair, pair_scores
from crosstone.scoring.score import plain

_CALLED = {"holm": "Holm", "bh": "Benjamini and Hochberg"}
POWER = 0.8
_MADE = (
    *("protocol", "corpus", "selection", "scored", "transductive", "task", "items", "intervals"),
)
"""What scores.json says of how a number was made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One pair: first minus second in one metric, and whether it is more than chance."""

    first: str
    second: str
    metric: str
    difference: Interval
    """Over clusters, and over seeds where a system has several."""
    p: float
    p_corrected: float
    least_p: float
    """The smallest corrected p that the clusters allow, however large the difference."""
    by: str
    clusters: int
    """How many of which unit were drawn and exchanged."""
    test: str
    """What p comes from."""
    mcnemar_p: float | None
    """Of accuracy, by exchanging whole clusters; McNemar's exact test where each is one item. None
    without classes or with several seeds."""
    seeds: tuple[int, int]
    needed: Needed
    """For the asked difference, or the one that was found."""
    detect: float | None
    items: int
    real: bool
    """The corrected p is below 1 - level, and the interval excludes 0."""
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """All pairs of some systems in one metric."""

    systems: tuple[System, ...]
    metric: str
    correction: Correction
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, null for what is undefined."""
        document = {
            "metric": self.metric,
            "lower_is_better": self.metric in LOWER_IS_BETTER,
            "level": self.systems[0].scores.level,
            "power": POWER,
            "correction": self.correction,
            "pairs": len(self.verdicts),
            "systems": [
                {
                    "name": system.name,
                    "folder": str(system.folder),
                    **asdict(system.scores.metrics[self.metric].mean),
                    "pooled": system.scores.metrics[self.metric].pooled.value,
                    **system.scores.spread(self.metric),
                    "runs": len(system.scores.runs),
                    "by": system.scores.clusters.by,
                    "clusters": system.scores.clusters.count,
                    "made": {key: made[key] for key in _MADE},
                }
                for system in self.systems
                for made in (system.scores.as_dict(),)
            ],
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "notes": list(self.notes),
        }
        content: dict[str, Any] = plain(document)
        return content


def judge(
    systems: Sequence[System],
    *,
    metric: str | None = None,
    baseline: str | Path | None = None,
    detect: float | None = None,
    correction: Correction = "holm",
) -> Judgement:
    """Every pair of systems (or each against the baseline) in one metric, by default the headline.

    p comes from exchanging whole clusters between the two (`paired_permutation`), for trials from
    the bootstrap over speakers, and is corrected over all pairs. detect: the difference whose
    needed number of utterances is asked, by default the one that was found. Raises CrosstoneError
    for fewer than two systems, other items, an unknown metric, or a difference not above 0.
    """
    if len(systems) < 2:
        raise CrosstoneError(
            f"compare: expected at least two run sets, found {len(systems)}; name their folders"
        )
    if detect is not None and not (detect > 0 and math.isfinite(detect)):
        raise CrosstoneError(
            f"compare: --detect: expected a difference above 0, found {detect:g}; give the "
            "smallest one that would matter, such as 0.02"
        )
    asked = canonical_name(metric) if metric else systems[0].scores.headline
    pairs = list(itertools.combinations(systems, 2))
    if baseline is not None:
        base = find_system(systems, baseline)
        pairs = [(system, base) for system in systems if system is not base]
    drafts = [_draft(one, other, asked, detect) for one, other in pairs]
    ps = corrected([draft.chance for draft in drafts], correction)
    by = f"({_CALLED[correction]} over {count(len(drafts), 'pair')})"
    verdicts = tuple(_verdict(d, *p, by) for d, p in zip(drafts, ps, strict=True))
    return Judgement(
        systems=tuple(systems),
        metric=asked,
        correction=correction,
        verdicts=verdicts,
        notes=tuple(_notes(systems, drafts, verdicts)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Draft:
    """What is known of a pair before all are corrected together."""

    first: System
    second: System
    metric: str
    detect: float | None
    difference: Interval
    chance: Chance
    mcnemar_p: float | None
    needed: Needed


def _draft(first: System, second: System, metric: str, detect: float | None) -> _Draft:
    pair = pair_scores(first.scores, second.scores, (first.name, second.name))
    drawn = pair.replicates()
    if metric not in drawn:
        raise CrosstoneError(
            f"compare: expected a metric among {', '.join(drawn)}, found {metric!r}"
        )
    found, by_mcnemar = drawn[metric], pair.mcnemar()
    return _Draft(
        first=first,
        second=second,
        metric=metric,
        detect=detect,
        difference=found.estimate(first.scores.level).mean,
        chance=chance_of(pair, metric, found),
        mcnemar_p=None if by_mcnemar is None else by_mcnemar.p,
        needed=_needed(pair, found, metric, detect),
    )


def _needed(pair: Pair, found: Replicates, metric: str, detect: float | None) -> Needed:
    scores = pair.first
    several = max(_num_seeds(pair.first.runs), _num_seeds(pair.second.runs)) > 1
    kept = pair.replicates(seeds="kept")[metric] if several else found
    alone = pair.by_item().get(metric)
    needed = needed_items(
        float(found.observed[0]) if detect is None else detect,
        kept.variance(),
        item_variance=math.nan if alone is None else alone.variance(),
        num_items=scores.num_items,
        num_clusters=pair.clusters.count,
        seed_variance=max(0.0, found.variance() - kept.variance()),
        power=POWER,
        level=scores.level,
    )
    if pair.trials is not None and needed.clusters is not None:  # all pairs of so many speakers
        times = (needed.clusters / pair.clusters.count) ** 2
        needed = replace(needed, items=math.ceil(scores.num_items * times))
    return needed


def _verdict(draft: _Draft, p_corrected: float, least_p: float, by: str) -> Verdict:
    scores, chance = draft.first.scores, draft.chance
    units = count(chance.clusters.count, chance.clusters.by)
    seeds = (_num_seeds(scores.runs), _num_seeds(draft.second.scores.runs))
    real = p_corrected < 1 - scores.level and draft.difference.excludes(0.0)
    better, worse = draft.first.name, draft.second.name
    sign = -1 if draft.metric in LOWER_IS_BETTER else 1
    if sign * draft.difference.value < 0:
        better, worse = worse, better
    of = {1: " of these two trainings"}.get(max(seeds), " of these trainings")
    claim = (
        f"{better} is better than {worse}, and the difference{of if min(seeds) == 1 else ''} is "
        "real"
    )
    if not real:
        claim = f"{better} is not shown to be better than {worse}, the difference may be chance"
    if not can_tell(least_p, scores.level):
        claim = f"whether {better} is better than {worse} cannot be told with {units}"
        if math.isfinite(least_p):
            claim += f" (the least p they allow is {least_p:.3g} {by})"
    if draft.difference.value == 0:
        claim = f"{better} and {worse} are not shown to differ"
    over = units
    if max(seeds) > 1:
        over += f" and {seeds[0]} + {seeds[1]} seeds"
    interval = f"(no interval can be drawn over {over})"
    if ends := bracket(draft.difference, True):
        interval = f"{ends} ({percent(scores.level)} interval over {over})"
    mcnemar = ""
    if draft.mcnemar_p is not None:
        kind = "McNemar's exact p of accuracy"
        if (by_unit := draft.chance.clusters.by) != "item":
            kind = f"exact p of accuracy, whole {by_unit}s exchanged,"
        mcnemar = f", {kind} {_p(draft.mcnemar_p)}"
    sentence = (
        f"{claim}: {draft.first.name} − {draft.second.name} is "
        f"{number(draft.difference.value, True)} {METRICS.get(draft.metric, draft.metric)} "
        f"{interval}, "
        f"p {_p(chance.p)} by {chance.test}, corrected p {_p(p_corrected)} {by}{mcnemar}; "
        f"{_data(draft)}."
    )
    return Verdict(
        first=draft.first.name,
        second=draft.second.name,
        metric=draft.metric,
        difference=draft.difference,
        p=chance.p,
        p_corrected=p_corrected,
        least_p=least_p,
        by=chance.clusters.by,
        clusters=chance.clusters.count,
        test=chance.test,
        mcnemar_p=draft.mcnemar_p,
        seeds=seeds,
        needed=draft.needed,
        detect=draft.detect,
        items=scores.num_items,
        real=real,
        sentence=sentence,
    )


def _data(draft: _Draft) -> str:
    """How many utterances would be needed, as a clause."""
    scores, needed = draft.first.scores, draft.needed
    noun = "trial" if scores.predictions.task == "verification" else "utterance"
    size = f"a difference of {number(draft.detect)}" if draft.detect is not None else "it"
    power = f"with {percent(POWER)} power"
    if needed.items is None:
        if draft.detect is None and draft.difference.value == 0:
            return "they do not differ at all, so no number of utterances would show it"
        if not math.isfinite(needed.detectable):
            return "how many utterances would be needed cannot be said"
        return f"no number of {noun}s would show {size}, since the seeds spread too far"
    clusters = ""
    if (unit := draft.chance.clusters.by) != "item":
        clusters = f" of {count(needed.clusters or 0, unit)}"
    wanted = f"about {count(needed.items, noun)}{clusters}"
    return f"{wanted} are needed to see {size} {power}, and there are {scores.num_items:,}"


def _notes(
    systems: Sequence[System], drafts: Sequence[_Draft], verdicts: Sequence[Verdict]
) -> list[str]:
    """What a reader of the sentences must know."""
    notes = []
    for draft, verdict in zip(drafts, verdicts, strict=True):
        units = count(verdict.clusters, verdict.by)
        if draft.first.scores.clusters.by != verdict.by:
            why = draft.chance.clusters.why
            notes.append(f"{why}: {units} were drawn and exchanged instead")
        if verdict.least_p >= 1 - draft.first.scores.level:
            notes.append(
                f"with {units} no test can give a corrected p below {verdict.least_p:.4g}, however "
                "large the difference: draw a smaller unit (--unit), test more, or ask about fewer "
                "pairs (--baseline)"
            )
    notes = list(dict.fromkeys(notes))
    if single := [s.name for s in systems if _num_seeds(s.scores.runs) == 1]:
        each = " each" if len(single) > 1 else ""
        notes.append(f"{enumerate_words(single)}: one seed{each}, so other trainings may differ")
    for system in systems:
        if system.protocol.get("selection") == "best_test":
            notes.append(f"the epoch of {system.name} was chosen on the scored items (best_test)")
        if system.protocol.get("transductive"):
            notes.append(f"{system.name} was adapted, without labels, also on the scored groups")
    for what, values in (
        ("protocols", [s.protocol.get("name") for s in systems]),
        ("selection rules", [s.protocol.get("selection") for s in systems]),
        ("corpus hashes", [str(s.corpus.get("hash"))[:16] for s in systems]),
    ):
        if len(set(values)) > 1:
            listed = ", ".join(f"{s.name} {v}" for s, v in zip(systems, values, strict=True))
            notes.append(f"{what} differ: {listed}")
    return notes


def _num_seeds(runs: Sequence[tuple[int, int, int]]) -> int:
    return len({seed for _, seed, _ in runs})


def _p(value: float) -> str:
    if not math.isfinite(value):
        return "undefined"
    return f"= {value:.2g}" if value >= 0.0001 else "< 0.0001"
