"""Questions that the papers did not ask: how a number is chosen, and who really fuses."""

from crosstone.runs.epochs import RULES
from crosstone.studies.study import Claim, Drawing, Study, System

_EPOCHS = ("keep_answers=true", "training.steps=null", "training.epochs=6")
_TRIED = {"shallow fusion": "shallow", "CMT w/o PT": "cmt"}

SELECTION = Study(
    name="selection",
    shows="What looking at the test set is worth: one training, its epoch chosen by three rules.",
    source="ours; emotion2vec and CMA's §4 chose on the tested session",
    protocol=("protocol.selection=nested",),
    systems=tuple(
        System(name=f"{name}, {rule}", family=family, rule=rule, finetuning=_EPOCHS)
        for name, family in _TRIED.items()
        for rule in RULES
    ),
    claims=tuple(
        claim
        for name in _TRIED
        for claim in (
            Claim(
                sentence=f"Choosing the epoch on the tested items raises the number of {name}",
                source="ours",
                where="ours",
                first=f"{name}, best_test",
                over=(f"{name}, nested",),
                theirs="emotion2vec on IEMOCAP: WA .7179 → .7448",
            ),
            Claim(
                sentence=f"The last epoch of {name} is as good as a chosen one (to one point)",
                source="ours",
                where="ours",
                first=f"{name}, last",
                over=(f"{name}, nested",),
                by=-0.01,
            ),
        )
    ),
)

LAWS = ("interplay", "quadrants")
BLURS = (0.0, 0.2, 0.4)
"""Shares of the utterances in which a key is blurred."""
_LISTENERS = {
    "audio only": "audio",
    "text only": "text",
    "shallow fusion": "shallow",
    "MulT": "mult",
    "CMT": "cmt",
}


def _heard(name: str, law: str, blur: float) -> str:
    return f"{name}, {law}, blur {blur:g}"


KEYS = Study(
    name="keys",
    shows="Who really fuses and who only adds: scores against exact ceilings as keys are blurred.",
    source="ours",
    protocol=("protocol.kind=holdout",),
    systems=tuple(
        System(
            name=_heard(name, law, blur),
            family=family,
            corpus={"law": law, "blur": f"{blur:g}"},
            factors={"blur": 100 * blur, "system": name, "law": law},
        )
        for law in LAWS
        for blur in BLURS
        for name, family in _LISTENERS.items()
    ),
    claims=(
        *(
            Claim(
                sentence=f"CMT gets more right than any listener that only adds ({blur:.0%} "
                "blurred, interplay)",
                source="ours",
                where="ours",
                first=_heard("CMT", "interplay", blur),
                ceiling="additive_best",
            )
            for blur in BLURS
        ),
        *(
            Claim(
                sentence=f"{name} gets more right than any listener that only adds (nothing "
                "blurred, interplay)",
                source="ours",
                where="ours",
                first=_heard(name, "interplay", 0.0),
                ceiling="additive_best",
            )
            for name in ("shallow fusion", "MulT")
        ),
        *(
            Claim(
                sentence=f"Deep fusion is better than shallow fusion ({blur:.0%} blurred, {law})",
                source="CMT §4.3.1, of IEMOCAP",
                where="ours",
                first=_heard("CMT", law, blur),
                over=(_heard("shallow fusion", law, blur),),
                theirs="UA .728 → .763 on IEMOCAP",
            )
            for law in LAWS
            for blur in BLURS
        ),
    ),
    drawings=(
        Drawing(
            caption="Score over the share of blurred keys, by law; dashed: the exact ceilings.",
            x="blur",
            axis="utterances with a blurred key, percent",
            line="system",
            panel="law",
        ),
    ),
)

STUDIES = (SELECTION, KEYS)
