"""The items of a corpus as a model takes them."""

import logging
from typing import Any

import numpy as np

from crosstone.data.batch import Items
from crosstone.data.corpus import Corpus
from crosstone.models.task import TaskModel
from crosstone.models.towers import max_tokens
from crosstone.runs.assembly import Assembly
from crosstone.runs.corpora import sounds_of
from crosstone.runs.recipe import Recipe

_LOG = logging.getLogger(__name__)


def make_items(recipe: Recipe, assembly: Assembly, corpus: Corpus, **options: Any) -> Items:
    """The items of a corpus as an assembled model takes them."""
    own = {
        "targets": [assembly.target] if assembly.target is not None else [],
        "cache_mib": recipe.data.cache_mib,
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
