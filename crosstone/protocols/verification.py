"""Named protocols of speaker verification."""

from crosstone.protocols.base import ProtocolSpec

LIBRISPEECH_VERIFICATION = ProtocolSpec(
    name="librispeech-verification",
    source="CTAL 2021 §4.2.3: trains on the train subsets, tests on trials of test-clean's 40 "
    "speakers; CTAL's own score is another (ge2e_eer)",
    corpus="librispeech",
    kind="trials",
    unit="speaker",
    target="speaker",
    task="verification",
    selection="last",
)
"""A list of pairs of utterances: the same speaker, or another?"""
