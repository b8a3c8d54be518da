"""Grounds at the size of a laptop: every family from small encoders, by the recipes of twokey."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crosstone.studies.grounds.base import Ground
from crosstone.studies.steps import Codewords, Step, Trained
from crosstone.studies.study import Study, System

QUICK_STEPS = 60
"""Optimizer steps of any stage of a quick run."""

CODEWORDS = {"stride": 640, "num_codes": 100, "sample": 0.25, "max_iter": 20, "seed": 0}
"""The demo's."""

Earlier = list[tuple[str, Step]]
"""Field of a recipe → the step whose output it names."""


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
    speech: str = ""
    """Built-in speech encoder of 20 ms a frame that stage 0 trains; empty: logmel-mini of 40 ms."""


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
    "jbls": SmallFamily(finetune="twokey-jbls", towers=("audio", "text"), speech="speechbert-tiny"),
    "jbls-audio": SmallFamily(
        finetune="twokey-jbls",
        overrides=("model.family=jbls-audio", "model.text_encoder=null"),
        towers=("audio",),
        speech="speechbert-tiny",
    ),
    "jbls-text": SmallFamily(
        finetune="twokey-jbls",
        overrides=("model.family=jbls-text", "model.audio_encoder=null"),
        towers=("text",),
    ),
    "cma": SmallFamily(finetune="twokey-cma", towers=("audio", "text")),
    "cma-audio": SmallFamily(
        finetune="twokey-cma",
        overrides=("model.family=cma-audio", "model.text_encoder=null"),
        towers=("audio",),
    ),
    "cma-text": SmallFamily(
        finetune="twokey-cma",
        overrides=("model.family=cma-text", "model.audio_encoder=null"),
        towers=("text",),
    ),
}
"""Families → their recipes."""

FROM_NOTHING: Mapping[str, tuple[str, ...]] = {
    "audio": ("model.audio_encoder=logmel-mini", "model.config.freeze_audio=none"),
    "text": ("model.text_encoder=roberta-mini", "model.vocab_size=1000"),
}
"""By modality, the encoder that stage 0 would train."""


@dataclass(frozen=True)
class SmallGround(Ground):
    """A corpus with the small recipe of every family."""

    quick: bool = False

    @abstractmethod
    def heard(self, system: System) -> Step | None:
        """The corpus without labels that a system's earlier stages hear and read; None where there
        is none, and encoders start from nothing."""

    def codewords(self, heard: Step) -> Step:
        """What masked speech is told by, fitted on that corpus."""
        return Codewords("codewords", heard, None, CODEWORDS)

    @abstractmethod
    def corpus(self, system: System) -> Step:
        """The corpus that a system is fine-tuned and tested on."""

    @abstractmethod
    def protocol(self, study: Study) -> tuple[str, ...]:
        """Overrides of the protocol of all systems."""

    def asked(self, system: System) -> tuple[str, ...] | None:
        """Overrides of the protocol by what a system tells; None where no label here says it."""
        return () if system.asks in ("", "emotion") else None

    def stage(self, recipe: str) -> tuple[str, ...]:
        """Overrides of a stage, by the recipe's name, whatever the system."""
        return ()

    @abstractmethod
    def fewer(self, share: float) -> tuple[str, ...]:
        """What a share of the labels changes; fewer ask for fewer steps."""

    def lacks(self, system: System) -> str:
        if system.family not in SMALL:
            return f"no small recipe trains '{system.family}'"
        if system.start != "fresh" and not SMALL[system.family].pretrain:
            return f"'{system.family}' has no pretraining"
        if system.start == "adapted" and not SMALL[system.family].adapt:
            return f"no small recipe adapts '{system.family}'"
        if self.asked(system) is None:
            return f"{self.name} has no protocol that asks for {system.asks}"
        return ""

    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        small = SMALL[system.family]
        given: Earlier = [("data.corpus", self.corpus(system))]
        overrides = [*small.overrides, *self._sized(system), f"seeds=[{seed}]"]
        if system.start == "fresh":
            own, towers = self._encoders(system)
            given += towers
            overrides += own
        else:
            earlier = self.adapted if system.start == "adapted" else self.pretrained
            given.append(("model.init", earlier(study, system, seed)))
            if not small.towers:
                overrides += ["model.audio_encoder=null", "model.text_encoder=null"]
        overrides += [*self.stage(small.finetune), *self._asks(study, system)]
        if system.share < 1:
            overrides += self.fewer(system.share)
        overrides += system.finetuning
        return self._trained(f"{system.name}, seed {seed}", small.finetune, overrides, given)

    def pretrained(self, study: Study, system: System, seed: int) -> Trained:
        """Joint pretraining on what has no labels, in which nobody speaks that is tested."""
        small = SMALL[system.family]
        own, towers = self._encoders(system)
        given: Earlier = [("data.corpus", self._hears(system)), *towers]
        given += self._codes(small, system)
        overrides = [*self._sized(system), *own, f"seeds=[{seed}]"]
        overrides += [*self.stage(small.pretrain), *system.pretraining]
        title = f"{system.family} pretraining, seed {seed}"
        return self._trained(title, small.pretrain, overrides, given)

    def adapted(self, study: Study, system: System, seed: int) -> Trained:
        """Pretraining gone on with, for each fold on its training side."""
        small = SMALL[system.family]
        given: Earlier = [
            ("data.corpus", self.corpus(system)),
            ("model.init", self.pretrained(study, system, seed)),
            *self._codes(small, system),
        ]
        overrides = [*self._sized(system), f"seeds=[{seed}]", *self.stage(small.adapt)]
        overrides += self._asks(study, system)
        title = f"{system.family} adaptation, seed {seed}"
        return self._trained(title, small.adapt, [*overrides, *system.pretraining], given)

    def _sized(self, system: System) -> tuple[str, ...]:
        return SMALL[system.family].large if system.size == "large" else ()

    def _asks(self, study: Study, system: System) -> tuple[str, ...]:
        return (*self.protocol(study), *(self.asked(system) or ()))

    def _hears(self, system: System) -> Step:
        heard = self.heard(system)
        assert heard is not None  # lacks() says so before anything is planned
        return heard

    def _codes(self, small: SmallFamily, system: System) -> Earlier:
        if not small.codes:
            return []
        return [("objectives.masked_audio.codebook", self.codewords(self._hears(system)))]

    def _encoders(self, system: System) -> tuple[list[str], Earlier]:
        """Encoders of stage 0, one training for all systems and seeds as there is one HuBERT; from
        nothing where the system wants no such stage, or the ground has nothing for it to hear."""
        own: list[str] = []
        towers: Earlier = []
        heard, small = self.heard(system) if system.towers else None, SMALL[system.family]
        for modality in small.towers:
            speech = small.speech if modality == "audio" else ""
            if heard is None:
                own += FROM_NOTHING[modality]
                own += [f"model.audio_encoder={speech}"] if speech else []
                continue
            given: Earlier = [("data.corpus", heard)]
            if modality == "audio":
                codes = self.codewords(heard)
                given.append(
                    ("objectives.masked_audio.codebook", _finer(codes) if speech else codes)
                )
            recipe = f"twokey-{modality}-tower"
            overrides = ["seeds=[0]", *self.stage(recipe)]
            if speech:  # a span of 10 frames is 200 ms here
                overrides += [f"model.audio_encoder={speech}", "objectives.masked_audio.span=10"]
            title = f"{speech or modality} tower"
            towers.append(
                (f"model.{modality}_encoder", self._trained(title, recipe, overrides, given))
            )
        return own, towers

    def _trained(self, title: str, recipe: str, overrides: list[str], given: Earlier) -> Trained:
        step = Trained(title, recipe, tuple(overrides), tuple(given))
        if not self.quick:
            return step
        steps = min(QUICK_STEPS, step.described.training.steps or QUICK_STEPS)
        fewer = ("training.epochs=null", f"training.steps={steps}")
        return Trained(title, recipe, (*overrides, *fewer), tuple(given))


def _finer(codes: Step) -> Codewords:
    """The same codewords at half of the stride."""
    assert isinstance(codes, Codewords)
    return replace(codes, options={**codes.options, "stride": int(codes.options["stride"]) // 2})
