"""The findings of a report: what its numbers say, in sentences."""

import math

from crosstone.metrics import LOWER_IS_BETTER
from crosstone.reports.comparison import Comparison
from crosstone.reports.page import Block, Paragraph
from crosstone.reports.raters import rater_findings
from crosstone.reports.wording import METRICS, bracket, enumerate_words, number


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
    """Whom the best system is ahead of, behind, and not told apart from."""
    best, metric = comparison.best, comparison.headline
    sign = -1 if metric in LOWER_IS_BETTER else 1
    kinds: dict[str, list[str]] = {"ahead of": [], "behind": [], "open": [], "unknown": []}
    for difference in comparison.differences:
        interval = difference.metrics[metric]
        if difference.first != best.name:
            continue
        kind = "ahead of" if sign * interval.value > 0 else "behind"
        if not interval.excludes(0.0):
            kind = "open" if math.isfinite(interval.low) else "unknown"
        kinds[kind].append(f"{difference.second} ({number(interval.value, True)})")
    said = []
    for kind in ("ahead of", "behind"):
        if named := kinds[kind]:
            end = "the intervals exclude" if len(named) > 1 else "the interval excludes"
            said.append(
                f"Paired on the same items, it is {kind} {enumerate_words(named)}: {end} zero."
            )
    if kinds["open"]:
        said.append(f"Against {enumerate_words(kinds['open'])} the interval includes zero.")
    if kinds["unknown"]:
        said.append(f"Against {enumerate_words(kinds['unknown'])} there is no interval.")
    return said


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
