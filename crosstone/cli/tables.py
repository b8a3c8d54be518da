"""Tables on standard output."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_scores(places: Sequence[Path]) -> None:
    """The metrics of run sets or scores.json files, one table each."""
    import json

    console = Console()
    for place in places:
        path = place / "scores.json" if place.is_dir() else place
        scores = json.loads(path.read_text(encoding="utf-8"))
        protocol, corpus = scores["protocol"] or {}, scores["corpus"] or {}
        spread = scores["intervals"]
        table = Table(title=str(scores["name"] or place), title_justify="left")
        table.add_column("metric")
        for column in ("mean over runs", f"{spread['level']:.0%} interval", "pooled"):
            table.add_column(column, justify="right")
        for name, metric in scores["metrics"].items():
            mean, low, high = metric["mean"], metric["mean_low"], metric["mean_high"]
            interval = "–" if low is None else f"{low:.3f} … {high:.3f}"
            table.add_row(name, _number(mean), interval, _number(metric["pooled"]))
        console.print(table)
        console.print(
            f"{protocol.get('name', 'unknown protocol')} by {protocol.get('unit', '?')}, selection "
            f"{scores['selection'] or 'unknown'}"
            f"{', transductive' if scores['transductive'] else ''}; "
            f"{corpus.get('name', 'unknown corpus')} {corpus.get('hash', '')}, {scores['items']} "
            f"items; intervals over {spread['clusters']} {spread['by']}s",
            highlight=False,
        )
        for note in scores["notes"]:
            console.print(f"note: {note}", highlight=False)


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"
