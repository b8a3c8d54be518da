"""How long the command and the package take to start, and that they load no torch."""

import subprocess
import sys
from functools import partial
from statistics import median

from benchmarks.measurement import ROOT, Goal, Row, compare

STARTS = {
    "crosstone --help, seconds": ["-m", "crosstone", "--help"],
    "import crosstone, seconds": ["-c", "import crosstone"],
}


def start(arguments: list[str]) -> None:
    """Runs Python so, in a process of its own."""
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def check_light() -> None:
    """Raises ValueError where either has loaded torch."""
    for module in ("crosstone", "crosstone.cli"):
        code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
        if subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode:
            raise ValueError(f"startup: import {module} loads torch")


def run(*, quick: bool = False) -> list[Row]:
    """Seconds, beside those of Python alone."""
    check_light()
    repeats = 2 if quick else 9
    rows = []
    for what, arguments in STARTS.items():
        compared = compare(partial(start, arguments), partial(start, ["-c", ""]), repeats=repeats)
        rows.append(
            Row(
                bench="startup",
                what=what,
                ours=median(compared.ours),
                against=median(compared.against),
                goal=Goal(value=0.5, at_least=False),
                notes=("against: python alone; neither loads torch",),
            )
        )
    return rows
