"""A run set: all folds and seeds of a recipe in one folder, their predictions pooled and scored."""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState

from crosstone.data.corpus import Corpus
from crosstone.errors import CheckpointError, ConfigError
from crosstone.files import write_lines, write_text
from crosstone.models import FAMILIES
from crosstone.models.checkpoint import load_task, model_folder
from crosstone.protocols import Plan, alterations, plan_folds
from crosstone.runs.assembly import find_target
from crosstone.runs.calibration import calibrate_final
from crosstone.runs.corpora import open_corpus
from crosstone.runs.facts import corpus_facts, human_facts, protocol_facts
from crosstone.runs.identity import identity_of, refuse_other
from crosstone.runs.leakage import check_past, check_recordings
from crosstone.runs.processes import join_processes
from crosstone.runs.recipe import RECIPE, Recipe, load_recipe, shipped_recipes
from crosstone.runs.run import Progress, dump_recipe, train_run
from crosstone.runs.streams import is_stream, train_stream
from crosstone.scoring.score import score_predictions
from crosstone.training import peak_memory_mib

OWN_CORPUS = "corpus"
"""Folder inside a run set for a corpus made from a person's own table."""


def run(
    recipe: Recipe, out: Path, *, resume: bool = False, progress: Progress | None = None
) -> Path:
    """Do what a recipe says and leave a run set in `out`.

    A stage without protocol is one run, in `out` itself; with a protocol there is a folder
    `fold-K-seed-S` for each. With `resume`, what is complete stays and what was cut off goes on.
    Raises ConfigError where `out` holds something else.
    """
    begun = time.monotonic()
    join_processes(cpu=recipe.training.cpu)
    _claim(recipe, out, resume)
    inits = inits_of(recipe)
    if is_stream(recipe):
        train_stream(recipe, out, init=inits.whole, resume=resume, progress=progress)
        return out
    corpus, left_out = open_corpus(recipe, progress)
    if recipe.protocol is None:
        seed = recipe.seeds[0]
        train_run(
            recipe, corpus, None, seed, out, init=inits.whole, resume=resume, progress=progress
        )
        return out
    protocol = recipe.protocol
    if recipe.stage == "adapt":  # labels are not used, so none are withheld
        protocol = dataclasses.replace(protocol, train_fraction=1.0)
    plan = plan_folds(corpus, protocol)
    corpus, folds = plan.corpus, plan.folds
    notes = [] if recipe.data.transductive else check_recordings(corpus, folds, protocol)
    transductive, met = check_past(recipe, corpus, folds, inits.of)
    altered = alterations(protocol)
    recipe = dataclasses.replace(recipe, protocol=_named(recipe, corpus))
    for seed in recipe.seeds:
        for fold in folds:
            folder = out / f"fold-{fold.index}-seed-{seed}"
            init = inits.of(fold.index, seed)
            train_run(
                recipe, corpus, fold, seed, folder, init=init, resume=resume, progress=progress
            )
    final = out / "final"
    if recipe.final_model and (out / "model").is_dir():
        refuse_other(final, identity_of(recipe, corpus, None, inits.whole))
    elif recipe.final_model:
        train_run(
            recipe,
            corpus,
            None,
            recipe.seeds[0],
            final,
            init=inits.whole,
            resume=resume,
            progress=progress,
        )
        if PartialState().is_main_process:
            (final / "model").replace(out / "model")
    if recipe.stage == "finetune" and PartialState().is_main_process:
        facts = _facts(recipe, plan, out, transductive)
        facts["protocol"]["altered"] = list(altered)
        facts["protocol"]["notes"] += notes + met
        facts["corpus"]["left_out"] = left_out
        facts["seconds"] = time.monotonic() - begun
        pooled = pool_predictions(out)
        if recipe.final_model and recipe.calibrate != "none":
            facts["calibration"] = _calibrate_final(recipe, plan.scorable, out / "model", pooled)
        write_text(out / "run.json", json.dumps(facts, indent=2))
        score_predictions(out).write(out / "scores.json")
    PartialState().wait_for_everyone()
    return out


def pool_predictions(out: Path) -> Path:
    """Join the predictions of a run set's folders, in the order of their names."""
    lines: list[dict[str, Any]] = []
    for path in sorted(out.glob("fold-*-seed-*/predictions.jsonl")):
        lines += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_lines(out / "predictions.jsonl", lines)
    return out / "predictions.jsonl"


@dataclasses.dataclass(frozen=True)
class Inits:
    """Where each run starts from."""

    whole: Path | None
    by_fold: Mapping[int, Mapping[int, Path]]

    def of(self, fold: int, seed: int) -> Path | None:
        """The model of the same fold, of the same seed if there is one, else of any."""
        seeds = self.by_fold.get(fold)
        if not seeds:
            return self.whole
        return seeds.get(seed, next(iter(seeds.values())))

    @property
    def all(self) -> list[Path | None]:
        """Every start of a run, None for a fresh model."""
        of_folds = [model for seeds in self.by_fold.values() for model in seeds.values()]
        return [*of_folds, *([self.whole] if self.whole is not None or not of_folds else [])]


def inits_of(recipe: Recipe) -> Inits:
    """Where the runs of a recipe start from; CheckpointError where there is no such model."""
    if recipe.model.init is None:
        return Inits(None, {})
    source = Path(recipe.model.init)
    by_fold: dict[int, dict[int, Path]] = {}
    for model in sorted(source.glob("fold-*-seed-*/model")):
        _, fold, _, seed = model.parent.name.split("-")
        by_fold.setdefault(int(fold), {})[int(seed)] = model
    whole = None
    if not by_fold or (source / "model").is_dir():
        try:
            whole = model_folder(source)
        except CheckpointError as error:
            if source.name not in shipped_recipes():
                raise CheckpointError(f"model.init: {error}") from error
            before = load_recipe(source.name).stage
            raise CheckpointError(
                f"model.init: {source}: no model there yet; an earlier stage makes it (crosstone "
                f"{before} {source.name} --out {source}), or name another with model.init=FOLDER"
            ) from error
    if whole is None and recipe.final_model:
        raise CheckpointError(
            f"model.init: {source} has models by fold only, but final_model trains on all units; "
            "make the earlier stage with final_model=true, or set final_model=false here"
        )
    return Inits(whole, by_fold)


def run_set_of(folder: Path) -> Path | None:
    """The finished run set that a model folder stands in: its own `model`, or that of a fold."""
    around = (folder.parent, folder.parent.parent)
    return next((place for place in around if (place / "scores.json").is_file()), None)


def is_begun(out: Path) -> bool:
    """Whether a folder holds more than a run leaves that was refused before it trained."""
    return out.exists() and any(path.name not in (OWN_CORPUS, RECIPE) for path in out.iterdir())


def _named(recipe: Recipe, corpus: Corpus) -> Any:
    """The protocol with its classes spelt out, so that all folds share them; of trials as it is,
    since who trains is no class of the test side."""
    assert recipe.protocol is not None
    if recipe.protocol.task == "verification":
        return recipe.protocol
    target = find_target(recipe, corpus)
    labels = target.labels if target is not None else recipe.protocol.labels
    return dataclasses.replace(recipe.protocol, labels=labels)


def _calibrate_final(
    recipe: Recipe, corpus: Corpus, model: Path, predictions: Path
) -> dict[str, Any] | None:
    """Calibrate the final model, and what run.json says of that; None where there is too little."""
    target = find_target(recipe, corpus)
    assert recipe.protocol is not None
    if target is None or recipe.protocol.task == "verification":
        return None
    lines = [json.loads(line) for line in predictions.read_text(encoding="utf-8").splitlines()]
    calibration = calibrate_final(
        model,
        corpus,
        target,
        [line for line in lines if line["seed"] == recipe.seeds[0]],
        method=recipe.calibrate,
        unit=recipe.protocol.unit,
        takes=FAMILIES[recipe.model.family].modalities,
    )
    return None if calibration is None else calibration.summary()


def _claim(recipe: Recipe, out: Path, resume: bool) -> None:
    """Refuse a folder that holds another recipe's run, or one that nobody asked to resume."""
    text = dump_recipe(recipe)
    path = out / RECIPE
    if PartialState().is_main_process:
        if not is_begun(out):
            out.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
        elif not path.exists():
            raise ConfigError(f"{out}: expected an empty or new folder, found other files")
        elif not resume:
            raise ConfigError(f"{out}: a run stands here; go on with --resume or choose another")
        elif path.read_text(encoding="utf-8") != text:
            raise ConfigError(
                f"{out}: the recipe differs from {path}, which began this run; resume with the "
                "same recipe and overrides, or choose another folder"
            )
    PartialState().wait_for_everyone()


def _facts(recipe: Recipe, plan: Plan, out: Path, transductive: bool) -> dict[str, Any]:
    """What a table must say of a run set beside its numbers."""
    assert recipe.protocol is not None
    first = out / f"fold-{plan.folds[0].index}-seed-{recipe.seeds[0]}" / "model"
    model = load_task(first)
    return {
        "name": recipe.title,
        "stage": recipe.stage,
        "family": recipe.model.family,
        "corpus": {**corpus_facts(plan.scorable), "human": human_facts(recipe.protocol, plan)},
        "protocol": protocol_facts(recipe.protocol, plan, transductive),
        "parameters": {
            "total": sum(p.numel() for p in model.parameters()),
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        },
        "history": model.config.history,
        "seeds": list(recipe.seeds),
        "peak_memory_mib": peak_memory_mib(),
    }
