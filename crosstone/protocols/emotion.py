"""Named protocols of speech emotion."""

from dataclasses import replace

from crosstone.protocols.base import Counts, ProtocolSpec
from crosstone.protocols.sentiment import MOSEI_SENTIMENT

_IEMOCAP = {"ang": 1103, "hap": 1636, "neu": 1708, "sad": 1084}
_SESSIONS = {"Session1": 1085, "Session2": 1023, "Session3": 1151, "Session4": 1031}
_SESSIONS |= {"Session5": 1241}

IEMOCAP_4WAY = ProtocolSpec(
    name="iemocap-4way-loso",
    source="CMT 2022 §4.1.1, CTAL 2021 §4.2.1, CMA 2021 §3; counts as in EmoBox and SpeechBrain",
    corpus="iemocap",
    kind="leave-one-group-out",
    unit="group",
    target="emotion",
    labels=("ang", "hap", "neu", "sad"),
    label_map={"exc": "hap"},
    selection="nested",
    expected=(Counts(utterances=5531, labels=_IEMOCAP, units=_SESSIONS),),
)
"""Every session in turn; excited is happy."""

IEMOCAP_BY_SPEAKER = replace(
    IEMOCAP_4WAY,
    name="iemocap-4way-by-speaker",
    source="ten folds as in part of the literature; each trains on the tested speaker's partner, "
    "or chooses the epoch on it",
    unit="speaker",
    permits=("group",),
    expected=(Counts(utterances=5531, labels=_IEMOCAP),),
)
"""Every speaker in turn: the two partners of a dialogue share it, so each fold has heard the other
half of what it tests."""

IEMOCAP_JBLS = replace(
    IEMOCAP_4WAY,
    name="iemocap-jbls",
    source="JBLS 2020 §5; its shipped manifests hold 3,228 / 1,030 / 1,241 of these",
    kind="holdout",
    train_units=("Session1", "Session2", "Session3"),
    valid_units=("Session4",),
    test_units=("Session5",),
    selection="best_valid",
    expected=(
        Counts(
            utterances=5531,
            labels=_IEMOCAP,
            splits={"train": 3259, "valid": 1031, "test": 1241},
        ),
    ),
)
"""Three sessions train, the fourth validates, the fifth tests."""

IEMOCAP_5WAY = replace(
    IEMOCAP_4WAY,
    name="iemocap-5way",
    source="the four classes and frustration; counts of the release's EmoEvaluation",
    labels=("ang", "fru", "hap", "neu", "sad"),
    expected=(Counts(utterances=7380, labels={**_IEMOCAP, "fru": 1849}),),
)
"""The four classes and frustration; excited is happy."""

IEMOCAP_6WAY = replace(
    IEMOCAP_4WAY,
    name="iemocap-6way",
    source="excited apart from happy, and frustration; counts of the release's EmoEvaluation",
    labels=("ang", "exc", "fru", "hap", "neu", "sad"),
    label_map={},
    expected=(Counts(utterances=7380, labels={**_IEMOCAP, "hap": 595, "exc": 1041, "fru": 1849}),),
)
"""Happy and excited apart, and frustration."""

MELD_EMOTION = ProtocolSpec(
    name="meld-emotion",
    source="Poria et al. 2019, table 3: the corpus's own splits; the six friends speak in all",
    corpus="meld",
    kind="predefined",
    unit="group",
    permits=("speaker",),
    target="emotion",
    labels=("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"),
    selection="best_valid",
    headline="weighted_f1",
    expected=(Counts(utterances=13708, splits={"train": 9989, "valid": 1109, "test": 2610}),),
)
"""Seven emotions on the corpus's own splits; no dialogue is split, the speakers are the same."""

MOSEI_EMOTION = ProtocolSpec(
    name="mosei-emotion",
    source="CMU-MOSEI's folds; one class an utterance: the emotion rated highest, ties left out",
    corpus="mosei",
    kind="predefined",
    unit="group",
    target="emotion",
    labels=("anger", "disgust", "fear", "happy", "sad", "surprise"),
    scales=("anger", "disgust", "fear", "happy", "sad", "surprise"),
    selection="best_valid",
    expected=tuple(
        Counts(name=version.name, partition=version.splits)
        for version in MOSEI_SENTIMENT.expected or ()
    ),
    enforce=False,
)
"""The emotion that was rated highest; where all six are 0, or two tie, there is no class."""

RAVDESS = ProtocolSpec(
    name="ravdess-by-actor",
    source="Livingstone & Russo 2018: 24 actors, here six folds of them",
    corpus="ravdess",
    kind="grouped-kfold",
    unit="speaker",
    folds=6,
    target="emotion",
    labels=("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"),
    selection="nested",
    expected=(
        Counts(
            utterances=1440,
            labels={
                **dict.fromkeys(("angry", "calm", "disgust", "fearful"), 192),
                **dict.fromkeys(("happy", "sad", "surprised"), 192),
                "neutral": 96,
            },
        ),
    ),
)
"""Eight emotions, six folds of actors."""

EMODB = ProtocolSpec(
    name="emodb-by-speaker",
    source="Burkhardt et al. 2005: ten speakers, each tested in turn",
    corpus="emodb",
    kind="leave-one-group-out",
    unit="speaker",
    target="emotion",
    labels=("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness"),
    selection="nested",
    expected=(
        Counts(
            utterances=535,
            labels={
                **{"anger": 127, "boredom": 81, "disgust": 46, "fear": 69},
                **{"happiness": 71, "neutral": 79, "sadness": 62},
            },
            units={
                **{"03": 49, "08": 58, "09": 43, "10": 38, "11": 55},
                **{"12": 35, "13": 61, "14": 69, "15": 56, "16": 71},
            },
        ),
    ),
)
"""Seven emotions, every speaker in turn."""

CREMAD = ProtocolSpec(
    name="cremad-by-speaker",
    source="Cao et al. 2014: 91 actors, here five folds of them; the emotion that was acted",
    corpus="cremad",
    kind="grouped-kfold",
    unit="speaker",
    folds=5,
    target="emotion_intended",
    labels=("anger", "disgust", "fear", "happy", "neutral", "sad"),
    selection="nested",
    expected=(
        Counts(
            utterances=7442,
            labels={
                **dict.fromkeys(("anger", "disgust", "fear", "happy", "sad"), 1271),
                "neutral": 1087,
            },
        ),
    ),
)
"""Six emotions as they were acted, five folds of actors."""

CREMAD_VOICE = replace(
    CREMAD,
    name="cremad-voice-by-speaker",
    source="Cao et al. 2014: what most raters heard in the voice alone; the 644 ties are left out",
    target="emotion",
    expected=(
        Counts(
            utterances=6798,
            labels={
                **{"anger": 986, "disgust": 547, "fear": 645},
                **{"happy": 353, "neutral": 3897, "sad": 370},
            },
        ),
    ),
)
"""Six emotions as they were heard, five folds of actors."""
