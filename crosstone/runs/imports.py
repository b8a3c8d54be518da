"""A file that others released becomes a folder of ours that says where it comes from."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import PreTrainedModel

from crosstone.data.text import load_tokenizer, with_reading
from crosstone.errors import CheckpointError, ConfigError, CrosstoneError
from crosstone.models.convert import ForeignFile, Imported, convert
from crosstone.models.task import TaskModel
from crosstone.runs.provenance import (
    IMPORT_FILE,
    Stage,
    describe_import,
    import_stage,
    stages_of_encoders,
    write_seen,
)


@dataclass(frozen=True)
class ImportReport:
    """What came of an import."""

    out: Path
    mapped: int
    """How many of the file's tensors were taken."""

    ignored: Mapping[str, str]
    """The file's key → why it was not needed."""

    num_parameters: int
    notes: tuple[str, ...]


def import_weights(
    source: str,
    path: Path,
    out: Path,
    *,
    overrides: Sequence[str] = (),
    dictionary: Path | None = None,
    tokenizer: Path | str | None = None,
) -> ImportReport:
    """Write a released file as a model folder, or a head as one file, whole or not at all.

    overrides: `key=value` of the source's options. A task model gets an entry in its history, an
    encoder an import.json and a card; a later stage keeps both. Raises ConfigError where `out` is
    there already or what is asked does not go with the source, CheckpointError where the file
    cannot be used.
    """
    if out.exists():
        raise ConfigError(f"{out}: already there; choose another name, nothing is overwritten")
    imported, file = convert(source, path, overrides, dictionary=dictionary, tokenizer=tokenizer)
    model = imported.result
    what = "head"
    if isinstance(model, PreTrainedModel):
        what = "model" if isinstance(model, TaskModel) else "encoder"
    stage = import_stage(source, what, file.path.name, file.sha256)
    notes = list(imported.notes)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(model, TaskModel):
            words = imported.tokenizer
            if tokenizer is not None:
                words = _text_tokenizer(model, tokenizer)
                notes.append("its tokenizer lower-cases and drops . , ? and !, as the code did")
            elif model.backbone.text_encoder is not None:
                notes.append("without --tokenizer it has none, so only token ids can be given")
            notes += _features(model)
            model.config.history = [dict(stage.facts)]
            _write_model(model, words, temporary)
            write_seen(temporary, [stage])
        elif isinstance(model, PreTrainedModel):
            earlier = stages_of_encoders([None if tokenizer is None else str(tokenizer)])
            _write_model(model, imported.tokenizer, temporary)
            _write_origin(temporary, [*earlier, stage])
        else:
            history = json.dumps([dict(stage.facts)])
            save_file(dict(model), temporary, {**imported.metadata, "history": history})
        temporary.replace(out)
    except (OSError, SafetensorError) as error:
        raise CrosstoneError(f"{out}: cannot be written ({error}); make room") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return _report(out, imported, file, notes)


def _report(out: Path, imported: Imported, file: ForeignFile, notes: Sequence[str]) -> ImportReport:
    held = imported.result
    weights = held.parameters() if isinstance(held, PreTrainedModel) else held.values()
    return ImportReport(
        out,
        imported.mapped,
        imported.ignored,
        sum(weight.numel() for weight in weights),
        tuple(notes),
    )


def _features(model: TaskModel) -> list[str]:
    """What the model takes that no tower of its makes."""
    config = model.backbone.config
    widths = {"audio": config.audio_features, "text": config.text_features}
    return [
        f"its {side} is features of {width} values, given in Python as (B, T, {width}); it has no "
        "encoder that makes them"
        for side, width in widths.items()
        if width
    ]


def _text_tokenizer(model: TaskModel, source: Path | str) -> Any:
    """The tokenizer that lies beside a checkpoint, as the model was trained to read it."""
    words = load_tokenizer(source)
    expected = model.backbone.config.text_config.vocab_size
    if len(words) != expected:
        raise CheckpointError(
            f"{source}: expected a tokenizer of {expected:,} tokens, as many as the checkpoint has "
            f"embeddings, found {len(words):,}; give the folder released with it"
        )
    model.backbone.config.mask_token_id = words.mask_token_id
    return with_reading(words, "plain")


def _write_model(model: PreTrainedModel, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def _write_origin(folder: Path, stages: Sequence[Stage]) -> None:
    """Where an encoder's weights come from: for later stages, and for whoever opens the folder."""
    document = json.dumps({"history": [dict(stage.facts) for stage in stages]}, indent=2)
    (folder / IMPORT_FILE).write_text(document + "\n", encoding="utf-8")
    sentences = "\n\n".join(describe_import(stage.facts) for stage in stages)
    (folder / "README.md").write_text(
        "---\nlibrary_name: crosstone\ntags:\n- crosstone\n---\n\n# An imported encoder\n\n"
        f"{sentences}\n\nName this folder as `model.audio_encoder` or `model.text_encoder` of a "
        "recipe, or as `--tokenizer` of another import.\n",
        encoding="utf-8",
    )
