"""Standard folds: which videos train, validate and test, from the reader's own copy of the SDK."""

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crosstone.errors import CorpusError

NAMES = {
    "train": ("train", "standard_train_fold"),
    "valid": ("valid", "val", "dev", "standard_valid_fold"),
    "test": ("test", "standard_test_fold"),
}
REMEDY = (
    "give the SDK's cmu_mosei_std_folds.py or cmu_mosi_std_folds.py, or a JSON file like "
    '{"train": ["video", …], "valid": […], "test": […]}'
)


def read_folds(path: Path) -> dict[str, str]:
    """Video → train, valid or test, from a .py file of the SDK, which is never run, or from JSON.

    Raises CorpusError that lists every fold that is missing and every video that is in two.
    """
    lists = _literals(path) if path.suffix == ".py" else _json(path)
    folds: dict[str, str] = {}
    faults = []
    for fold, names in NAMES.items():
        found = [name for name in names if name in lists]
        videos = lists[found[0]] if found else None
        if not isinstance(videos, list | tuple):
            faults.append(f"no list {' or '.join(names)}")
            continue
        for video in map(str, videos):
            if folds.setdefault(video, fold) != fold:
                faults.append(f"video '{video}' is in {folds[video]} and in {fold}")
    if faults:
        raise CorpusError("\n  ".join([f"{path}: {len(faults)} faults; {REMEDY}", *faults]))
    return folds


def _literals(path: Path) -> dict[str, Any]:
    """The names that a Python file sets to literals, read from its syntax tree."""
    try:
        tree = ast.parse(_text(path))
    except (SyntaxError, ValueError) as error:
        raise CorpusError(f"{path}: not Python ({error}); {REMEDY}") from error
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names, value = _targets(node.targets), node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            names, value = _targets([node.target]), node.value
        else:
            continue
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            continue
        found |= dict.fromkeys(names, literal)
    return found


def _targets(targets: Iterable[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except ValueError as error:
        raise CorpusError(f"{path}: not JSON ({error}); {REMEDY}") from error
    if not isinstance(found, dict):
        raise CorpusError(f"{path}: expected a JSON object, found {type(found).__name__}; {REMEDY}")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: expected a list of folds, cannot read it ({error})") from error
