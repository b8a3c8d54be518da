"""The verb that measures: bench."""

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstone.errors import ConfigError

PIPED = 160
"""Characters of a line of the table in a file or a pipe, where no terminal says how many it has."""

ROOT = Path(__file__).parent.parent.parent
"""What holds the package: of a clone, the folder that holds benchmarks/ too."""


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which benches; all if none is named.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every figure as JSON, nothing else.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: that it runs, not how fast.")
    ] = False,
) -> None:
    """How fast and how lean: each bench beside what one would else run, in one table."""
    import json

    from rich.console import Console
    from rich.table import Table

    table: Any = _benchmarks()
    unknown = [name for name in names or [] if name not in table.BENCHES]
    if unknown:
        raise ConfigError(
            f"bench: expected {', '.join(table.BENCHES)}, found {', '.join(unknown)}; name one of "
            "these, or none for all"
        )
    said = Console(stderr=True, highlight=False)
    found = table.measure(
        names or [], quick=quick, progress=lambda name: said.print(f"measuring {name}")
    )
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)
    title = "Sizes too small to quote" if quick else "Ours beside what one would else run"
    shown = Table(title=title, title_justify="left")
    for column in table.COLUMNS:
        is_text = column in ("bench", "what")
        shown.add_column(column, justify="left" if is_text else "right", overflow="fold")
    for cells in table.cells(found["rows"]):
        shown.add_row(*cells)
    console.print(shown)
    for row in found["rows"]:
        for note in row["notes"]:
            console.print(f"{row['bench']}: {note}", markup=False, soft_wrap=True)
    console.print(table.machine_line(found["machine"]), markup=False, soft_wrap=True)


def _benchmarks() -> Any:
    """benchmarks.table of this clone; ConfigError where there is none."""
    if not (ROOT / "benchmarks" / "table.py").is_file():
        raise ConfigError(
            f"bench: expected benchmarks/ beside the package, found none in {ROOT}; it is not "
            "installed: clone the repository and install it with pip install -e ."
        )
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module("benchmarks.table")
