"""What is measured of a run set besides its scores: name → a function that leaves measure.json."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstone.runs.recipe import Recipe

MEASURES: dict[str, Callable[..., Any]] = {}
"""Name → measure(run set, its recipe, folder, **options)."""

Measure = Callable[[Path, Recipe, Path], None]
