"""The findings of a report: what its numbers say, in sentences."""

import itertools
import math
from collections.abc import Sequence

from crosstone.errors import CrosstoneError
from crosstone.metrics import LOWER_IS_BETTER
from crosstone.reports.chance import can_tell, chance_of, corrected
from crosstone.reports.comparison import Comparison, Difference, System
from crosstone.reports.page import Block, Paragraph
from crosstone.reports.raters import rater_findings
from crosstone.reports.wording import METRICS, bracket, count, enumerate_words, number
from crosstone.scoring.pairing import pair_scores


def findings(comparison: Comparison) -> list[Block]:
    """What the numbers say, in a few sentences."""
    best, metric = comparison.best, comparison.headline
    word = "lowest" if metric in LOWER_IS_BETTER else "highest"
    leaky = [s for s in comparison.systems if s.protocol.get("selection") == "best_test"]
    among = " of those whose epoch was not chosen on the scored items" if leaky else ""
    said = [
        f"{best.name} has the {word} {METRICS[metric]}{'' if best in leaky else among}, "
        f"{number(best.headline.value)} {bracket(best.headline)}."
    ]
    if best in leaky:
        said.append("Its epoch was chosen on the scored items, so this is not a test result.")
    if best.protocol.get("transductive"):
        said.append("It was adapted, without labels, also on the scored groups.")
    said += rater_findings(comparison) + _paired_findings(comparison)
    return [Paragraph(" ".join(said)), *_ceiling_findings(comparison)]


def _paired_findings(comparison: Comparison) -> list[str]:
    """Whom the best system is ahead of, behind, and not told apart from, as `compare` judges it."""
    best, metric = comparison.best, comparison.headline
    wanted = [d for d in comparison.differences if d.first == best.name]
    if not wanted:
        return []
    level, sign = best.scores.level, -1 if metric in LOWER_IS_BETTER else 1
    judged = _judged(comparison, wanted)
    kinds: dict[str, list[str]] = {"ahead of": [], "behind": [], "open": [], "unknown": []}
    untold: dict[str, list[str]] = {}
    units = count(wanted[0].clusters, wanted[0].by)
    for difference in wanted:
        interval = difference.metrics[metric]
        p, floor = judged[frozenset((difference.first, difference.second))]
        named = f"{difference.second} ({number(interval.value, True)})"
        if not math.isfinite(interval.low):
            kinds["unknown"].append(named)
        elif not can_tell(floor, level):
            untold.setdefault(f"with {units} (the least p is {floor:.3g})", []).append(named)
        elif p < 1 - level and interval.excludes(0.0):
            kinds["ahead of" if sign * interval.value > 0 else "behind"].append(named)
        else:
            kinds["open"].append(named)
    said = []
    by = f"exchanging {units} between two"
    if best.scores.predictions.task == "verification":
        by = f"drawing {units}"
    how = f"by {by}, corrected over {count(len(judged), 'pair')} (Holm)"
    for kind in ("ahead of", "behind"):
        if names := kinds[kind]:
            said.append(f"Paired on the same items, it is {kind} {enumerate_words(names)}, {how}.")
    if kinds["open"]:
        said.append(
            f"Against {enumerate_words(kinds['open'])} the difference may be chance, {how}."
        )
    for why, names in untold.items():
        said.append(f"Against {enumerate_words(names)} it cannot be told {why}, {how}.")
    if kinds["unknown"]:
        said.append(f"Against {enumerate_words(kinds['unknown'])} there is no interval.")
    seeds = min(s.scores.sample.num_seeds for s in comparison.systems)
    if seeds == 1 and len(kinds["unknown"]) < len(wanted):
        said.append("This is of these trainings, of one seed: others may differ.")
    return said


def _judged(
    comparison: Comparison, wanted: Sequence[Difference]
) -> dict[frozenset[str], tuple[float, float]]:
    """Corrected p, and the least that could be, of the wanted pairs among all of their kind.

    The best was picked from all systems that saw the same share of the labels, so all of their
    pairs count.
    """
    best, metric = comparison.best, comparison.headline
    systems = {system.name: system for system in comparison.systems}
    level = [s for s in comparison.systems if s.train_fraction == best.train_fraction]
    pairs: dict[frozenset[str], tuple[System, System]] = {
        frozenset((a.name, b.name)): (a, b) for a, b in itertools.combinations(level, 2)
    }
    pairs |= {frozenset((d.first, d.second)): (systems[d.first], systems[d.second]) for d in wanted}
    chances = {}
    for key, (one, other) in pairs.items():
        try:
            pair = pair_scores(one.scores, other.scores, (one.name, other.name))
        except CrosstoneError:  # the report says so where the pair was asked for
            continue
        chances[key] = chance_of(pair, metric)
    return dict(zip(chances, corrected(list(chances.values()), "holm"), strict=True))


def _ceiling_findings(comparison: Comparison) -> list[Block]:
    metric, bounds = comparison.ceiling_metric, comparison.ceilings
    said = []
    best = comparison.best
    reached = best.scores.metrics[metric].mean if bounds else None
    name, additive = next(
        ((k, bounds[k]) for k in ("additive_best", "additive") if k in bounds), ("", math.nan)
    )
    if reached is not None and name:
        place = "above" if reached.low > additive else "not clearly above"
        what = "any additive listener" if name == "additive_best" else "an additive listener"
        said.append(
            f"With {METRICS[metric]} {number(reached.value)} {bracket(reached)} it is {place} what "
            f"{what} can reach ({number(additive)})."
        )
    for system in comparison.systems:
        value = system.scores.metrics[metric].mean if bounds else None
        if value is None:
            break
        delivery, joint = bounds.get("delivery", math.inf), bounds.get("joint", math.inf)
        if system.modalities == frozenset({"audio"}) and value.value > delivery:
            certainty = "" if value.low > delivery else ", though its interval includes it"
            said.append(
                f"{system.name} passes the delivery ceiling ({number(value.value)} over "
                f"{number(delivery)}{certainty}): this is word spotting, since no one who hears "
                "only the delivery can."
            )
        if value.low > joint:
            said.append(
                f"{system.name} passes the joint ceiling ({number(joint)}), which no honest system "
                "can: look for a leak."
            )
    return [Paragraph(" ".join(said))] if said else []
