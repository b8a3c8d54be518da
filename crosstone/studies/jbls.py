"""Tables of JBLS (Siriwardhana et al. 2020)."""

from crosstone.studies.study import Claim, Study, System

_HEADS = ("objectives.supervised.criterion=one_vs_rest",)
_MEAN_OF_HEADS = (*_HEADS, "objectives.supervised.weight=0.25")
"""MulT's code takes the mean of its four heads' losses, JBLS's the sum."""
_L1 = ("objectives.supervised.criterion=l1",)
_FROZEN = ("model.config.freeze_audio=all", "model.config.freeze_text=all")
_CO = ("model.config.fusion=co-attention", "model.config.fusion_heads=2")
"""As many heads as the README's command has."""

_JBLS, _MULT = "JBLS", "MulT"


def _two_way(name: str) -> str:
    return f"{name}, two-way heads"


def _sentiment(name: str) -> str:
    return f"{name}, sentiment"


MAIN = Study(
    name="jbls-main",
    shows="Shallow fusion of tuned encoders beside MulT, on emotion, by two-way heads, and on "
    "sentiment, which stands for both of its corpora.",
    source="JBLS tables 2–5",
    systems=tuple(
        system
        for name, family, heads in ((_JBLS, "jbls", _HEADS), (_MULT, "mult", _MEAN_OF_HEADS))
        for system in (
            System(name=name, family=family, asks="emotion"),
            System(name=_two_way(name), family=family, asks="emotion", finetuning=heads),
            System(name=_sentiment(name), family=family, asks="sentiment", finetuning=_L1),
        )
    ),
    claims=(
        Claim(
            sentence="Shallow fusion of tuned encoders is better than MulT, by two-way heads",
            source="JBLS abstract",
            where="text",
            first=_two_way(_JBLS),
            over=(_two_way(_MULT),),
            theirs="“achieve state-of-the-art (SOTA) results”",
        ),
        *(
            Claim(
                sentence=f"Shallow fusion of tuned encoders is better than MulT in {said}",
                source="JBLS table 4",
                where="table",
                first=_two_way(_JBLS),
                over=(_two_way(_MULT),),
                metric=metric,
                theirs=printed,
            )
            for metric, said, printed in (
                (
                    "head_accuracy",
                    "the accuracy of two-way heads",
                    "happy .844 → .897, sad .777 → .895, angry .739 → .938, neutral .625 → .809",
                ),
                (
                    "head_weighted_f1",
                    "the F1 of two-way heads",
                    "happy .819 → .883, sad .741 → .892, angry .702 → .939, neutral .597 → .810",
                ),
            )
        ),
        *(
            Claim(
                sentence=f"Shallow fusion of tuned encoders is better than MulT in {said}",
                source="JBLS tables 2 and 3",
                where="table",
                first=_sentiment(_JBLS),
                over=(_sentiment(_MULT),),
                metric=metric,
                theirs=printed,
            )
            for metric, said, printed in (
                (
                    "acc7_round",
                    "seven classes",
                    "Acc7 .507 → .560 (CMU-MOSEI), .391 → .489 (CMU-MOSI)",
                ),
                ("acc2_nonzero", "sign", "Acc2 .816 → .880 (CMU-MOSEI), .811 → .883 (CMU-MOSI)"),
                (
                    "mae",
                    "absolute error",
                    "MAE .691 → .491 (CMU-MOSEI; MulT's own paper: .591), .686 → .577 (CMU-MOSI)",
                ),
            )
        ),
    ),
)

_SHALLOW, _ATTENDED = "shallow fusion", "co-attention"
_AUDIO, _TEXT = "speech alone", "text alone"


def _frozen(name: str) -> str:
    return f"{name}, frozen"


ABLATION = Study(
    name="jbls-ablation",
    shows="Shallow fusion against co-attention, both modalities against one, tuned encoders "
    "against frozen ones.",
    source="JBLS table 1",
    systems=tuple(
        System(name=name, family=family, asks="emotion", finetuning=(*_HEADS, *own))
        for name, family, own in (
            (_SHALLOW, "jbls", ()),
            (_ATTENDED, "jbls", _CO),
            (_AUDIO, "jbls-audio", ()),
            (_TEXT, "jbls-text", ()),
            (_frozen(_SHALLOW), "jbls", _FROZEN),
            (_frozen(_ATTENDED), "jbls", (*_CO, *_FROZEN)),
        )
    ),
    claims=(
        Claim(
            sentence="Tuned, shallow fusion is better than co-attention",
            source="JBLS abstract",
            where="text",
            first=_SHALLOW,
            over=(_ATTENDED,),
            theirs="“a simple fusion mechanism can outperform more complex ones”",
        ),
        *(
            Claim(
                sentence=f"Tuned, shallow fusion is better than co-attention in {said}",
                source="JBLS §5.1, table 1 (5.1)",
                where="text",
                first=_SHALLOW,
                over=(_ATTENDED,),
                metric=metric,
                theirs=f"“a slight improvement”: {values}",
                printed=least,
            )
            for metric, said, values, least in (
                (
                    "head_accuracy",
                    "the accuracy of two-way heads",
                    "happy .836 → .841, sad .901 → .909, angry .926 → .936, neutral .811 → .816",
                    0.005,
                ),
                (
                    "head_weighted_f1",
                    "the F1 of two-way heads",
                    "happy .831 → .838, sad .901 → .907, angry .930 → .936, neutral .800 → .811",
                    0.006,
                ),
            )
        ),
        Claim(
            sentence="Text alone is better than speech alone",
            source="JBLS §5.2",
            where="text",
            first=_TEXT,
            over=(_AUDIO,),
            theirs="“text-only performs better than speech-only”; table 1: F1 happy .669 → .816, "
            "sad .850 → .871, angry .877 → .912, neutral .689 → .789",
        ),
        Claim(
            sentence="Both modalities are better than text alone",
            source="JBLS §5.2",
            where="text",
            first=_SHALLOW,
            over=(_TEXT,),
            theirs="“a clear improvement”; table 1: F1 happy .816 → .838, sad .871 → .907, angry "
            ".912 → .936, neutral .789 → .811",
        ),
        Claim(
            sentence="Tuned encoders are better than frozen ones, with shallow fusion",
            source="JBLS §5.3",
            where="text",
            first=_SHALLOW,
            over=(_frozen(_SHALLOW),),
            theirs="“leads to better performance”; table 1: F1 happy .630 → .838, sad .839 → .907, "
            "angry .895 → .936, neutral .730 → .811",
        ),
        Claim(
            sentence="Frozen, co-attention is better than shallow fusion",
            source="JBLS §5.4",
            where="text",
            first=_frozen(_ATTENDED),
            over=(_frozen(_SHALLOW),),
            theirs="“performs better”; table 1: F1 happy .630 → .753, sad .839 → .857, angry "
            ".895 → .902, neutral .730 → .767",
        ),
    ),
)

STUDIES = (MAIN, ABLATION)
