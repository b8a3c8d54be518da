"""Tables 1 and 2 of CMT (Chu et al. 2022): the whole scheme beside what it is weighed against."""

from dataclasses import replace

from crosstone.studies.study import Asked, Claim, Study, System, Where, change, gain

ORTHOGONAL = ("objectives.orthogonality={alpha: 10, text: mean}",)
"""The paper's weight (§4.2.2, figure 4)."""

_AUDIO, _TEXT, _SHALLOW = "speech alone", "text alone", "shallow fusion"
_MULT, _JBLS, _CTAL = "MulT", "JBLS", "CTAL"
_BASE, _LARGE = "CMT base", "CMT large"


def _systems(asks: Asked) -> tuple[System, ...]:
    """Those of table 1, or of table 2, where MulT, JBLS and CTAL learn by absolute error."""
    l1 = ("objectives.supervised.criterion=l1",) if asks == "sentiment" else ()
    found = (
        System(name=_AUDIO, family="audio"),
        System(name=_TEXT, family="text"),
        System(name=_SHALLOW, family="shallow"),
        System(name=_MULT, family="mult", finetuning=l1),
        System(name=_JBLS, family="jbls", finetuning=l1),
        System(name=_CTAL, family="ctal", size="large", start="pretrained", finetuning=l1),
        System(name=_BASE, start="adapted", finetuning=ORTHOGONAL),
        System(name=_LARGE, size="large", start="adapted", finetuning=ORTHOGONAL),
    )
    return tuple(replace(s, name=_of(s.name, asks), asks=asks) for s in found)


def _of(name: str, asks: Asked) -> str:
    return f"{name}, {asks}" if asks == "sentiment" else name


def _value(name: str) -> str:
    return _of(name, "sentiment")


_EMOTION = (
    *(
        Claim(
            sentence=f"{said} alone is as good as {against} alone in {name} (to one point)",
            source="CMT §4.3.1",
            where="text",
            first=first,
            over=(other,),
            metric=metric,
            by=-0.01,
            theirs=f"“similar performance with UA and WA about 0.7”: {name} {printed}",
        )
        for metric, name, values in (("ua", "UA", (".711", ".709")), ("wa", "WA", (".703", ".702")))
        for first, other, said, against, printed in (
            (_AUDIO, _TEXT, "Speech", "text", " and ".join(values)),
            (_TEXT, _AUDIO, "Text", "speech", " and ".join(reversed(values))),
        )
    ),
    *(
        Claim(
            sentence=f"Shallow fusion is better than either modality alone in {name}",
            source="CMT table 1",
            where="table",
            first=_SHALLOW,
            over=(_AUDIO, _TEXT),
            metric=metric,
            theirs=f"{name} {printed}",
        )
        for metric, name, printed in (
            ("ua", "UA", ".711 and .709 → .728"),
            ("wa", "WA", ".703 and .702 → .717"),
        )
    ),
    *(
        Claim(
            sentence="Shallow fusion gains one and a half points on either modality alone in "
            f"{metric.upper()}",
            source="CMT §4.3.1",
            where="text",
            first=_SHALLOW,
            over=(_AUDIO, _TEXT),
            metric=metric,
            by=0.015,
            theirs=f"“an absolute 1.5 % improvement on both metrics”; its table says {printed}",
        )
        for metric, printed in (("ua", "1.7"), ("wa", "1.4"))
    ),
    *(
        Claim(
            sentence=f"CMT base gains over four points on shallow fusion in {said}",
            source="CMT §4.3.1",
            where="text",
            first=_BASE,
            over=(_SHALLOW,),
            metric=metric,
            by=0.04,
            theirs=f"“over 4 %”; its table says {printed}",
        )
        for metric, said, printed in (
            ("wa", "WA", "3.4 (.717 → .751)"),
            ("ua", "UA", "3.5 (.728 → .763)"),
        )
    ),
    *(
        Claim(
            sentence=f"{name} gains {100 * by:.1f} points on shallow fusion in {metric.upper()}",
            source="CMT table 1",
            where="table",
            first=name,
            over=(_SHALLOW,),
            metric=metric,
            by=by,
            theirs=f"{metric.upper()} {printed}",
        )
        for name, metric, by, printed in (
            (_BASE, "ua", 0.035, ".728 → .763"),
            (_LARGE, "ua", 0.033, ".728 → .761"),
            (_BASE, "wa", 0.034, ".717 → .751"),
            (_LARGE, "wa", 0.033, ".717 → .750"),
        )
    ),
    *(
        Claim(
            sentence=f"{name} is better than JBLS and CTAL",
            source="CMT §4.3.1, table 1",
            where="text",
            first=name,
            over=(_JBLS, _CTAL),
            metric="ua",
            theirs=f"UA .734 (JBLS) and .746 (CTAL) → {printed}",
        )
        for name, printed in ((_BASE, ".763"), (_LARGE, ".761"))
    ),
    *(
        Claim(
            sentence=f"{first} is within 0.3 points of {other} in {metric.upper()}, or above it",
            source="CMT §4.3.1",
            where="text",
            first=first,
            over=(other,),
            metric=metric,
            by=-0.003,
            theirs="“very close UA and WA, which is within 0.3 %”: base and large have "
            f"{metric.upper()} {printed}",
        )
        for metric, printed in (("ua", ".763 and .761"), ("wa", ".751 and .750"))
        for first, other in ((_BASE, _LARGE), (_LARGE, _BASE))
    ),
)
"""Of table 1."""

_ON_SHALLOW: tuple[tuple[str, Where, str, str, str], ...] = (
    ("CMT §4.3.1, table 2", "text", "mae", "the absolute error", "MAE .518 → .501"),
    ("CMT table 2", "table", "acc2_nonzero", "accuracy of sign", "Acc2 .861 → .880"),
)
"""What CMT base gains on shallow fusion; the text leaves accuracy of sign out."""

_SENTIMENT = (
    *(
        Claim(
            sentence=f"Even {name} is better than speech alone",
            source="CMT §4.3.1, table 2",
            where="text",
            first=_value(name),
            over=(_value(_AUDIO),),
            metric="mae",
            theirs=f"speech alone “always under performs”: MAE .634 → {printed}",
        )
        for name, printed in ((_CTAL, ".603"), (_MULT, ".591"))
    ),
    Claim(
        sentence="Text alone is as good as shallow fusion in sign (to one point)",
        source="CMT §4.3.1",
        where="text",
        first=_value(_TEXT),
        over=(_value(_SHALLOW),),
        metric="acc2_nonzero",
        by=-0.01,
        theirs="“competitive results compared to shallow-fusion-based model”",
    ),
    Claim(
        sentence="Shallow fusion costs accuracy of sign",
        source="CMT table 2",
        where="table",
        first=_value(_TEXT),
        over=(_value(_SHALLOW),),
        metric="acc2_nonzero",
        theirs="Acc2 .876 → .861, F1 .877 → .860",
    ),
    *(
        Claim(
            sentence=f"Shallow fusion improves {said} on text alone",
            source="CMT §4.3.1, table 2",
            where="text",
            first=_value(_SHALLOW),
            over=(_value(_TEXT),),
            metric=metric,
            theirs=f"{name} {change(old, new, 3)}",
            printed=gain(old, new),
        )
        for metric, name, said, old, new in (
            ("mae", "MAE", "the absolute error", 0.523, 0.518),
            ("acc7_round", "Acc7", "accuracy in seven classes", 0.521, 0.538),
        )
    ),
    *(
        Claim(
            sentence=f"CMT base improves {said} on shallow fusion",
            source=source,
            where=where,
            first=_value(_BASE),
            over=(_value(_SHALLOW),),
            metric=metric,
            theirs=printed,
        )
        for source, where, metric, said, printed in _ON_SHALLOW
    ),
    Claim(
        sentence="CMT base has the best accuracy in seven classes",
        source="CMT §4.3.1, table 2",
        where="text",
        first=_value(_BASE),
        over=tuple(_value(name) for name in (_MULT, _JBLS, _SHALLOW)),
        metric="acc7_round",
        theirs="Acc7 .546 over .507, .521 and .538; JBLS's own paper prints .5597",
        printed=0.008,
    ),
    *(
        Claim(
            sentence=f"CMT large improves {said} on CMT base",
            source="CMT §4.3.1, table 2",
            where="text",
            first=_value(_LARGE),
            over=(_value(_BASE),),
            metric=metric,
            theirs=f"{name} {change(old, new, 3)}",
            printed=gain(old, new),
        )
        for metric, name, said, old, new in (
            ("mae", "MAE", "the absolute error", 0.501, 0.500),
            ("acc2_nonzero", "Acc2", "accuracy of sign", 0.880, 0.885),
        )
    ),
    Claim(
        sentence="CMT large has the smallest absolute error",
        source="CMT §4.3.1, table 2",
        where="text",
        first=_value(_LARGE),
        over=tuple(_value(name) for name in (_AUDIO, _TEXT, _SHALLOW, _MULT, _JBLS, _CTAL)),
        metric="mae",
        theirs="MAE .500, the next .518; JBLS's own paper prints .491",
    ),
    *(
        Claim(
            sentence=f"{said} is better than MulT and CTAL",
            source="CMT §4.3.1, table 2",
            where="text",
            first=_value(name),
            over=(_value(_MULT), _value(_CTAL)),
            metric="mae",
            theirs="MAE .518 over .591 and .603",
        )
        for name, said in ((_JBLS, "JBLS"), (_SHALLOW, "Shallow fusion"))
    ),
)
"""Of table 2."""

MAIN = Study(
    name="cmt-main",
    shows="CMT beside either modality alone, shallow fusion and the other families, on emotion and "
    "on sentiment.",
    source="CMT tables 1 and 2",
    systems=(
        *_systems("emotion"),
        System(name="CMA", family="cma", asks="emotion"),
        *_systems("sentiment"),
    ),
    claims=(*_EMOTION, *_SENTIMENT),
)
