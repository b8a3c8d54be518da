"""Tables and figures of CMT (Chu et al. 2022)."""

from crosstone.studies.study import Claim, Drawing, Start, Study, System

ORTHOGONAL = ("objectives.orthogonality={alpha: 10, text: mean}",)
"""The paper's weight (§4.2.2, figure 4)."""
SHARES = (0.2, 0.5, 0.8, 1.0)
"""Of the labels (figure 3)."""

_FRESH, _PT = "CMT w/o PT", "CMT PT"
_TAPT, _POOLER, _ORTHO = "CMT PT + TAPT", "CMT PT + layer pooler", "CMT PT + ortho"
_ALL = "CMT PT + TAPT + ortho"

ABLATION = Study(
    name="cmt-ablation",
    shows="What pretraining, adaptation, the layer pooler and orthogonality are each worth.",
    source="CMT table 4",
    systems=(
        System(name=_FRESH, size="ablation"),
        System(name=_PT, size="ablation", start="pretrained"),
        System(name=_TAPT, size="ablation", start="adapted"),
        System(
            name=_POOLER,
            size="ablation",
            start="pretrained",
            finetuning=("model.config.audio_output=pooler",),
        ),
        System(name=_ORTHO, size="ablation", start="pretrained", finetuning=ORTHOGONAL),
        System(name=_ALL, size="ablation", start="adapted", finetuning=ORTHOGONAL),
    ),
    claims=(
        Claim(
            sentence="Pretraining alone improves on none",
            source="CMT table 4",
            where="table",
            first=_PT,
            over=(_FRESH,),
            theirs="Acc7 .545 → .554, MAE .508 → .496; but Acc2 .874 → .870",
        ),
        Claim(
            sentence="The whole scheme performs better than no pretraining",
            source="CMT §4.3.4",
            where="text",
            first=_ALL,
            over=(_FRESH,),
            theirs="CMT large: Acc2 .874 → .885, MAE .508 → .500; Acc7 .545 both",
        ),
        Claim(
            sentence="Task-adaptive pretraining boosts the pretrained model",
            source="CMT §4.3.4",
            where="text",
            first=_TAPT,
            over=(_PT,),
        ),
        Claim(
            sentence="Task-adaptive pretraining costs accuracy of sign and absolute error",
            source="CMT table 4",
            where="table",
            first=_PT,
            over=(_TAPT,),
            theirs="Acc2 .870 → .866, MAE .496 → .502; but Acc7 .554 → .559",
        ),
        Claim(
            sentence="Orthogonality boosts the pretrained model",
            source="CMT §4.3.4, table 4",
            where="text",
            first=_ORTHO,
            over=(_PT,),
            theirs="Acc2 .870 → .879, MAE .496 → .493; Acc7 .554 both",
        ),
        Claim(
            sentence="The layer pooler brings no gain (of one point or more)",
            source="CMT §4.3.2, table 4",
            where="text",
            first=_PT,
            over=(_POOLER,),
            by=-0.01,
            theirs="Acc7 .554 → .545, MAE .496 → .509",
        ),
    ),
)


_STARTS: dict[Start, str] = {"fresh": "No-PT", "pretrained": "PT"}


def _low(start: Start, share: float) -> str:
    return f"{_STARTS[start]}, {share:.0%} of the labels"


LOWDATA = Study(
    name="cmt-lowdata",
    shows="How many labels pretraining is worth.",
    source="CMT figure 3; CTAL figures 2 and 3",
    systems=tuple(
        System(
            name=_low(start, share),
            size="ablation",
            start=start,
            share=share,
            factors={"labels": 100 * share, "start": _STARTS[start]},
        )
        for share in SHARES
        for start in _STARTS
    ),
    claims=(
        *(
            Claim(
                sentence=f"Pretraining helps at {share:.0%} of the labels",
                source="CMT §4.3.3, figure 3",
                where="text",
                first=_low("pretrained", share),
                over=(_low("fresh", share),),
                theirs="better at each share; the figure prints no numbers",
            )
            for share in SHARES
        ),
        Claim(
            sentence="Pretrained with half of the labels is as good as fresh with all (to one "
            "point)",
            source="CMT §4.3.3",
            where="text",
            first=_low("pretrained", 0.5),
            over=(_low("fresh", 1.0),),
            by=-0.01,
            theirs="“the similar result … with only 50 % of the training data”",
        ),
    ),
    drawings=(
        Drawing(
            caption="Score over the share of the labels, with and without pretraining.",
            x="labels",
            axis="labels, percent of the training side",
            line="start",
        ),
    ),
)

STUDIES = (ABLATION, LOWDATA)
