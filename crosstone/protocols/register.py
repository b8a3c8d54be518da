"""The named protocols, and how a protocol differs from the one that it is named after."""

import dataclasses
import difflib

from crosstone.errors import ConfigError
from crosstone.protocols import emotion, sentiment, verification
from crosstone.protocols.base import ProtocolSpec

PROTOCOLS: dict[str, ProtocolSpec] = {
    spec.name: spec
    for spec in (
        emotion.IEMOCAP_4WAY,
        emotion.IEMOCAP_BY_SPEAKER,
        emotion.IEMOCAP_JBLS,
        emotion.IEMOCAP_5WAY,
        emotion.IEMOCAP_6WAY,
        sentiment.MOSEI_SENTIMENT,
        sentiment.MOSI_SENTIMENT,
        emotion.MOSEI_EMOTION,
        emotion.MELD_EMOTION,
        emotion.RAVDESS,
        emotion.EMODB,
        emotion.CREMAD,
        emotion.CREMAD_VOICE,
        verification.LIBRISPEECH_VERIFICATION,
    )
}
"""Name → protocol; a recipe takes one by `protocol: {name: …}`."""

STATED_BESIDE = frozenset({"name", "source", "selection", "headline", "train_fraction"})
"""Keys that every table prints anyway, so that another value makes no other protocol."""


def named_protocol(name: str) -> ProtocolSpec:
    """The protocol of this name; raises ConfigError with the nearest names."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(name, PROTOCOLS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(PROTOCOLS)}"
    raise ConfigError(f"protocol.name: no protocol is called '{name}'; {hint}")


def alterations(spec: ProtocolSpec) -> tuple[str, ...]:
    """The keys in which a protocol differs from the one that it is named after; none if unnamed."""
    named = PROTOCOLS.get(spec.name)
    if named is None:
        return ()
    return tuple(
        field.name
        for field in dataclasses.fields(spec)
        if field.name not in STATED_BESIDE
        and getattr(spec, field.name) != getattr(named, field.name)
    )
