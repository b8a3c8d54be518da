"""The papers' own corpora as a ground: their recipes, whole, for who holds the licences."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crosstone.runs.recipe import recipe_tree
from crosstone.studies.grounds.base import NESTED, Ground, one_fold
from crosstone.studies.steps import Given, GivenFile, Step, Trained
from crosstone.studies.study import Start, Study, System

QUICK_STEPS = 60
"""Optimizer steps of any stage of a quick run."""

PROTOCOLS: Mapping[str, str] = {
    "iemocap": "{name: iemocap-4way-loso, selection: nested}",
    "mosei": "{name: mosei-sentiment}",
    "mosi": "{name: mosi-sentiment}",
    "librispeech": "{name: librispeech-verification}",
}
"""Corpus → the protocol that every family is asked by there, so that a table compares."""
ASKED: Mapping[str, str] = {
    "iemocap": "emotion",
    "mosei": "sentiment",
    "mosi": "sentiment",
    "librispeech": "speaker",
}
VIDEOS = ("data.max_seconds=120",)
"""Clips of MOSEI and MOSI run to 109 s."""
HUBERT = (
    "model.init=null",
    "model.preset=null",
    "model.audio_encoder=facebook/hubert-large-ll60k",
    "model.text_encoder=roberta-large",
    "model.reading=lower",
    "objectives.orthogonality=null",
)
"""The encoders and the optimiser of CMT without CMT (Chu et al. 2022, table 1)."""
UNTIED = ("objectives.orthogonality=null",)
"""CMT's recipes are the whole scheme; a system of less asks for orthogonality by itself."""


@dataclass(frozen=True, kw_only=True)
class PaperFamily:
    """The recipes of a family, their size in braces."""

    finetune: Mapping[str, str]
    """By corpus."""
    over: tuple[str, ...] = ()
    """What makes the family of a recipe that is another's."""
    beyond: Mapping[str, tuple[str, ...]] | None = None
    """By corpus, what else is another's there."""
    pretrain: str = ""
    adapt: str = ""
    codes: bool = False
    """Whether pretraining predicts codewords."""
    sized: bool = False
    """Whether the presets of pretraining come in the sizes base and large."""


_CMT = {
    "iemocap": "cmt-{size}-iemocap",
    "mosei": "cmt-{size}-mosei",
    "mosi": "cmt-base-mosi",
    "librispeech": "cmt-base-verification",
}
_CTAL = {
    "iemocap": "ctal-{size}-iemocap",
    "mosei": "ctal-{size}-mosei",
    "mosi": "ctal-{size}-mosei",
    "librispeech": "ctal-{size}-verification",
}
_ALONE = {name: recipe.format(size="base") for name, recipe in _CMT.items()}
_JBLS = {name: f"jbls-shallow-{name}" for name in ("iemocap", "mosei", "mosi")}
_MULT = {"iemocap": "mult-iemocap-heads", "mosei": "mult-mosei", "mosi": "mult-mosi"}
_ONE_HEAD = (
    "objectives.supervised.criterion=auto",
    "objectives.supervised.weight=1.0",
)

PAPER: Mapping[str, PaperFamily] = {
    "cmt": PaperFamily(
        finetune=_CMT,
        over=UNTIED,
        pretrain="cmt-{size}-pretrain",
        adapt="cmt-{size}-adapt",
        codes=True,
        sized=True,
    ),
    "audio": PaperFamily(
        finetune=_ALONE, over=("model.family=audio", *HUBERT, "model.text_encoder=null")
    ),
    "text": PaperFamily(
        finetune=_ALONE, over=("model.family=text", *HUBERT, "model.audio_encoder=null")
    ),
    "shallow": PaperFamily(finetune=_ALONE, over=("model.family=shallow", *HUBERT)),
    "ctal": PaperFamily(finetune=_CTAL, pretrain="ctal-{size}-pretrain", sized=True),
    "two-stream": PaperFamily(
        finetune={**_CTAL, "iemocap": "two-stream-iemocap"},
        over=("model.family=two-stream",),
        pretrain="two-stream-pretrain",
    ),
    "single-stream": PaperFamily(
        finetune={**_CTAL, "iemocap": "single-stream-iemocap"},
        over=("model.family=single-stream",),
        pretrain="single-stream-pretrain",
    ),
    "mockingjay": PaperFamily(
        finetune={**_CTAL, "iemocap": "mockingjay-iemocap"},
        over=("model.family=mockingjay", *UNTIED),
        pretrain="mockingjay-pretrain",
    ),
    "mult": PaperFamily(finetune=_MULT, beyond={"iemocap": _ONE_HEAD}),
    "jbls": PaperFamily(finetune=_JBLS),
    "jbls-audio": PaperFamily(
        finetune=_JBLS,
        over=("model.family=jbls-audio", "model.preset=null", "model.text_encoder=null"),
    ),
    "jbls-text": PaperFamily(
        finetune=_JBLS,
        over=("model.family=jbls-text", "model.preset=null", "model.audio_encoder=null"),
    ),
    "cma": PaperFamily(finetune={"iemocap": "cma-iemocap"}),
    "cma-audio": PaperFamily(finetune={"iemocap": "cma-audio-iemocap"}),
    "cma-text": PaperFamily(finetune={"iemocap": "cma-text-iemocap"}),
}
"""Families → their shipped recipes."""

APART: Mapping[str, PaperFamily] = {
    "text": PaperFamily(
        finetune={**_CTAL, "iemocap": "text-large-iemocap"},
        over=("model.family=text", *UNTIED),
        pretrain="text-large-pretrain",
    ),
}
"""Families whose encoders are pretrained apart, not released (CTAL 2021, table 4)."""


@dataclass(frozen=True)
class Paper(Ground):
    """IEMOCAP, MOSEI, MOSI or LibriSpeech as the papers trained on them."""

    name: str
    path: Path
    quick: bool = False
    unlabelled: Path | None = None
    """LibriSpeech, prepared, for pretraining."""
    codebook: Path | None = None
    """What CMT's masked speech is told by."""

    def lacks(self, system: System) -> str:
        family = _family(system)
        if system.corpus:
            return "it is about a corpus that is made on the spot, with two keys"
        if system.asks not in ("", ASKED[self.name]):
            return f"{self.name} is asked for {ASKED[self.name]}, not for {system.asks}"
        if system.unlabelled:
            return (
                "it hears a part of the speech without labels, which no recipe takes out of "
                "LibriSpeech: prepare that part alone, such as subsets=train-clean-360, and name "
                "it as unlabelled"
            )
        if family is None and not system.released:
            return (
                "no family fuses a Mockingjay and a RoBERTa that were pretrained apart: the speech "
                "encoder of shallow fusion takes a waveform, a Mockingjay mel frames"
            )
        if family is None or self.name not in family.finetune:
            return f"no recipe of its paper trains '{system.family}' on {self.name}"
        if system.rule is not None and self.name == "librispeech":
            return "the epochs of a model that is asked about pairs are not kept"
        if not system.towers:
            return "its encoders are pretrained ones that others released"
        if _start(system) != "fresh" and not family.pretrain:
            return f"'{system.family}' has no pretraining"
        if system.start == "adapted" and not (family.adapt and self.name != "librispeech"):
            return f"no recipe adapts '{system.family}' to {self.name}"
        return self._misses(system, family)

    def _misses(self, system: System, family: PaperFamily) -> str:
        missing = []
        if _start(system) != "fresh" and self.unlabelled is None:
            missing.append("unlabelled=FOLDER (LibriSpeech, prepared)")
        if _start(system) != "fresh" and family.codes and self.codebook is None:
            missing.append("codebook=FILE (crosstone codebook)")
        if not missing:
            return ""
        return f"its pretraining needs speech: expected {' and '.join(missing)}, found none"

    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        family = _family(system)
        assert family is not None  # lacks() says so before anything is planned
        recipe = family.finetune[self.name].format(size=_size(system, family))
        given: list[tuple[str, Step]] = [("data.corpus", self._corpus)]
        overrides = [*family.over, *(family.beyond or {}).get(self.name, ()), f"seeds=[{seed}]"]
        if _start(system) != "fresh":
            earlier = self.adapted if system.start == "adapted" else self.pretrained
            given.append(("model.init", earlier(study, system)))
            overrides += [f"model.{name}=null" for name in ("preset", *_TOWERS)]
        elif family.pretrain:
            overrides += _from_nothing(_sized(family.pretrain, system, family))
        overrides += [*self._protocol(study), *system.finetuning]
        if system.share < 1:
            overrides.append(f"protocol.train_fraction={system.share}")
        return self._trained(f"{system.name}, seed {seed}", recipe, overrides, given)

    def pretrained(self, study: Study, system: System) -> Trained:
        """The pretraining of a family: one for all seeds, as the papers have one."""
        family = _family(system)
        assert family is not None
        assert self.unlabelled is not None
        given: list[tuple[str, Step]] = [("data.corpus", Given("unlabelled", self.unlabelled))]
        given += self._codes(family)
        recipe = _sized(family.pretrain, system, family)
        title = f"{system.family} pretraining"
        return self._trained(title, recipe, [*system.pretraining], given)

    def adapted(self, study: Study, system: System) -> Trained:
        """Pretraining gone on with, for each fold on its training side."""
        family = _family(system)
        assert family is not None
        given = [
            ("data.corpus", self._corpus),
            ("model.init", self.pretrained(study, system)),
            *self._codes(family),
        ]
        overrides = [*self._protocol(study), *system.pretraining]
        recipe = _sized(family.adapt, system, family)
        return self._trained(f"{system.family} adaptation", recipe, overrides, given)

    @property
    def _corpus(self) -> Step:
        return Given(self.name, self.path)

    def _codes(self, family: PaperFamily) -> list[tuple[str, Step]]:
        if not family.codes or self.codebook is None:
            return []
        return [("objectives.masked_audio.codebook", GivenFile("codebook", self.codebook))]

    def _protocol(self, study: Study) -> tuple[str, ...]:
        clips = VIDEOS if self.name in ("mosei", "mosi") else ()
        named = (f"protocol={PROTOCOLS[self.name]}", *clips)
        if self.name != "iemocap":  # a partition of its own, with a side that validates
            return (*named, *(each for each in study.protocol if each != NESTED))
        return (*named, *study.protocol, *(one_fold(study) if self.quick else ()))

    def _trained(
        self, title: str, recipe: str, overrides: list[str], given: list[tuple[str, Step]]
    ) -> Trained:
        fewer = ("training.epochs=null", f"training.steps={QUICK_STEPS}") if self.quick else ()
        return Trained(title, recipe, (*overrides, *fewer), tuple(given))


_TOWERS = ("audio_encoder", "text_encoder")


def _family(system: System) -> PaperFamily | None:
    return (PAPER if system.released else APART).get(system.family)


def _start(system: System) -> Start:
    """What it starts from; where no encoder of it is released, that is pretraining."""
    return system.start if system.released else "pretrained"


def _size(system: System, family: PaperFamily) -> str:
    """base or large; the ablations of both papers that have sizes are of the large one."""
    return "base" if family.sized and system.size == "base" else "large"


def _sized(recipe: str, system: System, family: PaperFamily) -> str:
    return recipe.format(size=_size(system, family))


def _from_nothing(pretrain: str) -> list[str]:
    """The model that a pretraining begins with, for who fine-tunes without it."""
    model = recipe_tree(pretrain)["model"]
    fields = ("preset", *_TOWERS, "vocab_size", "reading")
    named = {name: model[name] for name in fields if name in model}
    return [
        "model.init=null",
        *(f"model.{k}={'null' if value is None else value}" for k, value in named.items()),
    ]
