"""The counts of a protocol: what was expected, what is there, and whether training may begin."""

from collections.abc import Mapping, Sequence

from crosstone.errors import CorpusError
from crosstone.protocols.base import Counts, ProtocolSpec


def compare_counts(found: Counts, spec: ProtocolSpec) -> str:
    """A clause that says how what was found compares with what a whole copy holds; "" of nothing
    expected.

    Raises CorpusError that lists expected, found and difference of every count that differs from
    the nearest version, where the protocol enforces its counts.
    """
    if not spec.expected:
        return ""
    by_version = [(_differences(version, found), version) for version in spec.expected]
    differences, nearest = min(by_version, key=lambda pair: sum(abs(d[2] - d[1]) for d in pair[0]))
    if not differences:
        said = f"counts as expected{f' ({nearest.name})' if nearest.name else ''}"
        return said
    title = spec.name or spec.kind
    if not spec.enforce:
        return (
            f"counts are not those of {title}: "
            + "; ".join(
                f"{what} {there:,} instead of {wanted:,} ({there - wanted:+,})"
                for what, wanted, there in differences[:6]
            )
            + (f"; and {len(differences) - 6} more" if len(differences) > 6 else "")
            + f"; known: {'; '.join(describe_counts(version) for version in spec.expected)}"
        )
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
    for name in ("splits", "labels", "units"):
        wanted, there = getattr(expected, name), getattr(found, name)
        if wanted:
            keys = [*wanted, *(key for key in there if key not in wanted)]
            pairs += [(key, wanted.get(key, 0), there.get(key, 0)) for key in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]
