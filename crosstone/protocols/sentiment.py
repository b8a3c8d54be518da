"""Named protocols of sentiment."""

from crosstone.protocols.base import Counts, ProtocolSpec

MOSEI_SENTIMENT = ProtocolSpec(
    name="mosei-sentiment",
    source="Zadeh et al. 2018, standard folds of CMU-MultimodalSDK; CMT 2022 §4.1.2",
    corpus="mosei",
    kind="predefined",
    unit="group",
    target="sentiment",
    task="regression",
    selection="best_valid",
    expected=(
        Counts(name="SDK folds", splits={"train": 16327, "valid": 1871, "test": 4662}),
        Counts(name="MulT and MMSA", splits={"train": 16326, "valid": 1871, "test": 4659}),
        Counts(name="JBLS's manifests", splits={"train": 16090, "valid": 1859, "test": 4586}),
    ),
    enforce=False,
)
"""Sentiment in [-3, 3]. Several versions circulate, so the counts are named and not enforced."""

MOSI_SENTIMENT = ProtocolSpec(
    name="mosi-sentiment",
    source="Zadeh et al. 2016, standard folds of CMU-MultimodalSDK; JBLS 2020 table 3",
    corpus="mosi",
    kind="predefined",
    unit="group",
    target="sentiment",
    task="regression",
    selection="best_valid",
    expected=(Counts(utterances=2199, splits={"train": 1284, "valid": 229, "test": 686}),),
)
"""Sentiment in [-3, 3]."""
