"""Does what is learned on one corpus hold on another? Trained on each, tested on all."""

from collections.abc import Mapping
from dataclasses import replace

from crosstone.studies.study import ARROW, Claim, Study, System

CORPUS = "corpus"
"""Option of a system's corpus where the ground has several."""

_LISTENERS = {"audio only": "audio", "text only": "text", "CMT": "cmt"}

TWOKEYS: Mapping[str, Mapping[str, str]] = {
    "interplay": {"law": "interplay", "seed": "1"},
    "interplay, other voices": {"law": "interplay", "seed": "2"},
    "quadrants": {"law": "quadrants", "seed": "3"},
}
"""Three corpora that are made on the spot: the second has other speakers and sentences than the
first, the third another law as well."""


def crossed(listener: str, trained: str, tested: str) -> str:
    """What a system is called."""
    return f"{listener}, {trained}{ARROW}{tested}"


def between(study: Study, corpora: Mapping[str, Mapping[str, str]]) -> Study:
    """The study on these corpora, by name: their options.

    On its own corpus a system is scored by the folds; elsewhere it is one that was trained on all
    of its own.
    """
    systems = tuple(
        System(
            name=crossed(listener, trained, tested),
            family=family,
            corpus=options,
            elsewhere={name: each for name, each in corpora.items() if name != trained},
            under="" if tested == trained else tested,
            tuned=False,
            finetuning=("final_model=true",),
            factors={"listener": listener, "trained on": trained, "tested on": tested},
        )
        for listener, family in _LISTENERS.items()
        for trained, options in corpora.items()
        for tested in corpora
    )
    claims = tuple(
        Claim(
            sentence=f"On {tested}, {listener} trained on {trained} tells less than trained there",
            source="ours",
            where="ours",
            first=crossed(listener, tested, tested),
            over=(crossed(listener, trained, tested),),
        )
        for listener in _LISTENERS
        for trained in corpora
        for tested in corpora
        if trained != tested
    )
    return replace(study, systems=systems, claims=claims)


TRANSFER = between(
    Study(
        name="transfer",
        shows="What holds elsewhere: trained on one corpus, tested on each.",
        source="ours",
        systems=(),
        measures=("transfer",),
    ),
    TWOKEYS,
)

STUDIES = (TRANSFER,)
