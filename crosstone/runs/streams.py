"""A stage without labels on shards that are read forward: what a corpus tells a run before it
begins, told as they are read."""

import shutil
from pathlib import Path

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray

from crosstone.data.batch import collate
from crosstone.data.corpora.lhotse.shar import SharItems
from crosstone.data.corpora.lhotse.shards import Shar, is_shar
from crosstone.data.heard import Heard, digests_in
from crosstone.errors import ConfigError
from crosstone.models import FAMILIES
from crosstone.models.towers import max_tokens
from crosstone.nn.encoders import AudioEncoder
from crosstone.objectives.base import Objective
from crosstone.runs.assembly import Assembly, assemble
from crosstone.runs.codes import Labelling
from crosstone.runs.identity import identity_of, refuse_other
from crosstone.runs.probe import cross_modal_probe
from crosstone.runs.provenance import stage_of
from crosstone.runs.recipe import DataSpec, Recipe
from crosstone.runs.run import (
    Progress,
    encoders_in,
    heard_in,
    is_complete,
    note_start,
    save_model,
)
from crosstone.training import clear_checkpoints, fit

HEARD = "heard"
"""Folder of a run for what its processes have heard so far."""
_UNSTREAMED = ("split", "hear_seconds", "skip_faulty", "encoder_cache")
"""Of DataSpec what needs a corpus that was looked through before."""


def is_stream(recipe: Recipe) -> bool:
    """Whether a recipe names shards instead of a corpus."""
    return bool(recipe.data.corpus) and is_shar(Path(recipe.data.corpus))


def train_stream(
    recipe: Recipe,
    folder: Path,
    *,
    init: Path | None,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Train a stage without labels on a Shar and leave its folder complete.

    What tells the recordings that trained it is noted as they are read, and stands in the model's
    past. Raises ConfigError for what a stream cannot be asked.
    """
    _refuse(recipe)
    main, seed = PartialState().is_main_process, recipe.seeds[0]
    tick = None
    if progress is not None:
        tick = lambda done, total: progress("reading cuts", done, total)  # noqa: E731
    whole = Shar.open(Path(recipe.data.corpus), tick)
    identity = identity_of(recipe, whole, None, init)
    if resume:
        refuse_other(folder, identity)
    if resume and is_complete(recipe, folder, None):
        return
    folder.mkdir(parents=True, exist_ok=True)
    assembly = assemble(recipe, whole, init, seed)
    model = assembly.model
    if main:
        note_start(recipe, folder, identity)
    whole.refuse_longer(min(recipe.data.max_seconds, model.backbone.max_seconds or np.inf))
    trained_on, probed = _set_aside(recipe, whole)
    objective = _objective(assembly)
    probe = None
    if probed is not None:
        aside = _items(recipe, assembly, probed)
        some = [aside[i] for i in np.flatnonzero(probed.has_text).tolist()]
        probe = cross_modal_probe(some, objective, seed=seed)
    noted = folder / HEARD / str(PartialState().process_index)
    heard = Heard(noted, len(trained_on))
    fit(
        model,
        items=_items(recipe, assembly, trained_on, heard),
        collate=collate,
        objective=objective,
        training=recipe.training,
        optim=recipe.optim,
        out=folder,
        seed=seed,
        resume=resume,
        probe=probe,
        probe_every=recipe.probe_every,
        progress=(
            (lambda done, total, info: progress(recipe.title, done, total)) if progress else None
        ),
        identity={
            "corpus": whole.hash,
            "init": str(init) if init else None,
            "codebook": assembly.codebook.hash if assembly.codebook else None,
        },
    )
    heard.sync()
    PartialState().wait_for_everyone()
    if main:
        _leave(recipe, assembly, trained_on, folder)
    PartialState().wait_for_everyone()


def _refuse(recipe: Recipe) -> None:
    """Raises ConfigError with everything that a stream cannot be asked."""
    asked, usual = recipe.data, DataSpec()
    found = [
        f"data.{name}={getattr(asked, name)}"
        for name in _UNSTREAMED
        if getattr(asked, name) != getattr(usual, name)
    ]
    if recipe.stage == "finetune" or recipe.protocol is not None:
        found.insert(0, f"stage={recipe.stage} with folds" if recipe.protocol else recipe.stage)
    if found:
        raise ConfigError(
            f"{asked.corpus}: a Lhotse Shar is read forward, as a stream: expected a stage without "
            f"labels and folds, on all of it, found {', '.join(found)}; leave that out, or prepare "
            "the cut set that it was made of (crosstone prepare lhotse)"
        )
    if not FAMILIES[recipe.model.family].hears:
        raise ConfigError(
            f"{asked.corpus}: a Lhotse Shar is of recordings: expected a model.family that hears, "
            f"found '{recipe.model.family}'"
        )


def _set_aside(recipe: Recipe, shar: Shar) -> tuple[Shar, Shar | None]:
    """What is left to train on, and the cuts at the beginning of the first shard for the probe: at
    most a tenth of all, fewer than the shard has; None where that leaves fewer than two."""
    asked = recipe.objectives
    if asked.masked_text is None or asked.masked_audio is None:
        return shar, None
    count = min(recipe.probe_items, len(shar) // 10, int(shar.starts[1]) - 1)
    if count < 2 or int(shar.has_text[:count].sum()) < 2:
        return shar, None
    return shar.set_aside(count)


def _items(recipe: Recipe, assembly: Assembly, shar: Shar, heard: Heard | None = None) -> SharItems:
    backbone = assembly.model.backbone
    text = backbone.config.text_config
    return SharItems(
        shar,
        tokenizer=assembly.tokenizer,
        max_tokens=max_tokens(text) if text is not None else 0,
        sampling_rate=backbone.config.sampling_rate,
        cut_texts=recipe.data.cut_texts,
        heard=heard,
    )


def _objective(assembly: Assembly) -> Objective:
    backbone = assembly.model.backbone
    if assembly.codebook is None:
        return assembly.objective
    assert isinstance(backbone.audio_encoder, AudioEncoder)
    return Labelling(
        assembly.objective,
        assembly.codebook,
        sampling_rate=backbone.config.sampling_rate,
        stride=backbone.audio_encoder.stride,
        device=PartialState().device,
    )


def _leave(recipe: Recipe, assembly: Assembly, trained_on: Shar, folder: Path) -> None:
    """Write the model and what it has heard, then drop the checkpoints that led to it."""
    model, kinds = assembly.model, _kinds(assembly, trained_on)
    model.config.heard = heard_in(recipe, kinds)
    stage = stage_of(
        recipe.stage,
        trained_on,
        _digests(folder),
        encoders=encoders_in(recipe),
        transductive=recipe.data.transductive,
        seed=recipe.seeds[0],
    )
    past = [*assembly.past, stage]
    model.config.history = [dict(stage.facts) for stage in past]
    save_model(assembly, past, folder / "model")
    clear_checkpoints(folder)
    shutil.rmtree(folder / HEARD, ignore_errors=True)


def _kinds(assembly: Assembly, shar: Shar) -> list[str]:
    reads = assembly.tokenizer is not None
    kinds = {"audio+text" if has and reads else "audio" for has in np.unique(shar.has_text)}
    return sorted(kinds)


def _digests(folder: Path) -> NDArray[np.int64]:
    return digests_in((folder / HEARD).iterdir())
