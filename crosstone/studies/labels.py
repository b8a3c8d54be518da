"""Four emotions that several corpora share, by the names that each gives them."""

from collections.abc import Mapping

from crosstone.protocols import ProtocolSpec

TARGET = "emotion"
SHARED = ("angry", "happy", "neutral", "sad")

LABEL_MAPS: Mapping[str, Mapping[str, str]] = {
    "iemocap": {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"},
    "cremad": {"anger": "angry", "happy": "happy", "neutral": "neutral", "sad": "sad"},
    "emodb": {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"},
    "ravdess": {"angry": "angry", "happy": "happy", "neutral": "neutral", "sad": "sad"},
    "meld": {"anger": "angry", "joy": "happy", "neutral": "neutral", "sadness": "sad"},
    "esd": {"Angry": "angry", "Happy": "happy", "Neutral": "neutral", "Sad": "sad"},
}
"""Corpus → its label → the shared one; other labels are left out and counted. Excited is happy in
IEMOCAP, as in every four-class table; RAVDESS's calm is none of the four; CREMA-D's are the raters'
majority."""


def shared_labels(corpus: str) -> ProtocolSpec | None:
    """What reads a corpus's labels as the shared ones; None where the corpus declares none."""
    if corpus not in LABEL_MAPS:
        return None
    return ProtocolSpec(target=TARGET, labels=SHARED, label_map=LABEL_MAPS[corpus])
