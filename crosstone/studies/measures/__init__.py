"""What is measured of a run set besides its scores: name → a function that leaves measure.json."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crosstone.studies.measures.layers import layer_weights, show_layers
from crosstone.studies.measures.robustness import robustness, show_robustness
from crosstone.studies.measures.speakers import show_speakers, speaker_map
from crosstone.studies.measures.transfer import show_transfer, transfer
from crosstone.studies.measures.valence import valence
from crosstone.studies.measures.views import show_cosines, view_cosine
from crosstone.studies.shown import Shown

MEASURES: dict[str, Callable[..., Any]] = {
    "layer_weights": layer_weights,
    "robustness": robustness,
    "speaker_map": speaker_map,
    "transfer": transfer,
    "valence": valence,
    "view_cosine": view_cosine,
}
"""Name → measure(run set, its recipe, folder, **options)."""

MeasureView = Callable[[str, Mapping[str, Sequence[Mapping[str, Any]]]], Shown]
"""(beginning of its drawings' names, name of a system → measure.json of each seed) → its part of
the page."""

MEASURE_VIEWS: dict[str, MeasureView] = {
    "layer_weights": show_layers,
    "robustness": show_robustness,
    "speaker_map": show_speakers,
    "transfer": show_transfer,
    "view_cosine": show_cosines,
}
"""Measures with a part of the page of their own; of others, the page lists the numbers."""
