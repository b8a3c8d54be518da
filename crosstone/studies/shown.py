"""A part of a study's page, with the data behind its figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crosstone.reports.page import Block

Rows = Sequence[Mapping[str, object]]
"""Lines of a CSV: column → value."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Blocks in order, and what their drawings were drawn from."""

    blocks: tuple[Block, ...] = ()
    data: Mapping[str, Rows] = field(default_factory=dict)
    """Name of a drawing → the lines of the CSV beside it."""


def together(parts: Iterable[Shown]) -> Shown:
    """Parts of a page, one after the other."""
    blocks: list[Block] = []
    data: dict[str, Rows] = {}
    for part in parts:
        blocks += part.blocks
        data |= part.data
    return Shown(tuple(blocks), data)
