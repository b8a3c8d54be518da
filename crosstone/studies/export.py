"""A study's numbers for other programs: CSV of its results and claims, and tables in LaTeX."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from crosstone.metrics import Interval
from crosstone.reports.comparison import System, gathered
from crosstone.reports.results import shown_metrics
from crosstone.reports.wording import METRICS, bracket, number
from crosstone.studies.board import Entry
from crosstone.studies.record import Record
from crosstone.studies.shown import Rows

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≠": r"$\neq$",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "\N{NO-BREAK SPACE}": "~",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "✓": r"\checkmark{}",
    "✗": r"$\times$",
}
"""Characters that pdfLaTeX reads otherwise → what prints them."""


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def as_csv(rows: Rows) -> str:
    """Lines under the columns of the first; what is undefined is left empty."""
    rows = list(rows)
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def result_rows(record: Record, systems: Mapping[str, System]) -> list[dict[str, object]]:
    """Every metric of every system, a line each."""
    rows: list[dict[str, object]] = []
    for asked in record.study.systems:
        if asked.name not in systems:
            continue
        system = systems[asked.name]
        scores = system.scores
        for name, metric in scores.metrics.items():
            rows.append(
                {
                    "system": asked.name,
                    "family": asked.family,
                    "size": asked.size,
                    "start": asked.start,
                    "share": asked.share,
                    "corpus": system.corpus.get("name"),
                    "hash": system.corpus.get("hash"),
                    "protocol": system.protocol.get("name"),
                    "selection": system.protocol.get("selection"),
                    "folds": len({fold for fold, _, _ in scores.runs}),
                    "seeds": len({seed for _, seed, _ in scores.runs}),
                    "items": scores.num_items,
                    "metric": name,
                    "headline": name == scores.headline,
                    "value": metric.mean.value,
                    "low": metric.mean.low,
                    "high": metric.mean.high,
                    "pooled": metric.pooled.value,
                }
            )
    return rows


def claim_rows(entries: Sequence[Entry]) -> list[dict[str, object]]:
    """Every comparison of every claim, a line each; a claim that was not tried has one too."""
    rows: list[dict[str, object]] = []
    for entry in entries:
        claim = entry.claim
        said: dict[str, object] = {
            "claim": claim.sentence,
            "source": claim.source,
            "where": claim.where,
            "theirs": claim.theirs,
            "outcome": entry.outcome,
            "remarks": "; ".join(entry.remarks),
            "by": claim.by,
        }
        for one in entry.tried:
            rows.append(
                {
                    **said,
                    "first": one.first,
                    "over": one.over,
                    "metric": one.metric,
                    "effect": one.effect.value,
                    "low": one.effect.low,
                    "high": one.effect.high,
                    "p": one.p,
                    "p_corrected": one.p_corrected,
                    "least_p": one.least_p,
                    "unit": one.by,
                    "clusters": one.clusters,
                    "test": one.test,
                }
            )
        if not entry.tried:
            empty = dict.fromkeys(
                (
                    *("metric", "effect", "low", "high", "p", "p_corrected"),
                    *("least_p", "unit", "clusters", "test"),
                ),
                "",
            )
            over = ", ".join(claim.over) or claim.ceiling
            rows.append({**said, "first": claim.first, "over": over, **empty})
    return rows


def tables_tex(record: Record, systems: Mapping[str, System], entries: Sequence[Entry]) -> str:
    """The results and the board as LaTeX tables, for `booktabs`, `tabularx` and `amssymb`."""
    parts = [
        f"% {record.command}\n% \\usepackage{{booktabs,tabularx,amssymb}}",
        *(_results(record, members) for members in _alike(systems)),
    ]
    if entries:
        parts.append(_board(record, entries))
    return "\n\n".join(parts) + "\n"


def _alike(systems: Mapping[str, System]) -> list[tuple[System, ...]]:
    return [found.systems for found in gathered(list(systems.values()))]


def _results(record: Record, members: Sequence[System]) -> str:
    (found,) = gathered(members)
    metrics = shown_metrics(found)
    head = ["System", *(METRICS[m] for m in metrics)]
    lines = [
        [s.name, *(_with_interval(s.scores.metrics[m].mean) for m in metrics)] for s in members
    ]
    caption = f"{record.study.shows} {found.best.corpus.get('name')}, {record.study.source}."
    columns = "l" + "r" * len(metrics)
    return _table(f"\\begin{{tabular}}{{{columns}}}", "tabular", caption, head, lines)


def _board(record: Record, entries: Sequence[Entry]) -> str:
    head = ["Claim", "Source", "Ours", "Corrected $p$", "Outcome"]
    lines = [
        [
            entry.claim.sentence,
            f"{entry.claim.source} ({entry.claim.where})",
            "; ".join(
                f"{number(t.effect.value, True)} {bracket(t.effect, True)} "
                f"{METRICS.get(t.metric, t.metric)}"
                for t in entry.tried
            ),
            "; ".join(p_value(t.p_corrected) for t in entry.tried),
            entry.outcome,
        ]
        for entry in entries
    ]
    opening = r"\begin{tabularx}{\linewidth}{XlXll}"
    return _table(opening, "tabularx", f"Claims of {record.study.name}.", head, lines)


def p_value(p: float) -> str:
    """A p with two digits; a dash where it is undefined."""
    if not math.isfinite(p):
        return "–"
    return f"{p:.2g}" if p >= 0.001 else "< 0.001"


def _table(
    opening: str, kind: str, caption: str, head: Sequence[str], lines: Iterable[Sequence[str]]
) -> str:
    body = [" & ".join(escape(cell) for cell in line) + r" \\" for line in lines]
    first = " & ".join(cell if "$" in cell else escape(cell) for cell in head)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape(caption)}}}",
            opening,
            r"\toprule",
            rf"{first} \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            rf"\end{{{kind}}}",
            r"\end{table}",
        ]
    )


def _with_interval(interval: Interval) -> str:
    return f"{number(interval.value)} {bracket(interval)}".strip()


def _plain(value: object) -> object:
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
