"""How alike a model's two views of an utterance are, which orthogonality is to keep apart."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from crosstone.data.batch import Items, collate
from crosstone.data.text import load_tokenizer
from crosstone.errors import ConfigError
from crosstone.files import write_text
from crosstone.models.checkpoint import load_task
from crosstone.models.task import TaskModel
from crosstone.protocols import plan_folds
from crosstone.reports.page import Cell, Table, TableRow
from crosstone.reports.wording import number
from crosstone.runs.corpora import open_corpus
from crosstone.runs.items import items_to_evaluate
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.runs import runs_of
from crosstone.studies.shown import Shown

Pair = tuple[str, str]


def view_cosine(run_set: Path, recipe: Recipe, folder: Path) -> None:
    """measure.json with the mean of |cos| between a view of the audio and one of the text, over the
    utterances that each fold tests (CMT 2022, eq. 7): by pair, and by fold.

    The pairs are the family's; where that is of means, also the one that enters the head (eq. 6).
    Raises ConfigError for a model that has no such pair.
    """
    assert recipe.protocol is not None
    corpus, _left_out = open_corpus(recipe)
    plan = plan_folds(corpus, recipe.protocol)
    tests = {fold.index: plan.corpus.select(fold.test) for fold in plan.folds}
    folds: dict[str, list[float]] = {}
    for run in runs_of(run_set):
        place = run.folder / "model"
        model = load_task(place)
        pairs = _pairs(model)
        if not pairs:
            raise ConfigError(
                f"{run.folder}: expected a model of audio and text, found one of "
                f"{' and '.join(model.backbone.modalities)}"
            )
        items = items_to_evaluate(
            model,
            load_tokenizer(place),
            tests[run.fold],
            place,
            max_seconds=recipe.data.max_seconds,
        )
        for pair, cosines in closeness(model, items, pairs).items():
            folds.setdefault(" · ".join(pair), []).append(float(np.mean(cosines)))
    document = {"cosine": {pair: float(np.mean(f)) for pair, f in folds.items()}, "folds": folds}
    write_text(folder / "measure.json", json.dumps(document, indent=2))


@torch.inference_mode()
def closeness(
    model: TaskModel, items: Items, pairs: Sequence[Pair], *, batch_size: int = 32
) -> dict[Pair, list[float]]:
    """|cos| of each pair of views, for every item that has both modalities."""
    model.eval()
    parameter = next(model.parameters())
    found: dict[Pair, list[float]] = {pair: [] for pair in pairs}
    for start in range(0, len(items), batch_size):
        some = [items[row] for row in range(start, min(start + batch_size, len(items)))]
        batch = collate(some).to(parameter.device, parameter.dtype)
        if batch.audio is None or batch.text is None:
            continue
        both = batch.audio.mask.any(1) & batch.text.mask.any(1)
        views = model(**batch.inputs()).backbone.views
        for audio, text in pairs:
            cosines = F.cosine_similarity(views[audio], views[text], dim=-1).abs()
            found[audio, text] += cosines[both].tolist()
    return found


def _pairs(model: TaskModel) -> tuple[Pair, ...]:
    pairs = tuple(model.backbone.orthogonal_pairs)
    of_means = [(audio, "text_first") for audio, text in pairs if text == "text_mean"]
    return (*pairs, *of_means)


def show_cosines(name: str, measures: Mapping[str, Sequence[Mapping[str, Any]]]) -> Shown:
    """A table of the cosines, with how far folds and seeds lie apart."""
    pairs = dict.fromkeys(p for found in measures.values() for each in found for p in each["folds"])
    rows = []
    for system, found in measures.items():
        cells = [Cell(system)]
        for pair in pairs:
            values = [v for each in found for v in each["folds"].get(pair, ())]
            aside = f"{number(min(values))}–{number(max(values))}" if values else ""
            cells.append(Cell(number(float(np.mean(values))) if values else "–", aside))
        rows.append(TableRow(tuple(cells)))
    caption = (
        "How alike the two views of an utterance are: the mean of |cos| over what each fold tests, "
        "0 for views at a right angle; beside it the least and the most of folds and seeds. The "
        "term of orthogonality sees the first pair alone."
    )
    said = (pair.replace("_", " ") for pair in pairs)
    return Shown((Table(caption, ("system", *said), tuple(rows)),))
