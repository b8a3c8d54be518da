"""The counts of a protocol: what was expected, what is there, and whether training may begin."""

from collections.abc import Mapping, Sequence

from crosstone.errors import CorpusError
from crosstone.protocols.base import Counts, ProtocolSpec

_SHOWN = 3


def compare_counts(found: Counts, spec: ProtocolSpec) -> tuple[bool | None, str]:
    """Whether what was found is a whole copy, and a clause that says how it compares with one;
    None and "" where nothing is expected.

    Raises CorpusError that lists expected, found and difference of every count that differs from
    the nearest version, where the protocol enforces its counts.
    """
    if not spec.expected:
        return None, ""
    by_version = [(_differences(version, found), version) for version in spec.expected]
    differences, nearest = min(by_version, key=lambda pair: sum(abs(d[2] - d[1]) for d in pair[0]))
    if not differences:
        return True, f"counts as expected{f' ({nearest.name})' if nearest.name else ''}"
    title = spec.name or spec.kind
    if not spec.enforce:
        said = "; ".join(
            f"{what} {there:,} instead of {wanted:,} ({there - wanted:+,})"
            for what, wanted, there in differences[:_SHOWN]
        )
        if len(differences) > _SHOWN:
            said += f"; {len(differences) - _SHOWN} more differ"
        if len(spec.expected) > 1:
            said += f"; known: {'; '.join(describe_counts(v) for v in spec.expected)}"
        return False, f"counts are not those of {title}: {said}"
    width = max(len(what) for what, _, _ in differences)
    lines = [
        f"  {what:<{width}}  expected {wanted:,}, found {there:,} ({there - wanted:+,})"
        for what, wanted, there in differences
    ]
    raise CorpusError(
        f"protocol {title}: expected {describe_counts(nearest)}; found other counts:\n"
        + "\n".join(lines)
        + "\nComplete the copy (crosstone check names what is missing), or train on what is there "
        "with protocol.enforce=false, which every table then says"
    )


def describe_counts(counts: Counts) -> str:
    """The counts in one clause, as in `16,327 train, 1,871 valid and 4,662 test (SDK folds)`."""
    parts = []
    if counts.utterances is not None:
        parts.append(f"{counts.utterances:,} utterances")
    if counts.splits:
        parts.append(_joined(counts.splits))
    if counts.partition:
        parts.append(f"{_joined(counts.partition)} before any are left out")
    if counts.labels:
        parts.append(_joined(counts.labels))
    said = ": ".join(parts) or "no counts"
    return f"{said} ({counts.name})" if counts.name else said


def _joined(table: Mapping[str, int]) -> str:
    entries = [f"{count:,} {name}" for name, count in table.items()]
    return " and ".join([", ".join(entries[:-1]), entries[-1]] if len(entries) > 1 else entries)


def _differences(expected: Counts, found: Counts) -> Sequence[tuple[str, int, int]]:
    """What, expected, found: for each count that is expected and differs."""
    pairs: list[tuple[str, int, int]] = []
    if expected.utterances is not None:
        pairs.append(("utterances", expected.utterances, found.utterances or 0))
    for name in ("splits", "partition", "labels", "units"):
        wanted, there = getattr(expected, name), getattr(found, name)
        if wanted:
            keys = [*wanted, *(key for key in there if key not in wanted)]
            pairs += [(key, wanted.get(key, 0), there.get(key, 0)) for key in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]
