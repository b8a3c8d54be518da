"""Tables and figures of CTAL (Li et al. 2021)."""

from crosstone.studies.ctal_ablation import ABLATION
from crosstone.studies.study import Asked, Claim, Drawing, Size, Start, Study, System, change, gain

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
                theirs=f"“significantly outperforms … across all tasks”: {metric.upper()} "
                f"{change(old, new, 4)}",
                printed=gain(old, new),
            )
            for asks, said, table, metric, old, new in (
                ("emotion", "emotion in UA", "table 1", "ua", 0.7370, 0.7463),
                ("emotion", "emotion in WA", "table 1", "wa", 0.7286, 0.7395),
                ("sentiment", "sentiment", "table 2", "mae", 0.6061, 0.6027),
                ("speaker", "speakers", "table 3", "eer", 0.0194, 0.0155),
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
            printed=0.0019,
        ),
        *(
            Claim(
                sentence=f"{name} improves {said} on MulT",
                source="CTAL §4.2.2, table 2",
                where="text",
                first=_of(name, "sentiment"),
                over=(_of(_MULT, "sentiment"),),
                metric=metric,
                theirs=f"“improvements across all 4 metrics”: {printed} {change(old, new, 4)}",
                printed=gain(old, new),
            )
            for name, values in (
                (_BASE, (0.8036, 0.6061, 0.6828)),
                (_LARGE, (0.8077, 0.6027, 0.6809)),
            )
            for (metric, printed, said, old), new in zip(
                (
                    ("acc2_nonzero", "Acc2", "accuracy of sign", 0.7966),
                    ("mae", "MAE", "the absolute error", 0.6367),
                    ("pearson", "Corr", "correlation", 0.6292),
                ),
                values,
                strict=True,
            )
        ),
    ),
)

SHARES = (0.2, 0.5, 0.8, 1.0)
"""Of the labels; the paper's text names the half, and its figures' axis is not printed in it."""
_COMPARED: dict[str, Start] = {"CTAL": "pretrained", _MULT: "fresh"}


def _low(name: str, share: float) -> str:
    return f"{name}, {share:.0%} of the labels"


LOWDATA = Study(
    name="ctal-lowdata",
    shows="How many labels CTAL's pretraining is worth beside MulT.",
    source="CTAL figures 2 and 3",
    systems=tuple(
        System(
            name=_low(name, share),
            family=name.lower(),
            size="ablation",
            start=start,
            share=share,
            factors={"labels": 100 * share, "system": name},
        )
        for share in SHARES
        for name, start in _COMPARED.items()
    ),
    claims=(
        *(
            Claim(
                sentence=f"CTAL is better than MulT at {share:.0%} of the labels",
                source="CTAL §5.2, figures 2 and 3",
                where="text",
                first=_low("CTAL", share),
                over=(_low(_MULT, share),),
                theirs="“outperforms all baselines across different proportions”, of which MulT is "
                "that of MOSEI (table 2)",
            )
            for share in SHARES
        ),
        Claim(
            sentence="CTAL with half of the labels is better than MulT with all",
            source="CTAL §5.2, figures 2 and 3",
            where="text",
            first=_low("CTAL", 0.5),
            over=(_low(_MULT, 1.0),),
            theirs="“only needs half the amount of training data to achieve a better performance "
            "than baselines”; the figures print no numbers",
        ),
    ),
    drawings=(
        Drawing(
            caption="Score over the share of the labels, CTAL pretrained and MulT.",
            x="labels",
            axis="labels, percent of the training side",
            line="system",
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

STUDIES = (MAIN, ABLATION, LOWDATA, TSNE)
