"""What raters make of the same utterances: how far they agree, and what one of them would score."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from crosstone.metrics import LOWER_IS_BETTER
from crosstone.reports.comparison import Comparison
from crosstone.reports.figures import Mark
from crosstone.reports.page import Block, Cell, Heading, Paragraph, Table, TableRow
from crosstone.reports.wording import METRICS, count, number

Found = Mapping[str, Any]
"""An agreement as `crosstone.data.votes.Judgements.agreement` gives it."""

_SHOWN = ("ua", "wa", "ccc", "pearson", "mae")


def rater_lines(raters: Mapping[str, Found]) -> Iterator[str]:
    """A line for each target that was judged."""
    for target, found in raters.items():
        kappa = f", Fleiss' kappa {_number(found['kappa'])}" if found["kind"] == "classes" else ""
        yield (
            f"raters of {target}: Krippendorff's alpha {_number(found['alpha'])}{kappa}; one "
            f"against the {_others(found)} {_scores(found)} ({_judged(found)})"
        )


def rater_table(raters: Mapping[str, Found]) -> Iterator[Block]:
    """How far raters agree on each target; nothing where there are no votes."""
    if not raters:
        return
    rows = tuple(
        TableRow(
            (
                Cell(target),
                Cell(f"{found['items']:,}"),
                Cell(f"{_each(found):.1f}"),
                Cell(_number(found["alpha"])),
                Cell(_number(found["kappa"])),
                Cell(_scores(found)),
            )
        )
        for target, found in raters.items()
    )
    yield Heading("Raters")
    yield Table(
        "How far raters agree: Krippendorff's α (nominal for classes, interval for scales), "
        "Fleiss' κ, and one rater against the others: their majority, of which classes that tie "
        "are equal parts, or their mean. Only what more than one judged.",
        ("target", "utterances", "judgements each", "α", "κ", "one against the others"),
        rows,
        prose=True,
    )


def rater_mark(comparison: Comparison) -> list[Mark]:
    """Where one rater stands on the axis of the first metric, if it is known."""
    value = _single_rater(comparison)
    return [] if value is None else [Mark(label="a single rater", x=value, role="soft")]


def rater_findings(comparison: Comparison) -> list[str]:
    """How the best system, of which the sentence before speaks, compares with one rater."""
    value = _single_rater(comparison)
    if value is None:
        return []
    metric, headline = comparison.headline, comparison.best.headline
    sides = ("worse", "better") if metric not in LOWER_IS_BETTER else ("better", "worse")
    side = "not clearly apart"
    if math.isfinite(headline.low) and not headline.low <= value <= headline.high:
        side = sides[headline.low > value]
    than = "from" if side == "not clearly apart" else "than"
    return [f"It is {side} {than} a single rater against the others ({number(value)})."]


def rater_ceiling(comparison: Comparison) -> list[Block]:
    """What one rater scores against the others on the scored utterances, the human ceiling."""
    found = comparison.best.corpus.get("human")
    if not found:
        return []
    said = [
        f"Of the scored utterances {found['items']:,} were judged by more than one rater, "
        f"{_each(found):.1f} on average. A single rater against the {_others(found)} reaches "
        f"{_scores(found)}; Krippendorff's α is {_number(found['alpha'])}"
    ]
    if found["kind"] == "classes":
        said[0] += f", Fleiss' κ {_number(found['kappa'])}"
        if found["outside"]:
            said.append(
                f"{found['outside']:.1%} of the votes fell to classes that the protocol does not "
                "ask for, and are left out, which flatters the raters"
            )
    said.append(
        "A rater is held against one rater fewer than a system, whose target is made of all; and "
        "what most raters agree on can be foretold better than one of them does, so this ceiling "
        "can be passed"
    )
    return [Heading("Raters"), Paragraph(". ".join(said) + ".")]


def _single_rater(comparison: Comparison) -> float | None:
    found = comparison.best.corpus.get("human") or {}
    value = (found.get("scores") or {}).get(comparison.headline)
    return None if value is None else float(value)


def _others(found: Found) -> str:
    return "majority of the others" if found["kind"] == "classes" else "mean of the others"


def _judged(found: Found) -> str:
    return f"{count(found['items'], 'utterance')}, {_each(found):.1f} judgements each"


def _each(found: Found) -> float:
    return float(found["judgements"] / found["items"])


def _scores(found: Found) -> str:
    scores = found["scores"]
    return ", ".join(f"{METRICS[m]} {_number(scores[m])}" for m in _SHOWN if m in scores)


def _number(value: float | None) -> str:
    return number(math.nan if value is None else value)
