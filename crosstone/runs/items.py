"""The items of a corpus as a model takes them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.data.batch import Items
from crosstone.data.corpus import Corpus
from crosstone.inference.voice import pauses_around
from crosstone.models.task import TaskModel
from crosstone.models.towers import max_tokens
from crosstone.runs.assembly import Assembly
from crosstone.runs.corpora import sounds_of
from crosstone.runs.recipe import Recipe
from crosstone.runs.states import open_states_of

_LOG = logging.getLogger(__name__)

NUM_LISTENED = 100
"""Recordings, evenly spread over a training set, whose pauses are measured."""


def make_items(
    recipe: Recipe, assembly: Assembly, corpus: Corpus, *, workers: int = 0, **options: Any
) -> Items:
    """The items of a corpus as an assembled model takes them; workers: how many processes of their
    own will read them, among which the room for decoded audio is shared out."""
    own = {
        "targets": [assembly.target] if assembly.target is not None else [],
        "cache_mib": recipe.data.cache_mib // max(1, workers),
        "states": assembly.states,
        "sounds": sounds_of(corpus) if "audio" in assembly.states else None,
    }
    return items_for(
        assembly.model,
        assembly.tokenizer,
        corpus,
        max_seconds=recipe.data.max_seconds,
        **{**own, **options},
    )


def refuse_lacking(recipe: Recipe, assembly: Assembly, corpus: Corpus) -> None:
    """Raises CorpusError where a recipe reads states of frozen encoders and not all of a corpus's
    are there, with how many, whichever side of a fold they stand on."""
    if assembly.states:
        make_items(recipe, assembly, corpus, targets=[])


def items_to_evaluate(
    model: TaskModel, tokenizer: Any, corpus: Corpus, folder: Path, **options: Any
) -> Items:
    """The items of a corpus for the model of a folder: with the states of its frozen encoders where
    its recipe kept them, for a modality of which all are there; else the encoder is told of."""
    states = open_states_of(folder, model)
    sounds = sounds_of(corpus) if "audio" in states else None
    items = items_for(model, tokenizer, corpus, sounds=sounds, **options)
    lacking = items.lacking(states)
    for modality, count in lacking.items():
        said = "%s: %s lacks the states of %s; the %s encoder runs"
        _LOG.warning(said, corpus.name, states[modality].folder.parent, count, modality)
    return items.reading({name: store for name, store in states.items() if name not in lacking})


def items_for(
    model: TaskModel, tokenizer: Any, corpus: Corpus, *, max_seconds: float = 60.0, **options: Any
) -> Items:
    """The items of a corpus in the modalities, at the rate and of the lengths a model takes."""
    backbone = model.backbone
    text = backbone.config.text_config
    items = Items(
        corpus,
        tokenizer=tokenizer,
        max_tokens=max_tokens(text) if text is not None else 0,
        hears=backbone.hears,
        sampling_rate=backbone.config.sampling_rate,
        max_seconds=min(max_seconds, backbone.max_seconds or max_seconds),
        hear_seconds=model.config.hear_seconds,
        cut_texts=model.config.cut_texts,
        **options,
    )
    heard = getattr(backbone.config.audio_config, "heard_seconds", None)
    if backbone.hears and heard is not None:
        count = int((np.nan_to_num(corpus.durations) >= heard).sum())
        if count:
            said = "%s: %d of %d recordings lose their end, as the speech encoder takes %.1f s"
            _LOG.warning(said, corpus.name, count, len(corpus), heard)
    for what, count in items.num_cut.items():
        if count:
            _LOG.warning("%s: %d of %d %s lose their end", corpus.name, count, len(corpus), what)
    return items


def pauses_in(items: Items) -> list[float] | None:
    """Seconds before and after the speech of the recordings, medians; None without any speech."""
    heard = [i for i, u in enumerate(items.corpus) if u.audio is not None] if items.hears else []
    chosen = np.unique(np.linspace(0, len(heard) - 1, min(len(heard), NUM_LISTENED)).round())
    recordings = items.recordings
    found = [
        pauses_around(recordings[heard[int(place)]], recordings.sampling_rate) for place in chosen
    ]
    pauses = [pause for pause in found if pause is not None]
    return np.median(pauses, axis=0).round(3).tolist() if pauses else None
