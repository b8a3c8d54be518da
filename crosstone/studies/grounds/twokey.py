"""twokey as a ground: everything is made on the spot, and the best possible scores are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.studies.grounds.base import Ground
from crosstone.studies.steps import Codewords, Given, Made, Step, Trained
from crosstone.studies.study import Study, System

QUICK_STEPS = 60
"""Optimizer steps of any stage of a quick run."""
FULL_STEPS = 400
"""Of twokey-cmt, which sees every label."""


@dataclass(frozen=True, kw_only=True)
class SmallFamily:
    """How a family is trained at the size of a laptop."""

    finetune: str
    overrides: tuple[str, ...] = ()
    large: tuple[str, ...] = ("model.config.num_layers=4",)
    """What makes the larger of its two sizes."""
    pretrain: str = ""
    """Empty: the family has no pretraining of its own here."""
    adapt: str = ""
    towers: tuple[str, ...] = ()
    """Modalities whose encoder is taken from stage 0, not from nothing."""
    codes: bool = False
    """Whether pretraining predicts codewords."""


SMALL: Mapping[str, SmallFamily] = {
    "cmt": SmallFamily(
        finetune="twokey-cmt",
        pretrain="twokey-cmt-pretrain",
        adapt="twokey-cmt-adapt",
        towers=("audio", "text"),
        codes=True,
    ),
    "audio": SmallFamily(
        finetune="twokey-finetune", overrides=("model.family=audio",), towers=("audio",)
    ),
    "text": SmallFamily(
        finetune="twokey-finetune", overrides=("model.family=text",), towers=("text",)
    ),
    "shallow": SmallFamily(
        finetune="twokey-finetune", overrides=("model.family=shallow",), towers=("audio", "text")
    ),
    "ctal": SmallFamily(finetune="twokey-ctal", pretrain="twokey-ctal-pretrain"),
    "two-stream": SmallFamily(finetune="twokey-two-stream", pretrain="twokey-two-stream-pretrain"),
    "single-stream": SmallFamily(
        finetune="twokey-single-stream", pretrain="twokey-single-stream-pretrain"
    ),
    "mockingjay": SmallFamily(finetune="twokey-mockingjay", pretrain="twokey-mockingjay-pretrain"),
    "mult": SmallFamily(finetune="twokey-mult"),
    "jbls": SmallFamily(finetune="twokey-jbls"),
    "cma": SmallFamily(finetune="twokey-cma"),
}
"""Families → their recipes on `twokey`."""


@dataclass(frozen=True)
class Twokey(Ground):
    """The embedded corpus: everything is made here, and the best possible scores are known."""

    quick: bool = False
    path: Path | None = None
    """A corpus that a person prepared with `crosstone prepare twokey`; None makes the demo's."""
    name: str = "twokey"

    def lacks(self, system: System) -> str:
        if system.family not in SMALL:
            return f"no small recipe trains '{system.family}' on twokey"
        if system.start != "fresh" and not SMALL[system.family].pretrain:
            return f"'{system.family}' has no pretraining"
        if system.start == "adapted" and not SMALL[system.family].adapt:
            return f"no small recipe adapts '{system.family}'"
        return ""

    def corpus(self, options: Mapping[str, str]) -> Step:
        """The corpus that a system is trained on."""
        if self.path is not None and not options:
            return Given("corpus", self.path)
        size = {"labelled": 400, "unlabelled": 200, "speakers": 20, "unlabelled_speakers": 8}
        made: dict[str, Any] = {"seed": 0, "labelled": 5000, "text_only": 6000}
        if options:  # of one that only fine-tunes, the rest is not spoken
            made = {"seed": 1, "labelled": 5000, "unlabelled": 0, "unlabelled_speakers": 0}
        if self.quick:
            made |= size if not options else {k: size[k] for k in ("labelled", "speakers")}
            made |= {} if options else {"text_only": 600}
        made |= {k: _number(v) for k, v in options.items()}
        said = ", ".join(f"{k} {v}" for k, v in options.items())
        return Made(f"twokey {said}".strip(), "twokey", made)

    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        small = SMALL[system.family]
        given: list[tuple[str, Step]] = [("data.corpus", self.corpus(system.corpus))]
        overrides = [*small.overrides, *self._sized(system), f"seeds=[{seed}]"]
        if system.start == "fresh":
            given += self._towers(small)
        else:
            earlier = (self.adapted if system.start == "adapted" else self.pretrained)(
                study, system, seed
            )
            given.append(("model.init", earlier))
            overrides = [*small.overrides, f"seeds=[{seed}]"]
            if not small.towers:
                overrides += ["model.audio_encoder=null", "model.text_encoder=null"]
        overrides += [*self._protocol(study), *system.finetuning]
        if system.share < 1:  # fewer labels ask for fewer steps, as in twokey-cmt-few
            steps = max(200, round(FULL_STEPS * system.share**0.5))
            overrides += [f"protocol.train_fraction={system.share}", f"training.steps={steps}"]
        return self._trained(f"{system.name}, seed {seed}", small.finetune, overrides, given)

    def pretrained(self, study: Study, system: System, seed: int) -> Trained:
        """Joint pretraining on the unlabelled part, in which nobody speaks that is tested."""
        small = SMALL[system.family]
        given: list[tuple[str, Step]] = [("data.corpus", self.corpus({})), *self._towers(small)]
        if small.codes:
            given.append(("objectives.masked_audio.codebook", self._codewords()))
        overrides = [*self._sized(system), f"seeds=[{seed}]", *system.pretraining]
        title = f"{system.family} pretraining, seed {seed}"
        return self._trained(title, small.pretrain, overrides, given)

    def adapted(self, study: Study, system: System, seed: int) -> Trained:
        """Pretraining gone on with, for each fold on its training side."""
        small = SMALL[system.family]
        given: list[tuple[str, Step]] = [
            ("data.corpus", self.corpus(system.corpus)),
            ("model.init", self.pretrained(study, system, seed)),
        ]
        if small.codes:
            given.append(("objectives.masked_audio.codebook", self._codewords()))
        overrides = [f"seeds=[{seed}]", *self._protocol(study), *system.pretraining]
        title = f"{system.family} adaptation, seed {seed}"
        return self._trained(title, small.adapt, overrides, given)

    def _sized(self, system: System) -> tuple[str, ...]:
        return SMALL[system.family].large if system.size == "large" else ()

    def _protocol(self, study: Study) -> tuple[str, ...]:
        if self.quick:
            return (*study.protocol, "protocol.kind=holdout", "protocol.selection=last")
        return ("protocol.kind=grouped-kfold", "protocol.folds=5", *study.protocol)

    def _towers(self, small: SmallFamily) -> list[tuple[str, Step]]:
        """Encoders of stage 0: one training for all systems and seeds, as there is one HuBERT."""
        found: list[tuple[str, Step]] = []
        for modality in small.towers:
            given: list[tuple[str, Step]] = [("data.corpus", self.corpus({}))]
            if modality == "audio":
                given.append(("objectives.masked_audio.codebook", self._codewords()))
            recipe = f"twokey-{modality}-tower"
            tower = self._trained(f"{modality} tower", recipe, ["seeds=[0]"], given)
            found.append((f"model.{modality}_encoder", tower))
        return found

    def _codewords(self) -> Step:
        """The demo's."""
        options = {"stride": 640, "num_codes": 100, "sample": 0.25, "max_iter": 20, "seed": 0}
        return Codewords("codewords", self.corpus({}), "unlabelled", options)

    def _trained(
        self, title: str, recipe: str, overrides: list[str], given: list[tuple[str, Step]]
    ) -> Trained:
        step = Trained(title, recipe, tuple(overrides), tuple(given))
        if not self.quick:
            return step
        steps = min(QUICK_STEPS, step.described.training.steps or QUICK_STEPS)
        fewer = ("training.epochs=null", f"training.steps={steps}")
        return Trained(title, recipe, (*overrides, *fewer), tuple(given))


def _number(text: str) -> str | float | int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
