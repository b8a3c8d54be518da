"""What the stages of a model, and those of its encoders, have seen."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from crosstone.data.corpus import Corpus
from crosstone.models.task import TaskConfig, read_task_config
from crosstone.models.towers import encoder_folder

SEEN = "seen.safetensors"
"""File of a model folder: for each entry of its history the fingerprints of what was seen."""


@dataclass(frozen=True)
class Stage:
    """One stage of a model's past."""

    facts: Mapping[str, Any]
    """stage, corpus, hash, url, licence, utterances, groups, speakers, encoders,
    transductive, seed."""
    fingerprints: NDArray[np.int64]
    """Of the utterances it was trained on, sorted; empty where the model does not say."""

    @property
    def is_blind(self) -> bool:
        """Whether it used no labels and says that it met the test side."""
        return self.facts["stage"] != "finetune" and bool(self.facts["transductive"])


@dataclass(frozen=True)
class Encounter:
    """What of a corpus one stage has seen before."""

    stage: Stage
    ids: tuple[str, ...]
    """Utterances whose content it was trained on, under whatever name."""
    speakers: tuple[str, ...]
    """Speakers of the same corpus whom it was trained on, by name."""
    groups: tuple[str, ...]
    """Groups of the same corpus that it was trained on, by name."""


def stage_of(
    stage: str,
    trained_on: Corpus,
    fingerprints: NDArray[np.int64],
    *,
    encoders: Mapping[str, str],
    transductive: bool,
    seed: int,
) -> Stage:
    """The entry of a stage that was trained on `trained_on`; encoders: those it began with, by
    modality, as the recipe names them."""
    facts = {
        "stage": stage,
        "corpus": trained_on.name,
        "hash": trained_on.hash,
        "url": trained_on.source.url,
        "licence": trained_on.source.licence,
        "utterances": len(trained_on),
        "groups": sorted({str(g) for g in trained_on.groups if g}),
        "speakers": sorted({str(s) for s in trained_on.speakers if s}),
        "encoders": dict(encoders),
        "transductive": transductive,
        "seed": seed,
    }
    return Stage(facts, np.unique(fingerprints))


def stages_of_model(folder: Path) -> list[Stage]:
    """The past of a crosstone model; raises CheckpointError where the folder holds none."""
    return _stages(read_task_config(folder), folder)


def stages_of_encoders(sources: Iterable[str | None]) -> list[Stage]:
    """The past of crosstone encoders; a built-in or released one brings none."""
    found = [encoder_folder(source) for source in dict.fromkeys(sources) if source is not None]
    return [stage for place in found if place is not None for stage in _stages(*place)]


def _stages(config: TaskConfig, folder: Path) -> list[Stage]:
    path = folder / SEEN
    arrays = load_file(path) if path.is_file() else {}
    nothing = np.empty(0, np.int64)
    return [
        Stage(facts, arrays.get(str(i), nothing)) for i, facts in enumerate(config.history or [])
    ]


def write_seen(folder: Path, stages: Sequence[Stage]) -> None:
    """The fingerprints of a model's stages into its folder; the facts stand in its config."""
    temporary = folder / f".{SEEN}.{os.getpid()}.tmp"
    save_file({str(i): stage.fingerprints for i, stage in enumerate(stages)}, temporary)
    temporary.replace(folder / SEEN)


def encounters(
    stages: Sequence[Stage], corpus: Corpus, fingerprints: NDArray[np.int64]
) -> list[Encounter]:
    """Which stages have met utterances, speakers or groups of a corpus.

    fingerprints: (N,) of its utterances.
    """
    names = {
        "speakers": {str(s) for s in corpus.speakers if s},
        "groups": {str(g) for g in corpus.groups if g},
    }
    met = []
    for stage in stages:
        rows = np.flatnonzero(np.isin(fingerprints, stage.fingerprints))
        same = stage.facts["corpus"] == corpus.name
        known = {
            k: tuple(sorted(v & set(stage.facts[k]))) if same else () for k, v in names.items()
        }
        if len(rows) or any(known.values()):
            met.append(Encounter(stage, tuple(corpus.ids[int(row)] for row in rows), **known))
    return met


def describe_encounters(met: Sequence[Encounter], corpus: Corpus) -> list[str]:
    """A sentence for each stage that has met some of a corpus."""
    said = []
    for encounter in met:
        facts = encounter.stage.facts
        parts = []
        if encounter.ids:
            parts.append(f"{len(encounter.ids)} of {len(corpus)} utterances")
        for kind, names in (("speaker", encounter.speakers), ("group", encounter.groups)):
            if names:
                shown = f"{', '.join(names[:6])}{' …' if len(names) > 6 else ''}"
                parts.append(f"{len(names)} {kind}{'s' if len(names) > 1 else ''} ({shown})")
        with_labels = "with" if facts["stage"] == "finetune" else "without"
        said.append(
            f"seen in training: {', '.join(parts)}, {with_labels} labels, by the stage "
            f"'{facts['stage']}' on {facts['corpus']}"
        )
    return said
