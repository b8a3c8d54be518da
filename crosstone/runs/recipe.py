"""A recipe: everything that decides what a run does, read from YAML and overrides."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crosstone.config import apply_overrides, build, merge, resolve_extends, to_tree
from crosstone.errors import ConfigError
from crosstone.models import FAMILIES
from crosstone.protocols import ProtocolSpec, named_protocol
from crosstone.runs.asked import CRITERIA, SOFT, Criterion, ObjectivesSpec
from crosstone.training import OptimSpec, TrainingSpec

Stage = Literal["pretrain", "adapt", "finetune"]
RECIPES = Path(__file__).parent.parent / "recipes"
"""The shipped recipes."""
RECIPE = "recipe.yaml"
"""File of a run, and of a run set: the resolved recipe that began it."""


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What a stage trains on."""

    corpus: str = ""
    """Folder that `crosstone prepare` wrote; for pretrain, and for adapt without protocol, also a
    Lhotse Shar, which is read as a stream."""

    split: str | None = None
    """Only the utterances of this part of the corpus's own partition."""

    max_seconds: float = 60.0
    """A longer utterance is a fault."""

    hear_seconds: float | None = None
    """Of a longer recording only the beginning is heard; it is told how many that are."""

    cut_texts: bool = False
    """Whether texts that are too long for the text encoder lose their end; it is told how many."""

    skip_faulty: bool = False
    """Leave faulty utterances out, and say how many, instead of refusing the corpus."""

    transductive: bool = False
    """adapt: also hear and read the test groups, without labels; every table then says so."""

    cache_mib: int = 1024
    """Decoded audio that a training process keeps in memory, shared out among its workers where it
    has some; for a side that validates or tests as much again."""

    encoder_cache: str | None = None
    """Folder that `crosstone cache` filled: the states of frozen encoders are read from it, so that
    training runs none of them."""

    cache_precision: Literal["float16", "float32"] = "float16"
    """Of the states there: float16 keeps 11 bits of each value, float32 all."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Which family, on which encoders, starting from what."""

    family: str = "cmt"
    """A name that `crosstone models` lists."""

    preset: str | None = None
    """A size or variant of the family's paper, as `crosstone models` lists them."""

    init: str | None = None
    """Model folder, or run set, of an earlier stage of the same family; it brings its encoders."""

    audio_encoder: str | None = None
    """Built-in name, crosstone folder, Hugging Face folder or hub id."""

    text_encoder: str | None = None
    """The same, for text."""

    tokenizer: str | None = None
    """Folder or hub id; by default the text encoder's own."""

    reading: Literal["as-written", "lower", "plain"] = "as-written"
    """What the tokenizer makes of a text first; plain is lower case without . , ? and !. It travels
    with the tokenizer, so later stages read alike."""

    vocab_size: int = 2000
    """Of the byte-level BPE that is trained where a built-in text encoder starts from nothing."""

    config: dict[str, Any] = field(default_factory=dict)
    """Fields of the family's config; freezes default by stage."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One stage, whole."""

    stage: Stage
    name: str = ""
    """Stands in tables; by default the family and the stage."""

    seeds: tuple[int, ...] = (0,)
    data: DataSpec = field(default_factory=DataSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    objectives: ObjectivesSpec
    protocol: ProtocolSpec | None = None
    """Folds. finetune needs it; adapt with it trains once a fold, on that fold's training side."""

    optim: OptimSpec = field(default_factory=OptimSpec)
    training: TrainingSpec

    final_model: bool = False
    """finetune: train once more on all units, into out/model, which `predict` takes."""

    keep_answers: bool = False
    """finetune: what the model answers on the test side, and on the validation side where there is
    one, after every epoch is kept in the run's `answers/`: rules of selection can then be compared
    on one training."""

    calibrate: Literal["none", "auto", "temperature", "vector"] = "none"
    """finetune: how probabilities are calibrated on the fold's validation groups; those of the
    final model on the answers of the folds to what they did not train on. auto is the temperature
    for classes; of a value its distances from the truth are kept, for intervals."""

    probe_every: int = 0
    """pretrain, adapt: steps between probes of masked accuracy with the matching and with a
    shuffled other modality; 0 probes at the end only."""

    probe_items: int = 256
    """pretrain, adapt: utterances, at most a tenth of all, that are kept out of training for the
    probe to look at."""

    def __post_init__(self) -> None:
        asked = self.objectives
        faults = self._faults_of_family()
        if self.stage == "finetune" and (self.protocol is None or asked.supervised is None):
            faults.append("finetune needs protocol and objectives.supervised")
        if self.stage != "finetune" and (asked.supervised or asked.orthogonality):
            faults.append(f"{self.stage} uses no labels: set objectives.supervised=null")
        if self.keep_answers and (self.protocol is None or self.protocol.task == "verification"):
            faults.append("keep_answers is for finetune on classes or values")
        if self.stage != "finetune" and not asked.masks:
            faults.append(
                f"{self.stage} needs objectives.masked_text, masked_audio or masked_frames"
            )
        if asked.masked_audio and asked.masked_frames:
            faults.append("objectives: masked_audio and masked_frames both mask speech; choose one")
        if self.stage == "finetune" and self.data.transductive:
            faults.append("data.transductive is for stages without labels, not for finetune")
        faults += self._faults_of_criterion()
        faults += self._faults_of_dropout() + self._faults_of_calibration()
        if self.protocol is None and len(self.seeds) > 1:
            faults.append("seeds: a stage without protocol is one run, so expected one seed")
        if self.final_model and self.optim.schedule == "plateau":
            faults.append("final_model trains on all units, so no schedule can watch validation")
        if not self.seeds:
            faults.append("seeds: expected at least one, found none")
        if faults:
            raise ConfigError("; ".join(faults))

    @property
    def criterion(self) -> Criterion | None:
        """The loss on the protocol's target; None where no label is asked for."""
        if self.protocol is None or self.objectives.supervised is None:
            return None
        asked = self.objectives.supervised.criterion
        return CRITERIA[self.protocol.task][0] if asked == "auto" else asked

    def _faults_of_family(self) -> list[str]:
        family, preset = FAMILIES.get(self.model.family), self.model.preset
        if family is None:
            known = ", ".join(FAMILIES)
            return [f"model.family: expected one of {known}, found '{self.model.family}'"]
        if self.stage != "finetune" and not family.pretrains:
            return [
                f"model.family: '{self.model.family}' has no pretraining, expected stage=finetune, "
                f"found {self.stage}"
            ]
        if preset is not None and preset not in family.presets:
            known = ", ".join(family.presets) or "none"
            return [
                f"model.preset: of family '{self.model.family}' expected {known}, found '{preset}'"
            ]
        return []

    def _faults_of_criterion(self) -> list[str]:
        asked, protocol, training = self.objectives.supervised, self.protocol, self.training
        if asked is None or protocol is None:
            return []
        faults, known = [], CRITERIA[protocol.task]
        if self.criterion not in known:
            faults.append(
                f"objectives.supervised.criterion: {self.criterion} does not fit "
                f"protocol.task={protocol.task}, which expects {' or '.join(known)}"
            )
        if asked.smoothing and protocol.task == "regression":
            faults.append("objectives.supervised.smoothing is for classes, not for a value")
        if protocol.ambiguous == "train" and self.criterion not in SOFT:
            faults.append(
                f"protocol.ambiguous=train: {self.criterion} learns from labels, and these have "
                f"none; choose objectives.supervised.criterion {' or '.join(SOFT)}"
            )
        if self.criterion == "ccc":
            size = training.batch_size or 0
            micro = training.micro_batch_size or size
            if micro < size or size < 2 or training.micro_batch_seconds is not None:
                faults.append(
                    "objectives.supervised.criterion=ccc is a statistic of the whole batch, so it "
                    "expects batch_size of at least 2 in one piece, found batch_size "
                    f"{training.batch_size} and micro_batch_size {training.micro_batch_size}; "
                    "leave micro_batch_size, batch_seconds and micro_batch_seconds out, or choose "
                    "mse"
                )
        return faults

    def _faults_of_dropout(self) -> list[str]:
        if self.objectives.modality_dropout is None:
            return []
        family = FAMILIES.get(self.model.family)
        if self.stage != "finetune":
            return ["objectives.modality_dropout is for finetune; other stages mask"]
        if family is not None and len(family.modalities) < 2:
            takes = family.modalities[0]
            return [
                "objectives.modality_dropout: expected a family of audio and text, found "
                f"'{self.model.family}', which takes {takes} alone"
            ]
        return []

    def _faults_of_calibration(self) -> list[str]:
        protocol, asked = self.protocol, self.calibrate
        if asked == "none" or protocol is None:
            return [] if asked == "none" else ["calibrate is for finetune, which has labels"]
        if self.stage != "finetune":
            return ["calibrate is for finetune, which has labels"]
        if asked in ("temperature", "vector") and protocol.task != "classification":
            return [f"calibrate: {asked} is for classes, not for protocol.task={protocol.task}"]
        validates = protocol.selection in ("nested", "best_valid") or protocol.kind == "predefined"
        if asked != "auto" and not (validates or protocol.valid_units or self.final_model):
            return [
                f"calibrate: {asked} expects groups that neither train nor test, found none; set "
                "protocol.selection=best_valid, or final_model=true for the final model alone"
            ]
        return []

    @property
    def title(self) -> str:
        """The name in tables."""
        return self.name or f"{self.model.family}, {self.stage}"


def load_recipe(
    name: str | Path, overrides: Sequence[str] = (), *, over: dict[str, Any] | None = None
) -> Recipe:
    """A recipe from a file or a shipped name, then a tree over it, then dotted overrides.

    A protocol that is named brings its keys; those laid under the name are forgotten, those beside
    it or over it hold. Raises ConfigError that lists every unknown key, missing key and wrong
    value, and for an unknown protocol the nearest names.
    """
    return build(Recipe, recipe_tree(name, overrides, over=over), str(name))


def recipe_tree(
    name: str | Path, overrides: Sequence[str] = (), *, over: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What `load_recipe` reads, before defaults are filled in and types are looked at."""
    path = find_recipe(str(name), Path())
    tree = _lay(resolve_extends(path, find_recipe, _lay), over or {})
    tree = apply_overrides(tree, overrides, _lay)
    if known := _protocol_name(tree):
        tree["protocol"] = merge(to_tree(named_protocol(known)), tree["protocol"])
    return tree


def _lay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One tree over another; a protocol that is named starts anew."""
    if _protocol_name(over):
        under = {key: value for key, value in under.items() if key != "protocol"}
    return merge(under, over)


def _protocol_name(tree: Mapping[str, Any]) -> str:
    protocol = tree.get("protocol")
    return str(protocol.get("name") or "") if isinstance(protocol, Mapping) else ""


def find_recipe(name: str, folder: Path) -> Path:
    """Path of a recipe: a file (relative to `folder`), or a shipped name."""
    for path in (folder / name, Path(name), RECIPES / f"{name}.yaml"):
        if path.is_file():
            return path
    near = difflib.get_close_matches(Path(name).stem, shipped_recipes(), 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ";"
    raise ConfigError(
        f"recipe '{name}': no such file, and none shipped by that name{hint} crosstone models "
        "--recipes lists them"
    )


def shipped_recipes() -> dict[str, str]:
    """The recipes that come with the package: what the first line of each says of it, by name."""
    paths = sorted(RECIPES.glob("*.yaml"))
    return {p.stem: p.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for p in paths}
