"""One run: one recipe, one fold, one seed, one folder."""

import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from accelerate import PartialState
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from crosstone.config import to_tree
from crosstone.data.batch import Items, collate
from crosstone.data.corpus import Corpus
from crosstone.errors import CrosstoneError
from crosstone.files import write_lines, write_text
from crosstone.inference.prediction import kinds_of
from crosstone.metrics import LOWER_IS_BETTER
from crosstone.protocols import Fold
from crosstone.runs.assembly import Assembly, assemble
from crosstone.runs.calibration import calibrate_fold
from crosstone.runs.codes import codes_of
from crosstone.runs.corpora import fingerprints_of, words_of
from crosstone.runs.epochs import keep_answers
from crosstone.runs.identity import IDENTITY, identity_of, refuse_other
from crosstone.runs.items import make_items, pauses_in, refuse_lacking
from crosstone.runs.predictions import predict_items, prediction_lines, score_items
from crosstone.runs.probe import cross_modal_probe, set_aside
from crosstone.runs.provenance import Stage, stage_of, write_seen
from crosstone.runs.recipe import RECIPE, Recipe
from crosstone.runs.verification import ask_trials
from crosstone.training import clear_checkpoints, fit

Progress = Callable[[str, int, int], None]
_LOG = logging.getLogger(__name__)


def train_run(
    recipe: Recipe,
    corpus: Corpus,
    fold: Fold | None,
    seed: int,
    folder: Path,
    *,
    init: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Train one run and leave its folder complete: model/, and predictions where it tests.

    corpus: the view that the fold's rows point into; fold None trains on all of it, to the last
    epoch, since nothing is left to choose another by. A folder that
    is complete already is left as it is when resuming. Raises ConfigError where a folder that is
    resumed began with other data, or from another model.
    """
    identity = identity_of(recipe, corpus, fold, init)
    if resume:
        refuse_other(folder, identity)
    if resume and is_complete(recipe, folder, fold):
        return
    main = PartialState().is_main_process
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.arange(len(corpus)) if fold is None else fold.train
    if fold is not None and recipe.data.transductive:
        rows = np.sort(np.concatenate([rows, fold.test]))
    trained_on, probed = corpus.select(rows), None
    asked = recipe.objectives
    if asked.masked_text is not None and asked.masked_audio is not None:
        trained_on, probed = set_aside(trained_on, recipe.probe_items, seed)
    assembly = assemble(recipe, trained_on, init, seed)
    model = assembly.model
    if fold is not None:  # else training takes all, but for a probe
        refuse_lacking(recipe, assembly, corpus)
    if main:
        note_start(recipe, folder, identity)
    items = _items(recipe, assembly, trained_on, progress)
    probe = None
    if probed is not None:
        probe_items = _items(recipe, assembly, probed, progress)
        probe = cross_modal_probe(probe_items, assembly.objective, seed=seed)
    title = recipe.title if fold is None else f"{recipe.title}, {folder.name}"
    validation = _validation(recipe, assembly, corpus, fold)
    test_items = None
    if fold is not None and assembly.target is not None:
        test_items = _side_items(recipe, assembly, corpus.select(fold.test))
    valid_items = _calibrating_items(recipe, assembly, corpus, fold)
    record = None
    if recipe.keep_answers and fold is not None and test_items is not None:
        sides = {"test": test_items}
        if len(fold.valid):
            sides["valid"] = _side_items(recipe, assembly, corpus.select(fold.valid))
        record = keep_answers(assembly, fold, seed, folder, sides)
    protocol = recipe.protocol
    fit(
        model,
        items=items,
        collate=collate,
        objective=assembly.objective,
        training=recipe.training,
        optim=recipe.optim,
        out=folder,
        seed=seed,
        resume=resume,
        score=validation,
        selection="last" if validation is None else "best",
        watch=protocol.metric if protocol is not None else "loss",
        higher_is_better=protocol is not None and protocol.metric not in LOWER_IS_BETTER,
        probe=probe,
        probe_every=recipe.probe_every,
        record=record,
        progress=((lambda done, total, info: progress(title, done, total)) if progress else None),
        identity={
            "corpus": trained_on.hash,
            "init": str(init) if init else None,
            "codebook": assembly.codebook.hash if assembly.codebook else None,
        },
    )
    if main:
        chose = None if validation is None else corpus.select(_choosing_rows(recipe, fold))
        _leave(recipe, assembly, fold, seed, folder, items, test_items, chose, valid_items)
    PartialState().wait_for_everyone()


def note_start(recipe: Recipe, folder: Path, identity: Mapping[str, str | None]) -> None:
    """Write what a run begins with into its folder."""
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_text(folder / IDENTITY, json.dumps(identity, indent=2))
    write_text(folder / "env.json", json.dumps(environment(), indent=2))


def is_complete(recipe: Recipe, folder: Path, fold: Fold | None) -> bool:
    """Whether a run has left all that it leaves."""
    predicts = recipe.stage == "finetune" and fold is not None
    tested = not predicts or (folder / "predictions.jsonl").is_file()
    return tested and (folder / "model" / "config.json").is_file()


def dump_recipe(recipe: Recipe) -> str:
    """The resolved recipe as YAML."""
    return yaml.safe_dump(to_tree(recipe), sort_keys=False, allow_unicode=True)


def environment() -> dict[str, Any]:
    """What else decides a number: versions, threads, device."""
    packages = ("crosstone", "torch", "transformers", "accelerate", "numpy", "scikit-learn")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in packages},
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "processes": PartialState().num_processes,
    }


def _items(recipe: Recipe, assembly: Assembly, corpus: Corpus, progress: Progress | None) -> Items:
    codes = None
    encoder = assembly.model.backbone.audio_encoder
    if assembly.codebook is not None and encoder is not None:
        tick = None
        if progress is not None:
            tick = lambda done, total: progress("labelling frames", done, total)  # noqa: E731
        codes = codes_of(corpus, assembly.codebook, tick).every(encoder.stride)
    workers = recipe.training.workers
    return make_items(recipe, assembly, corpus, codes=codes, workers=workers)


def _side_items(recipe: Recipe, assembly: Assembly, corpus: Corpus) -> Items:
    """The items of a side that tests or validates; without targets where they are asked about
    pairs, since their speakers are none of those that train."""
    asks_pairs = recipe.protocol is not None and recipe.protocol.task == "verification"
    options: dict[str, Any] = {"targets": []} if asks_pairs else {}
    return make_items(recipe, assembly, corpus, **options)


def _calibrating_items(
    recipe: Recipe, assembly: Assembly, corpus: Corpus, fold: Fold | None
) -> Items | None:
    """The items that neither train nor test, where the recipe calibrates on them."""
    if recipe.calibrate == "none" or assembly.target is None or fold is None:
        return None
    assert recipe.protocol is not None
    if not len(fold.valid) or recipe.protocol.task == "verification":
        return None
    return _side_items(recipe, assembly, corpus.select(fold.valid))


def _validation(
    recipe: Recipe, assembly: Assembly, corpus: Corpus, fold: Fold | None
) -> Callable[[nn.Module], dict[str, float]] | None:
    """What scores a model at the end of an epoch, where the selection rule wants it."""
    protocol, target = recipe.protocol, assembly.target
    if protocol is None or target is None or fold is None or protocol.selection == "last":
        return None
    items = _side_items(recipe, assembly, corpus.select(_choosing_rows(recipe, fold)))
    if protocol.task == "verification":
        is_leaky = protocol.selection == "best_test"
        trials = fold.test_trials if is_leaky else fold.valid_trials
        return lambda model: ask_trials(model, items, trials).error_rates()  # type: ignore[arg-type]
    return lambda model: score_items(model, items, target)


def _choosing_rows(recipe: Recipe, fold: Fold | None) -> NDArray[np.int64]:
    """Rows of the corpus by which an epoch is chosen, where one is."""
    assert recipe.protocol is not None
    assert fold is not None
    return fold.test if recipe.protocol.selection == "best_test" else fold.valid


def _leave(
    recipe: Recipe,
    assembly: Assembly,
    fold: Fold | None,
    seed: int,
    folder: Path,
    items: Items,
    test_items: Items | None,
    chose: Corpus | None,
    valid_items: Items | None,
) -> None:
    """Write the model and the predictions, then drop the checkpoints that led to them; chose: the
    utterances that chose the epoch; valid_items: those that calibrate."""
    model = assembly.model
    model.config.heard = heard_in(recipe, kinds_of(items))
    model.config.pauses = pauses_in(items)
    past = [
        *assembly.past,
        stage_of(
            recipe.stage,
            items.corpus,
            fingerprints_of(items.corpus),
            encoders=encoders_in(recipe),
            transductive=recipe.data.transductive,
            seed=seed,
            words=words_of(items.corpus),
            **_choice(recipe, chose),
        ),
    ]
    model.config.history = [dict(stage.facts) for stage in past]
    save_model(assembly, past, folder / "model")
    calibration = None
    if valid_items is not None and assembly.target is not None and recipe.protocol is not None:
        calibration = calibrate_fold(
            model,
            valid_items,
            assembly.target,
            method=recipe.calibrate,
            unit=recipe.protocol.unit,
            has_chosen=chose is not None and bool(set(chose.ids) & set(valid_items.corpus.ids)),
        )
        if calibration is not None:
            calibration.write(folder / "model")
    if fold is not None and test_items is not None and assembly.target is not None:
        assert recipe.protocol is not None
        scored = recipe.protocol.scored
        if recipe.protocol.task == "verification":
            answers = ask_trials(model, test_items, fold.test_trials)
            answers.embeddings.write(folder)
            lines = answers.lines(fold.index, seed, split=scored)
        else:
            predictions = predict_items(model, test_items, assembly.target, calibration=calibration)
            lines = prediction_lines(
                predictions, test_items.corpus, assembly.target, fold.index, seed, split=scored
            )
        write_lines(folder / "predictions.jsonl", lines)
    clear_checkpoints(folder)


def heard_in(recipe: Recipe, kinds: Sequence[str]) -> list[str]:
    """The kinds of utterance that training shows, those that modality dropout makes included."""
    heard, dropped = set(kinds), recipe.objectives.modality_dropout
    if dropped is not None and "audio+text" in heard:
        heard |= {"text"} if dropped.audio > 0 else set()
        heard |= {"audio"} if dropped.text > 0 else set()
    return sorted(heard)


def encoders_in(recipe: Recipe) -> dict[str, str]:
    """The encoders that a stage begins with, by modality, as its recipe names them."""
    named = {"audio": recipe.model.audio_encoder, "text": recipe.model.text_encoder}
    return {modality: name for modality, name in named.items() if name is not None}


def _choice(recipe: Recipe, chose: Corpus | None) -> dict[str, Any]:
    """What a stage says of how its epoch was chosen."""
    if chose is None or recipe.protocol is None:
        return {}
    return {"selection": recipe.protocol.selection, "chose": fingerprints_of(chose)}


def save_model(assembly: Assembly, past: Sequence[Stage], folder: Path) -> None:
    """Write model, tokenizer and what they have seen under a temporary name, then rename."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        assembly.model.save_pretrained(temporary)
    except SafetensorError as error:  # a full disk, in its words
        shutil.rmtree(temporary, ignore_errors=True)
        raise CrosstoneError(
            f"{folder}: the model cannot be written ({error}); the last checkpoint stands, make "
            "room and go on with --resume"
        ) from error
    if assembly.tokenizer is not None:
        assembly.tokenizer.save_pretrained(temporary)
    write_seen(temporary, past)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
