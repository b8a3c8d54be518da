"""Tables and figures of CTAL (Li et al. 2021)."""

from crosstone.studies.ctal_ablation import ABLATION
from crosstone.studies.study import Asked, Claim, Size, Study, System

_BASE, _LARGE, _MULT = "CTAL base", "CTAL large", "MulT"
_SIZES: dict[str, Size] = {_BASE: "base", _LARGE: "large"}
_TASKS: tuple[Asked, ...] = ("emotion", "sentiment", "speaker")
_L1 = ("objectives.supervised.criterion=l1",)


def _of(name: str, asks: str) -> str:
    return f"{name}, {asks}"


def _systems(asks: Asked) -> tuple[System, ...]:
    loss = _L1 if asks == "sentiment" else ()
    mult = System(name=_of(_MULT, asks), family="mult", asks=asks, finetuning=loss)
    return (
        *((mult,) if asks == "sentiment" else ()),
        *(
            System(
                name=_of(name, asks),
                family="ctal",
                size=size,
                start="pretrained",
                asks=asks,
                finetuning=loss,
            )
            for name, size in _SIZES.items()
        ),
    )


MAIN = Study(
    name="ctal-main",
    shows="CTAL base and large on emotion, on sentiment beside MulT, and on the speakers of pairs.",
    source="CTAL tables 1–3",
    systems=tuple(s for asks in _TASKS for s in _systems(asks)),
    claims=(
        *(
            Claim(
                sentence=f"CTAL large is better than CTAL base on {said}",
                source=f"CTAL §5.1, {table}",
                where="text",
                first=_of(_LARGE, asks),
                over=(_of(_BASE, asks),),
                metric=metric,
                theirs=f"“significantly outperforms … across all tasks”: {printed}",
            )
            for asks, said, table, metric, printed in (
                ("emotion", "emotion", "table 1", "ua", "UA .7370 → .7463, WA .7286 → .7395"),
                ("sentiment", "sentiment", "table 2", "mae", "MAE .6061 → .6027"),
                ("speaker", "speakers", "table 3", "eer", "EER .0194 → .0155"),
            )
        ),
        Claim(
            sentence="CTAL large costs correlation against CTAL base",
            source="CTAL table 2",
            where="table",
            first=_of(_BASE, "sentiment"),
            over=(_of(_LARGE, "sentiment"),),
            metric="pearson",
            theirs="Corr .6828 → .6809",
        ),
        *(
            Claim(
                sentence=f"{name} improves {said} on MulT",
                source="CTAL §4.2.2, table 2",
                where="text",
                first=_of(name, "sentiment"),
                over=(_of(_MULT, "sentiment"),),
                metric=metric,
                theirs=f"“improvements across all 4 metrics”: {printed}",
            )
            for name, values in (
                (_BASE, ("Acc2 .7966 → .8036", "MAE .6367 → .6061", "Corr .6292 → .6828")),
                (_LARGE, ("Acc2 .7966 → .8077", "MAE .6367 → .6027", "Corr .6292 → .6809")),
            )
            for (metric, said), printed in zip(
                (
                    ("acc2_nonzero", "accuracy of sign"),
                    ("mae", "the absolute error"),
                    ("pearson", "correlation"),
                ),
                values,
                strict=True,
            )
        ),
    ),
)

_ALONE = (
    "optim.lr=1e-30",  # so little that no weight moves
    "training.steps=1",
    "training.epochs=null",
    "model.config.fusion=none",
)
"""Of a model that is asked as its earlier stage left it: no weight of its own above the streams."""
_APART = ("objectives.orthogonality=null",)
_AS_PRETRAINED, _UNTRAINED = "CTAL, pretrained alone", "CTAL, untrained"
_SPEECH, _TOLD = "speech alone, pretrained alone", "CTAL, trained on other speakers"

TSNE = Study(
    name="ctal-tsne",
    shows="Whether pretraining alone tells unseen speakers apart: a map of ten of them.",
    source="CTAL figure 4",
    systems=(
        System(
            name=_AS_PRETRAINED,
            family="ctal",
            start="pretrained",
            asks="speaker",
            finetuning=(*_ALONE, *_APART),
            tuned=False,
        ),
        System(
            name=_UNTRAINED,
            family="ctal",
            asks="speaker",
            finetuning=(*_ALONE, *_APART),
            tuned=False,
        ),
        System(
            name=_SPEECH,
            family="mockingjay",
            start="pretrained",
            asks="speaker",
            finetuning=_ALONE,
            tuned=False,
        ),
        System(name=_TOLD, family="ctal", start="pretrained", asks="speaker"),
    ),
    claims=(
        Claim(
            sentence="Pretraining alone tells unseen speakers apart better than random weights",
            source="CTAL §5.2, figure 4",
            where="text",
            first=_AS_PRETRAINED,
            over=(_UNTRAINED,),
            metric="eer",
            theirs="“some capability to distinguish utterances of different speakers with only "
            "pre-training”; the figure prints no numbers",
        ),
    ),
    measures=("speaker_map",),
)

STUDIES = (MAIN, ABLATION, TSNE)
