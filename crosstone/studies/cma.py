"""Tables of CMA (Krishna D N 2021)."""

from crosstone.studies.study import Claim, Study, System

_CMA, _FROZEN = "CMA", "CMA, frozen encoders"
_AUDIO, _TEXT = "CMA, speech alone", "CMA, text alone"

MAIN = Study(
    name="cma-main",
    shows="Cross-modal attention over tuned and frozen encoders, beside its own two branches.",
    source="CMA tables 1 and 2",
    systems=(
        System(name=_CMA, family="cma", asks="emotion"),
        System(
            name=_FROZEN,
            family="cma",
            asks="emotion",
            finetuning=("model.config.freeze_audio=all", "model.config.freeze_text=all"),
        ),
        System(name=_AUDIO, family="cma-audio", asks="emotion"),
        System(name=_TEXT, family="cma-text", asks="emotion"),
    ),
    claims=(
        Claim(
            sentence="Tuning the encoders is better than freezing them",
            source="CMA §5, table 1",
            where="text",
            first=_CMA,
            over=(_FROZEN,),
            metric="ua",
            theirs="UA .7120 → .7471",
        ),
        Claim(
            sentence="Both modalities are better than either branch alone",
            source="CMA tables 1 and 2",
            where="table",
            first=_CMA,
            over=(_AUDIO, _TEXT),
            metric="ua",
            theirs="UA .6001 (speech) and .7101 (text) → .7471",
        ),
        Claim(
            sentence="Text alone is better than speech alone",
            source="CMA table 2",
            where="table",
            first=_TEXT,
            over=(_AUDIO,),
            metric="ua",
            theirs="UA .6001 → .7101",
        ),
        Claim(
            sentence="Both over frozen encoders are as good as tuned text alone (to one point)",
            source="CMA tables 1 and 2",
            where="table",
            first=_FROZEN,
            over=(_TEXT,),
            metric="ua",
            by=-0.01,
            theirs="UA .7101 (text) and .7120",
        ),
    ),
)

STUDIES = (MAIN,)
