"""A prepared corpus as a ground: its own label, folds by its own units, small encoders."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from crosstone.data.corpus import Corpus
from crosstone.models import FAMILIES
from crosstone.runs.table import table_recipe
from crosstone.studies.grounds.base import one_fold
from crosstone.studies.grounds.small import SmallGround
from crosstone.studies.steps import Given, Step
from crosstone.studies.study import CHANCE, Claim, Study, System

EPOCHS = 25
"""Of any fine-tuning, as in ravdess-audio, whose optimiser and batch these are."""
FINETUNING = (
    "optim.name=adamw",
    "optim.weight_decay=0.05",
    "training.batch_size=16",
    "training.steps=null",
    f"training.epochs={EPOCHS}",
)

FROZEN = frozenset({"model.config.freeze_audio=all", "model.config.freeze_text=all"})
"""What a system that freezes a whole encoder says."""

NOTHING = 0.02
"""Gain of text that is called none: two points."""


@dataclass(frozen=True)
class Table(SmallGround):
    """A corpus that a person prepared, with a label; encoders start from nothing, or from what an
    unlabelled corpus teaches them."""

    path: Path = Path()
    unlabelled: Path | None = None
    """A prepared corpus for the stages that need no labels."""
    target: str = "emotion"
    unit: str | None = None
    """group or speaker; None: as `crosstone finetune` chooses."""
    folds: int | None = None
    name: str = "table"
    """Of the corpus."""
    label_map: Mapping[str, str] | None = None
    """Labels that are merged, all others left out; None takes them as they are."""

    def corpus(self, system: System) -> Step:
        return Given(self.name, self.path)

    def heard(self, system: System) -> Step | None:
        return None if self.unlabelled is None else Given("unlabelled", self.unlabelled)

    def lacks(self, system: System) -> str:
        if system.corpus or system.unlabelled:
            return "it is about a corpus that is made on the spot, with two keys"
        if why := super().lacks(system):
            return why
        if self.unlabelled is None and not FROZEN.isdisjoint(system.finetuning):
            return (
                "it freezes encoders, and from nothing there is nothing to freeze: expected "
                "unlabelled=FOLDER, a prepared corpus that they learn from, found none"
            )
        if system.start != "fresh" and self.unlabelled is None:
            return (
                "its earlier stages need speech and text without labels: expected "
                "unlabelled=FOLDER, a prepared corpus, found none"
            )
        return ""

    def stage(self, recipe: str) -> tuple[str, ...]:
        if recipe.endswith("-tower") or recipe.endswith("-pretrain"):
            return ("data.split=null", "data.cut_texts=true")
        cut = ("protocol.split=null", "data.cut_texts=true")
        return cut if recipe.endswith("-adapt") else (*cut, *FINETUNING)

    def protocol(self, study: Study) -> tuple[str, ...]:
        own = tuple(f"protocol.{field}={value}" for field, value in self._found.items())
        if self.quick:
            return (*own, *study.protocol, *one_fold(study))
        return (*own, "protocol.kind=grouped-kfold", *study.protocol)

    def asked(self, system: System) -> tuple[str, ...] | None:
        return () if system.asks in ("", self.target) else None

    def fewer(self, share: float) -> tuple[str, ...]:
        epochs = round(EPOCHS / share**0.5)  # fewer steps, by the root of the share
        return (f"protocol.train_fraction={share}", f"training.epochs={epochs}")

    def fitted(self, study: Study) -> Study:
        """With claims that text tells nothing and adds nothing, where it cannot: all labels are
        said in the same words. The latter is tried on shallow fusion, which hears as speech alone
        does, where that is trained."""
        there = [s for s in study.systems if not self.lacks(s) and s.share == 1 and not s.under]
        audio = next((s.name for s in there if s.family == "audio"), None)
        shallow = tuple(s.name for s in there if s.family == "shallow")
        fused = (s.name for s in there if len(FAMILIES[s.family].modalities) == 2)
        both = shallow or tuple(fused)
        count = same_texts(Corpus.open(self.path), self.target)
        if not count:
            return study
        where = f"where every {self.target} is said in the same {count} sentences"
        claims = [
            Claim(
                sentence=f"Text alone tells more than chance {where}",
                source="ours, of this corpus",
                where="ours",
                first=system.name,
                ceiling=CHANCE,
            )
            for system in there
            if system.family == "text"
        ]
        if audio is not None and both:
            claims.append(
                Claim(
                    sentence=f"Text adds nothing (of {100 * NOTHING:g} points or more) {where}",
                    source="ours, of this corpus",
                    where="ours",
                    first=audio,
                    over=both,
                    by=-NOTHING,
                )
            )
        return replace(study, claims=(*study.claims, *claims))

    @cached_property
    def _found(self) -> dict[str, Any]:
        """Fields of the protocol that the corpus decides."""
        found = dict(table_recipe(self.path, self.target, None, self.path)["protocol"])
        if self.unit is not None:
            found |= {"unit": self.unit, "permits": []}
        if self.folds is not None:
            found["folds"] = self.folds
        if self.label_map is not None:
            found |= {"label_map": _flow(self.label_map)}
            found["labels"] = f"[{', '.join(sorted(set(self.label_map.values())))}]"
        found["permits"] = f"[{', '.join(found['permits'])}]"
        return found


def same_texts(corpus: Corpus, target: str) -> int:
    """How many texts there are, where every label's utterances say the same ones; else 0."""
    said: dict[str, set[str]] = {}
    for utterance in corpus:
        if target in utterance.labels:
            said.setdefault(str(utterance.labels[target]), set()).add(utterance.text or "")
    texts = list(said.values())
    return len(texts[0]) if texts and all(each == texts[0] for each in texts) else 0


def _flow(mapping: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in mapping.items()) + "}"
