"""When does cross-modal pretraining pay at all, and why?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from crosstone.studies.study import Claim, Drawing, Study, System

LAWS: Mapping[str, Mapping[str, str]] = {
    "interplay": {},
    "quadrants": {
        "law": "quadrants",
        "seed": "0",
        "unlabelled": "2400",
        "unlabelled_speakers": "48",
        "text_only": "6000",
    },
}
"""By law, the corpus that all stages share; the first is twokey as it is made."""
QUARTER = {
    "seed": "0",
    "labelled": "100",
    "unlabelled": "600",
    "unlabelled_speakers": "48",
    "text_only": "1500",
}
"""A quarter of the speech and of the text without labels, by the same speakers; nothing is
fine-tuned on what is labelled there."""
STEPS = (100, 400, 1200)
"""Of pretraining; twokey-cmt-pretrain has 400."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One thing that differs from the recipes."""

    name: str
    size: Literal["base", "large"] = "base"
    share: float = 1.0
    towers: bool = True
    unlabelled: Mapping[str, str] = field(default_factory=dict)
    pretraining: tuple[str, ...] = ()
    steps: int = 400

    @property
    def shows_fresh(self) -> bool:
        """Whether a system without pretraining differs too."""
        return not self.pretraining


SETTINGS = (
    Setting(name="as in the recipes"),
    Setting(name="20% of the labels", share=0.2),
    Setting(name="four layers", size="large"),
    Setting(name="a quarter of the unlabelled", unlabelled=QUARTER),
    Setting(name="no stage-0 towers", towers=False),
    Setting(name="outputs masked", pretraining=("model.config.mask_level=outputs",)),
    *(
        Setting(name=f"{steps} steps", steps=steps, pretraining=(f"training.steps={steps}",))
        for steps in STEPS
        if steps != 400
    ),
)


def _name(start: str, law: str, setting: Setting) -> str:
    return f"{start}, {law}, {setting.name}"


def _systems(law: str, corpus: Mapping[str, str]) -> Iterator[System]:
    for setting in SETTINGS:
        heard = {**corpus, **setting.unlabelled} if setting.unlabelled else corpus
        plain = setting.name == SETTINGS[0].name
        if setting.shows_fresh:
            yield System(
                name=_name("No-PT", law, setting),
                size=setting.size,
                share=setting.share,
                towers=setting.towers,
                corpus=corpus,
                unlabelled=heard,
                factors={"steps": 0, "law": law} if plain else {},
            )
        yield System(
            name=_name("PT", law, setting),
            size=setting.size,
            start="pretrained",
            share=setting.share,
            towers=setting.towers,
            corpus=corpus,
            unlabelled=heard,
            pretraining=setting.pretraining,
            factors={"steps": setting.steps, "law": law}
            if plain or "steps" in setting.name
            else {},
        )


WORTH = Study(
    name="worth",
    shows="When cross-modal pretraining pays: by law, size, unlabelled speech and text, steps, "
    "stage-0 towers, mask level and share of the labels; and what probes say of why.",
    source="ours",
    systems=tuple(system for law, corpus in LAWS.items() for system in _systems(law, corpus)),
    measures=("valence",),
    claims=tuple(
        Claim(
            sentence=f"Pretraining pays under {law}, {setting.name}",
            source="ours",
            where="ours",
            first=_name("PT", law, setting),
            over=(_name("No-PT", law, setting if setting.shows_fresh else SETTINGS[0]),),
        )
        for law in LAWS
        for setting in SETTINGS
    ),
    drawings=(
        Drawing(
            caption="Score over the steps of pretraining, 0 being none.",
            x="steps",
            axis="steps of cross-modal pretraining",
            line="law",
        ),
    ),
)

STUDIES = (WORTH,)
