"""Named protocols of speaker verification."""

from crosstone.protocols.base import Counts, ProtocolSpec

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
    ge2e_seed=0,
    expected=(
        Counts(
            name="train subsets and test-clean",
            splits={"train": 281241, "valid": 0, "test": 2620},
        ),
        Counts(
            name="with dev-clean and dev-other beside them",
            splits={"train": 281241, "valid": 5567, "test": 2620},
        ),
    ),
    enforce=False,
)
"""A list of pairs of utterances: the same speaker, or another? The paper names no list, so the
corpus's own or a drawn one is taken, and the counts are named and not enforced."""
