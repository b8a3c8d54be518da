"""What CMT (Chu et al. 2022) is made of: its ablations, layers, labels and orthogonality."""

from collections.abc import Iterator, Mapping

from crosstone.metrics import LOWER_IS_BETTER
from crosstone.studies.cmt_main import MAIN, ORTHOGONAL
from crosstone.studies.study import Claim, Drawing, Start, Study, System, change, gain

SHARES = (0.2, 0.5, 0.8, 1.0)
"""Of the labels (figure 3)."""

_FRESH, _PT = "CMT w/o PT", "CMT PT"
_TAPT, _POOLER, _ORTHO = "CMT PT + TAPT", "CMT PT + layer pooler", "CMT PT + ortho"
_ALL = "CMT PT + TAPT + ortho"

_METRICS = (
    ("acc7_round", "Acc7", "improves accuracy in seven classes", "costs accuracy in seven classes"),
    ("acc2_nonzero", "Acc2", "improves accuracy of sign", "costs accuracy of sign"),
    ("mae", "MAE", "lowers the absolute error", "raises the absolute error"),
)
"""Metric, how the paper names it, and what a sentence says of a gain and of a loss."""
_TABLE_4: Mapping[str, tuple[float, ...]] = {
    _FRESH: (0.545, 0.874, 0.508),
    _PT: (0.554, 0.870, 0.496),
    _TAPT: (0.559, 0.866, 0.502),
    _POOLER: (0.545, 0.864, 0.509),
    _ORTHO: (0.554, 0.879, 0.493),
    _ALL: (0.545, 0.885, 0.500),
}
"""In the order of those metrics; the whole scheme of four layers is CMT large."""


def _changes(said: str, before: str, after: str) -> Iterator[Claim]:
    """What table 4 prints of a change, a claim for each metric that it moves."""
    cells = zip(_METRICS, _TABLE_4[before], _TABLE_4[after], strict=True)
    for (metric, name, better, worse), old, new in cells:
        if old == new:
            continue
        gains = (new < old) == (metric in LOWER_IS_BETTER)
        yield Claim(
            sentence=f"{said} {better if gains else worse}",
            source="CMT table 4",
            where="table",
            first=after if gains else before,
            over=(before if gains else after,),
            metric=metric,
            theirs=f"{name} {change(old, new, 3)}",
            printed=gain(old, new),
        )


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
            source="CMT §4.3.3",
            where="text",
            first=_PT,
            over=(_FRESH,),
            theirs="“consistently outperform the non-pretrained counterpart”",
        ),
        Claim(
            sentence="The whole scheme performs better than no pretraining",
            source="CMT §4.3.4",
            where="text",
            first=_ALL,
            over=(_FRESH,),
            theirs="“our proposed CMT BASE and CMT LARGE models perform better”",
        ),
        Claim(
            sentence="Task-adaptive pretraining boosts the pretrained model",
            source="CMT §4.3.4",
            where="text",
            first=_TAPT,
            over=(_PT,),
            theirs="“boost the final performance”",
        ),
        Claim(
            sentence="Orthogonality boosts the pretrained model",
            source="CMT §4.3.4",
            where="text",
            first=_ORTHO,
            over=(_PT,),
            theirs="“boost the final performance”",
        ),
        Claim(
            sentence="The layer pooler brings no gain (of one point or more)",
            source="CMT §4.3.2 and §4.3.4",
            where="text",
            first=_PT,
            over=(_POOLER,),
            by=-0.01,
            theirs="“does not bring any gain in the results”",
        ),
        *_changes("Pretraining alone", _FRESH, _PT),
        *_changes("The whole scheme", _FRESH, _ALL),
        *_changes("Task-adaptive pretraining", _PT, _TAPT),
        *_changes("Orthogonality", _PT, _ORTHO),
        *_changes("The layer pooler", _PT, _POOLER),
    ),
)


_STARTS: dict[Start, str] = {"fresh": "No-PT", "pretrained": "PT"}


def _low(start: Start, share: float) -> str:
    return f"{_STARTS[start]}, {share:.0%} of the labels"


LOWDATA = Study(
    name="cmt-lowdata",
    shows="How many labels pretraining is worth.",
    source="CMT figure 3",
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

_LAYERS = (1, 2, 3, 4)
_LEARNED = "layer pooler"


def _layer(number: int) -> str:
    return f"layer {number}"


LAYERS = Study(
    name="cmt-layers",
    shows="Which layer of the cross-modal audio stream says most: learned weights, and each alone.",
    source="CMT table 3 and figure 2",
    systems=(
        System(
            name=_LEARNED,
            size="large",
            start="pretrained",
            finetuning=("model.config.audio_output=pooler",),
            measures=("layer_weights",),
        ),
        *(
            System(
                name=_layer(number),
                size="large",
                start="pretrained",
                finetuning=(f"model.config.audio_output='{number}'",),
                factors={"layer": number},
            )
            for number in _LAYERS
        ),
    ),
    claims=(
        Claim(
            sentence="The third layer is the best",
            source="CMT §4.3.2, figure 2",
            where="text",
            first=_layer(3),
            over=tuple(_layer(number) for number in _LAYERS if number != 3),
            theirs="“the third hidden layer achieves the best results”; no numbers are printed",
        ),
        Claim(
            sentence="The layer pooler brings no gain on the last layer (of one point or more)",
            source="CMT §4.3.2",
            where="text",
            first=_layer(4),
            over=(_LEARNED,),
            by=-0.01,
            theirs="“does not bring any performance gain”; table 4 is tried by cmt-ablation",
        ),
    ),
    drawings=(
        Drawing(
            caption="Score by the one layer whose states stand for the audio stream.",
            x="layer",
            axis="layer of the audio stream",
        ),
    ),
)

ALPHAS = (0, 1, 5, 10, 20, 50, 100)
"""Of figure 4, which prints no numbers."""


def _alpha(value: int) -> str:
    return f"α = {value}"


ALPHA = Study(
    name="cmt-alpha",
    shows="What the weight of orthogonality is worth, and what it does to the two views.",
    source="CMT figure 4",
    systems=tuple(
        System(
            name=_alpha(value),
            size="ablation",
            start="pretrained",
            finetuning=(f"objectives.orthogonality={{alpha: {value}, text: mean}}",) * bool(value),
            factors={"alpha": value},
        )
        for value in ALPHAS
    ),
    claims=(
        Claim(
            sentence="α = 10 is the best",
            source="CMT appendix A.1, figure 4",
            where="text",
            first=_alpha(10),
            over=tuple(_alpha(value) for value in ALPHAS if value != 10),
            theirs="“α = 10 achieves the best performance”; the figure prints no numbers",
        ),
        Claim(
            sentence="Orthogonality is better than none",
            source="CMT §4.3.4",
            where="text",
            first=_alpha(10),
            over=(_alpha(0),),
            theirs="“boost the final performance”; table 4 is tried by cmt-ablation",
        ),
    ),
    drawings=(
        Drawing(
            caption="Score over the weight of the orthogonality term.", x="alpha", axis="weight α"
        ),
    ),
    measures=("view_cosine",),
)

STUDIES = (MAIN, ABLATION, LAYERS, LOWDATA, ALPHA)
