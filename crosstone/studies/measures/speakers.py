"""A map of speakers from the vectors of their utterances, and how far apart they lie (CTAL 2021,
figure 4)."""

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from crosstone.errors import CorpusError
from crosstone.files import write_text
from crosstone.reports.drawing import ROLES, SMALL, TEXT, Drawing, canvas, finish
from crosstone.reports.page import Cell, Figure, Table, TableRow
from crosstone.reports.wording import number
from crosstone.runs.recipe import Recipe
from crosstone.scoring.embeddings import EMBEDDINGS, read_embeddings
from crosstone.studies.measures.runs import runs_of
from crosstone.studies.shown import Shown

SPEAKERS = 10
"""As many as the paper's figure shows."""
PERPLEXITY = 30.0
"""Scikit-learn's; less where there are few utterances. The paper states none."""
SEED = 0
"""Of the map."""
INKS = ("accent", "second", "ink")
"""In turn over the speakers, whom letters tell apart."""


def speaker_map(run_set: Path, recipe: Recipe, folder: Path) -> None:
    """measure.json with the t-SNE of the tested speakers' utterances, the first ten by name, and
    the silhouette of their vectors (by cosine) and of the map: 1 where speakers lie apart, 0 where
    they overlap.

    Raises CorpusError where fewer than two speakers were tested.
    """
    found = read_embeddings(next(runs_of(run_set)).folder / EMBEDDINGS)
    names = sorted(set(found.speakers.tolist()))[:SPEAKERS]
    if len(names) < 2:
        raise CorpusError(f"{run_set}: expected two tested speakers or more, found {len(names)}")
    chosen = np.isin(found.speakers, names)
    vectors, speakers = found.vectors[chosen].astype(np.float64), found.speakers[chosen]
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    spread = TSNE(perplexity=perplexity, init="pca", random_state=SEED)
    places = spread.fit_transform(vectors).astype(np.float64)
    ids = found.ids[chosen].tolist()
    document = {
        "silhouette": float(silhouette_score(vectors, speakers, metric="cosine")),
        "silhouette_of_map": float(silhouette_score(places, speakers)),
        "speakers": names,
        "utterances": len(ids),
        "perplexity": perplexity,
        "seed": SEED,
        "points": [
            {
                "id": identity,
                "speaker": str(speaker),
                "x": round(float(x), 3),
                "y": round(float(y), 3),
            }
            for identity, speaker, (x, y) in zip(ids, speakers, places, strict=True)
        ],
    }
    write_text(folder / "measure.json", json.dumps(document, indent=2))


def show_speakers(name: str, measures: Mapping[str, Sequence[Mapping[str, Any]]]) -> Shown:
    """The maps of the first seed beside each other, and the silhouettes of all seeds."""
    drawings, labels, data, rows = [], [], {}, []
    for index, (system, found) in enumerate(measures.items()):
        first = found[0]
        drawing = _scatter(f"{name}-{index}", system, first)
        drawings.append(drawing)
        labels.append(
            f"{system}: {first['utterances']} utterances of {len(first['speakers'])} speakers; "
            f"silhouette {number(first['silhouette'])}"
        )
        data[drawing.name] = [{"system": system, **point} for point in first["points"]]
        cells = []
        for key in ("silhouette", "silhouette_of_map"):
            values = [float(measure[key]) for measure in found]
            aside = f"{number(min(values))}–{number(max(values))}" if len(values) > 1 else ""
            cells.append(Cell(number(float(np.mean(values))), aside))
        rows.append(TableRow((Cell(system), *cells)))
    figure = Figure(
        "Utterances of speakers that no stage heard, by t-SNE of the first seed; a letter is a "
        "speaker. Distances between clusters, and their sizes, mean nothing.",
        tuple(drawings),
        tuple(labels),
        top=True,
    )
    table = Table(
        "Silhouette by speaker: 1 where the utterances of each lie together and away from others', "
        "0 where speakers overlap; of the vectors, by cosine, and of the map.",
        ("system", "vectors", "map"),
        tuple(rows),
    )
    return Shown((figure, table), data)


def _scatter(name: str, title: str, measure: Mapping[str, Any]) -> Drawing:
    width = height = 300.0
    letter_of = dict(zip(measure["speakers"], string.ascii_uppercase, strict=False))
    with canvas(width, height) as figure:
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.86))
        axes.set_axis_off()
        for index, (speaker, letter) in enumerate(letter_of.items()):
            points = [(p["x"], p["y"]) for p in measure["points"] if p["speaker"] == speaker]
            ink = ROLES[INKS[index % len(INKS)]]
            for x, y in points:
                axes.text(x, y, letter, color=ink, fontsize=7, ha="center", va="center")
        places = np.array([(p["x"], p["y"]) for p in measure["points"]])
        margin = 0.05 * np.ptp(places, 0)
        axes.set_xlim(places[:, 0].min() - margin[0], places[:, 0].max() + margin[0])
        axes.set_ylim(places[:, 1].min() - margin[1], places[:, 1].max() + margin[1])
        figure.text(0.02, 0.98, title, va="top", color=ROLES["ink"], fontsize=TEXT)
        said = f"silhouette {number(measure['silhouette'])}"
        figure.text(0.02, 0.925, said, va="top", color=ROLES["soft"], fontsize=SMALL)
        return finish(name, figure, width, height)
