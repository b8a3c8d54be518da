"""Imports run one way: the law of the house."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent / "crosstone"
ALLOWED = {
    "errors": set(),
    "files": set(),
    "config": {"errors"},
    "sequence": {"errors"},
    "metrics": {"errors"},
    "data": {"errors", "files", "config", "sequence", "metrics"},
    "nn": {"errors", "config", "sequence", "metrics"},
    "models": {"nn"},
    "objectives": {"models", "data"},
    "inference": {"models", "data"},
    "protocols": {"data"},
    "training": {"objectives", "data"},
    "serve": {"inference"},
    "scoring": {"metrics", "files"},
    "reports": {"scoring", "protocols"},
    "audit": {"scoring", "protocols"},
    "runs": {"training", "inference", "protocols", "reports"},
    "studies": {"runs"},
    "cli": {"studies", "serve", "audit"},
}
"""What each room may import besides itself; what those may import, it may too."""

FOREIGN = {
    "metrics": {"torch", "transformers", "accelerate"},
    "scoring": {"torch", "transformers", "accelerate"},
    "reports": {"torch", "transformers", "accelerate"},
    "audit": {"torch", "transformers", "accelerate"},
    "cli": {"torch", "transformers"},
    "serve": {"torch", "transformers", "accelerate"},
}
"""What a room may not import at the top of a file."""


def reachable(room: str) -> set[str]:
    found = {room}
    for other in ALLOWED[room]:
        found |= reachable(other)
    if room == "protocols":  # the examiner knows no network
        found -= {"models", "nn"}
    return found


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_no_arrow_runs_up_or_across() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "crosstone" and len(parts) > 1 and parts[1] not in reachable(room):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, wrong


def test_light_rooms_stay_light() -> None:
    for room, banned in FOREIGN.items():
        for path in (ROOT / room).rglob("*.py"):
            roots = {name.split(".")[0] for name in imports(path, top_only=room == "cli")}
            assert not roots & banned, path


def test_import_and_help_load_no_torch() -> None:
    code = (
        "import sys, crosstone, crosstone.cli; "
        "print([m for m in ('torch', 'transformers', 'sklearn') if m in sys.modules]); "
        "import crosstone.reports.report; "
        "print([m for m in ('torch', 'transformers', 'accelerate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]
