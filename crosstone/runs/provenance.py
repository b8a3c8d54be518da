"""What the stages of a model, and those of its encoders, have seen."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from crosstone.data.corpora.lhotse.shards import Shar
from crosstone.data.corpus import Corpus
from crosstone.files import whole
from crosstone.models.checkpoint import read_task_config
from crosstone.models.task import TaskConfig
from crosstone.models.towers import encoder_folder

SEEN = "seen.safetensors"
"""File of a model folder: for each entry of its history the fingerprints of what was seen."""
IMPORT = "import"
"""Stage name of weights that others released, whose past is not known here."""
IMPORT_FILE = "import.json"
"""File of an imported encoder's folder: its history."""
CODEBOOK = "codebook"
"""Stage name of a codebook, which hears and does not read labels."""
_NONE: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True)
class Stage:
    """One stage of a model's past."""

    facts: Mapping[str, Any]
    """stage, corpus, hash, url, licence, utterances, groups, speakers, encoders,
    transductive, selection, seed."""
    fingerprints: NDArray[np.int64]
    """Of the utterances it was trained on, sorted; empty where the model does not say."""
    chose: NDArray[np.int64] = field(default_factory=_NONE.copy)
    """Of the utterances that its epoch was chosen on, sorted."""
    words: NDArray[np.int64] = field(default_factory=_NONE.copy)
    """Of the words of those that it was trained on without a recording, sorted."""

    @property
    def uses_labels(self) -> bool:
        """Whether labels trained it."""
        return bool(self.facts["stage"] == "finetune")

    @property
    def is_blind(self) -> bool:
        """Whether it used no labels and may have met the test side: it says so, or it is a
        codebook, which is made once for all folds."""
        admits = self.facts["stage"] == CODEBOOK or bool(self.facts["transductive"])
        return admits and not self.uses_labels


@dataclass(frozen=True)
class Encounter:
    """What of a corpus one stage has seen before."""

    stage: Stage
    ids: tuple[str, ...]
    """Utterances whose content it was trained on, under whatever name."""
    chose: tuple[str, ...]
    """Utterances whose content its epoch was chosen on, under whatever name."""
    echoes: tuple[str, ...]
    """Utterances without a recording that it was not trained on, but on the same words."""
    speakers: tuple[str, ...]
    """Speakers of the same corpus whom it was trained on, by name."""
    groups: tuple[str, ...]
    """Groups of the same corpus that it was trained on, by name."""


def stage_of(
    stage: str,
    trained_on: Corpus | Shar,
    fingerprints: NDArray[np.int64],
    *,
    encoders: Mapping[str, str],
    transductive: bool,
    seed: int,
    selection: str = "last",
    chose: NDArray[np.int64] = _NONE,
    words: NDArray[np.int64] = _NONE,
) -> Stage:
    """The entry of a stage that was trained on `trained_on`.

    fingerprints, words: of its utterances; chose: of those that its epoch was chosen on, by the
    rule `selection`; encoders: those it began with, by modality, as the recipe names them.
    """
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
        "selection": selection,
        "seed": seed,
    }
    said = np.unique(words)
    return Stage(facts, np.unique(fingerprints), np.unique(chose), said[said != 0])


def import_stage(source: str, what: str, name: str, sha256: str) -> Stage:
    """The entry of weights that others released.

    source: as `crosstone import` calls it; what: model, encoder or head; name and hash of the file.
    """
    facts = {
        "stage": IMPORT,
        "corpus": source,
        "hash": sha256[:16],
        "imported": what,
        "file": name,
        "sha256": sha256,
        "url": "",
        "licence": "",
        "utterances": 0,
        "groups": [],
        "speakers": [],
        "encoders": {},
        "transductive": False,
        "selection": None,
        "seed": None,
    }
    return Stage(facts, _NONE)


def describe_import(facts: Mapping[str, Any]) -> str:
    """A sentence on an imported stage."""
    return (
        f"The {facts['imported']} was imported from {facts['corpus']}, file {facts['file']}, "
        f"sha256 {facts['sha256']}; what it has seen is what its authors say and is not checked "
        "here."
    )


def stages_of_model(folder: Path) -> list[Stage]:
    """The past of a crosstone model; raises CheckpointError where the folder holds none."""
    return _stages(read_task_config(folder), folder)


def stages_of_encoders(sources: Iterable[str | None]) -> list[Stage]:
    """The past of crosstone encoders and of imported ones; a built-in one, or one of Hugging
    Face's, brings none."""
    stages: list[Stage] = []
    for source in dict.fromkeys(sources):
        if source is None:
            continue
        if (place := encoder_folder(source)) is not None:
            stages += _stages(*place)
        elif (path := Path(source) / IMPORT_FILE).is_file():
            history = json.loads(path.read_text(encoding="utf-8"))["history"]
            stages += [Stage(facts, _NONE) for facts in history]
    return stages


def stages_of_head(path: Path | str) -> list[Stage]:
    """The past of an imported head's file; nothing where it says none or is no such file."""
    try:
        with safe_open(path, "numpy") as file:
            history = json.loads((file.metadata() or {}).get("history", "[]"))
    except (OSError, SafetensorError):  # whoever takes its weights says what is wrong
        return []
    return [Stage(facts, _NONE) for facts in history]


def _stages(config: TaskConfig, folder: Path) -> list[Stage]:
    path = folder / SEEN
    arrays = load_file(path) if path.is_file() else {}
    return [
        Stage(facts, *(arrays.get(f"{i}{part}", _NONE) for part in ("", ".chose", ".words")))
        for i, facts in enumerate(config.history or [])
    ]


def write_seen(folder: Path, stages: Sequence[Stage]) -> None:
    """The fingerprints of a model's stages into its folder; the facts stand in its config."""
    arrays: dict[str, NDArray[np.int64]] = {}
    for i, stage in enumerate(stages):
        arrays |= {str(i): stage.fingerprints, f"{i}.chose": stage.chose, f"{i}.words": stage.words}
    with whole(folder / SEEN) as temporary:
        save_file(arrays, temporary)


def encounters(
    stages: Sequence[Stage],
    corpus: Corpus,
    fingerprints: NDArray[np.int64],
    words: NDArray[np.int64],
) -> list[Encounter]:
    """Which stages have met utterances, speakers, groups or bare words of a corpus.

    fingerprints, words: (N,) of its utterances.
    """
    names = {
        "speakers": {str(s) for s in corpus.speakers if s},
        "groups": {str(g) for g in corpus.groups if g},
    }
    met = []
    for stage in stages:
        is_met = np.isin(fingerprints, stage.fingerprints)
        is_echo = np.isin(words, stage.words) & (words != 0) & ~is_met
        rows = [is_met, np.isin(fingerprints, stage.chose), is_echo]
        same = stage.facts["corpus"] == corpus.name
        known = {
            k: tuple(sorted(v & set(stage.facts[k]))) if same else () for k, v in names.items()
        }
        if any(r.any() for r in rows) or any(known.values()):
            met.append(Encounter(stage, *(_ids(corpus, r) for r in rows), **known))
    return met


def _ids(corpus: Corpus, is_chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(corpus.ids[int(row)] for row in np.flatnonzero(is_chosen))


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
        stage = f"the stage '{facts['stage']}' on {facts['corpus']}"
        if parts:
            with_labels = "with" if encounter.stage.uses_labels else "without"
            said.append(f"seen in training: {', '.join(parts)}, {with_labels} labels, by {stage}")
        if encounter.chose:
            said.append(
                f"{stage} chose its epoch on {len(encounter.chose)} of {len(corpus)} utterances "
                f"({facts['selection']})"
            )
        if encounter.echoes:
            said.append(
                describe_echoes(facts["stage"], facts["corpus"], len(encounter.echoes), len(corpus))
            )
    return said


def describe_echoes(stage: str, corpus: str, count: int, total: int) -> str:
    """A sentence on texts that a stage on a corpus has read as other utterances' words."""
    return (
        f"{count} of {total} utterances have the words of another utterance that the stage "
        f"'{stage}' on {corpus} was trained on"
    )
