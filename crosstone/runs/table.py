"""From a person's own table, or a prepared corpus, to the recipe that fine-tunes on it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crosstone.data.corpora.table import prepare
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.models import FAMILIES
from crosstone.models.checkpoint import model_folder, read_task_config
from crosstone.models.families import family_of
from crosstone.runs.processes import join_processes
from crosstone.runs.recipe import RECIPE
from crosstone.runs.runset import OWN_CORPUS, is_begun


def table_recipe(
    table: Path,
    target: str,
    model: str | None,
    out: Path,
    *,
    classes: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Prepare the table inside `out` and give the keys that lie over the recipe `table-finetune`.

    `table` may be a prepared corpus, which is taken as it is. The family follows the columns (audio
    and text: cmt; one of them: that one alone) unless `model` names a family or an earlier stage's
    folder. Folds keep sessions together where the table has them, else speakers (also where each
    session is one speaker's), else nothing. `classes`: numbers in the target's column are names,
    not values. Raises CorpusError for a target that is no column.
    """
    is_prepared = (table / "corpus.json").is_file()
    if is_prepared and classes:
        raise ConfigError(
            f"{table}: --classes is for a table, found a prepared corpus; leave it out"
        )
    folder = table if is_prepared else out / OWN_CORPUS
    if is_begun(out) and (out / RECIPE).exists() and not resume:
        raise ConfigError(f"{out}: a run stands here; go on with --resume or choose another")
    state = join_processes()
    is_there = is_prepared or (resume and (folder / "corpus.json").is_file())
    options: dict[str, Any] = {"classes": [target] if classes else (), "progress": progress}
    if state.is_main_process and not is_there:
        prepare(table, folder, **options)
    elif state.is_main_process and not is_prepared:
        _refuse_changed(table, Corpus.open(folder), options)
    state.wait_for_everyone()
    corpus = Corpus.open(folder)
    values = [u.labels[target] for u in corpus if target in u.labels]
    if not values:
        names = sorted({name for utterance in corpus for name in utterance.labels})
        raise CorpusError(
            f"{table}: expected a label column '{target}', found {', '.join(names) or 'none'}; "
            "correct --target"
        )
    is_value = all(isinstance(value, float) for value in values)
    unit, units, permits = _unit(corpus)
    asked = _model(model, corpus)
    return {
        "name": f"{table.stem}, {asked['family']}",
        "data": {"corpus": str(folder)},
        "model": asked,
        "protocol": {
            "target": target,
            "task": "regression" if is_value else "classification",
            "unit": unit,
            "permits": permits,
            "folds": max(2, min(5, units)),
        },
    }


def _refuse_changed(table: Path, corpus: Corpus, options: Mapping[str, Any]) -> None:
    """Raises ConfigError where a table is no longer the one that a run began with."""
    with TemporaryDirectory() as folder:
        found = prepare(table, Path(folder) / OWN_CORPUS, **options)
    if found.hash != corpus.hash:
        raise ConfigError(
            f"{table}: has changed since {corpus.folder} was made from it, and one run set must "
            "not mix both; restore it, or choose another folder"
        )


def _unit(corpus: Corpus) -> tuple[str, int, list[str]]:
    """What folds keep together, how many there are, and what may then stand on both sides.

    Sessions, unless each is one speaker's and speakers have several: then speakers. Where sessions
    and speakers cross, a session is kept and its speakers are permitted elsewhere, which is said.
    """
    names: dict[str, list[str]] = {}
    for unit, column in (("group", corpus.groups), ("speaker", corpus.speakers)):
        filled = sum(map(bool, column))
        if 0 < filled < len(column):
            raise CorpusError(
                f"{corpus.name}: column '{'session' if unit == 'group' else unit}' is filled in "
                f"{filled} of {len(column)} rows; fill it in all, or in none"
            )
        if filled:
            names[unit] = [str(name) for name in column]
    several = [unit for unit, column in names.items() if len(set(column)) > 1]
    if not several:
        return "utterance", len(corpus), []
    unit = several[0]
    if len(several) == 2 and not _lies_in_one(names["speaker"], names["group"]):
        unit = "speaker" if _lies_in_one(names["group"], names["speaker"]) else "group"
    permits = [
        other
        for other, column in names.items()
        if other != unit and not _lies_in_one(column, names[unit])
    ]
    return unit, len(set(names[unit])), permits


def _lies_in_one(inner: list[str], outer: list[str]) -> bool:
    """Whether each name of one column goes with one name of the other."""
    return len(set(zip(inner, outer, strict=True))) == len(set(inner))


def _model(model: str | None, corpus: Corpus) -> dict[str, Any]:
    if model is not None and model not in FAMILIES:
        if not Path(model).exists():
            raise ConfigError(
                f"--model {model}: expected a family ({', '.join(FAMILIES)}) or the folder of a "
                "model, found neither; correct it"
            )
        init = model_folder(Path(model))
        return {"family": family_of(read_task_config(init)), "init": str(init)}
    hears = any(utterance.audio is not None for utterance in corpus)
    reads = any(utterance.text for utterance in corpus)
    family = model or ("cmt" if hears and reads else "audio" if hears else "text")
    entry = FAMILIES[family]
    return {
        "family": family,
        "audio_encoder": entry.audio_tower if entry.hears else None,
        "text_encoder": entry.text_tower if entry.reads else None,
        "config": dict(entry.small),
    }
