"""What is measured of a run set besides its scores: name → a function that leaves measure.json."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstone.runs.recipe import Recipe
from crosstone.studies.shown import Shown

MEASURES: dict[str, Callable[..., Any]] = {}
"""Name → measure(run set, its recipe, folder, **options)."""

Measure = Callable[[Path, Recipe, Path], None]

MeasureView = Callable[[str, Mapping[str, Sequence[Mapping[str, Any]]]], Shown]
"""(beginning of its drawings' names, name of a system → measure.json of each seed) → its part of
the page."""

MEASURE_VIEWS: dict[str, MeasureView] = {}
"""Measures with a part of the page of their own; of others, the page lists the numbers."""
