"""How much each layer of an audio stream counts, where a pooler learns it (CMT 2022, table 3)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.errors import CheckpointError
from crosstone.files import write_text
from crosstone.models.checkpoint import load_task
from crosstone.nn.pooling import LayerPooler
from crosstone.reports.page import Cell, Table, TableRow
from crosstone.reports.wording import number
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.runs import runs_of
from crosstone.studies.shown import Shown

PRINTED = (0.175, 0.438, 0.277, 0.109)
"""CMT's table 3, of CMT-4 on CMU-MOSEI."""


def layer_weights(run_set: Path, recipe: Recipe, folder: Path) -> None:
    """measure.json with the learned share of each layer, the first one first, by fold and on
    average; CheckpointError for a model without a layer pooler."""
    folds = []
    for run in runs_of(run_set):
        pooler = getattr(load_task(run.folder / "model").backbone, "layer_pooler", None)
        if not isinstance(pooler, LayerPooler):
            raise CheckpointError(
                f"{run.folder}: expected a model with a layer pooler, found none; train it with "
                "model.config.audio_output=pooler"
            )
        folds.append([float(share) for share in pooler.weights.detach()])
    document = {"weights": np.mean(folds, 0).tolist(), "folds": folds}
    write_text(folder / "measure.json", json.dumps(document, indent=2))


def show_layers(name: str, measures: Mapping[str, Sequence[Mapping[str, Any]]]) -> Shown:
    """A table of the shares, with how far folds and seeds lie apart, above the paper's."""
    rows = []
    for system, found in measures.items():
        shares = np.array([fold for measure in found for fold in measure["folds"]])
        ranges = zip(shares.mean(0), shares.min(0), shares.max(0), strict=True)
        cells = (Cell(number(m), f"{number(low)}–{number(high)}") for m, low, high in ranges)
        rows.append(TableRow((Cell(system, f"{len(shares)} folds and seeds"), *cells)))
    count = max((len(row.cells) - 1 for row in rows), default=0)
    if count == len(PRINTED):
        printed = (Cell(number(share)) for share in PRINTED)
        rows.append(TableRow((Cell("CMT-4 on CMU-MOSEI", "CMT table 3"), *printed)))
    caption = (
        "What share each layer of the audio stream has in its output, as the layer pooler learned "
        "it; beside the mean the least and the most. Where all are alike it has learned nothing."
    )
    columns = ("system", *(f"layer {n + 1}" for n in range(count)))
    return Shown((Table(caption, columns, tuple(rows)),))
