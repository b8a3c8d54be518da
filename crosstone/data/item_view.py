"""Items as they would be with less, or with other words."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from crosstone.data.batch import Item, Items
from crosstone.data.corpus import Corpus

KINDS = ("audio+text", "audio", "text")
"""What an utterance may be of."""


class ItemView:
    """Some of the items of a corpus, each altered as it is taken; the items stay as they are."""

    def __init__(
        self, items: Items, rows: Sequence[int], alter: Callable[[int, Item], Item]
    ) -> None:
        self.rows = tuple(rows)
        self.corpus: Corpus = items.corpus.select(np.array(self.rows, dtype=np.int64))
        self._items, self._alter = items, alter

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Item:
        row = self.rows[i]
        return self._alter(row, self._items[row])


def rows_of(items: Items, kind: str) -> list[int]:
    """The positions of the items that have what `kind` names."""
    named = kind.split("+")
    return [
        i
        for i, utterance in enumerate(items.corpus)
        if ("audio" not in named or (items.hears and utterance.audio is not None))
        and ("text" not in named or items.has_text(i))
    ]


def only(items: Items, kind: str, rows: Sequence[int] | None = None) -> ItemView:
    """The items that have what `kind` names, or those in `rows`, without anything else."""

    def alter(row: int, item: Item) -> Item:
        if kind == "audio":
            return dataclasses.replace(item, text=None, text_states=None)
        return dataclasses.replace(item, audio=None) if kind == "text" else item

    return ItemView(items, rows_of(items, kind) if rows is None else rows, alter)
