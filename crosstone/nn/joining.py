"""Codes of a frame joined to one token, by the dictionary of the model that reads the tokens."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from crosstone.errors import CheckpointError

BOS, PAD, EOS, UNK = 0, 1, 2, 3
"""fairseq's special tokens, which stand before those of a dictionary."""
NUM_SPECIAL = 4

_OVERWRITE = "#fairseq:overwrite"


def read_dictionary(path: Path) -> tuple[str, ...]:
    """The symbols of a fairseq dictionary, in order: line n is token n + 4.

    Each line is `symbol count`. Raises CheckpointError that names the line which is not, or which
    holds a symbol again without fairseq's mark that it may.
    """
    symbols: list[str] = []
    known: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        rest, _, mark = line.rstrip().rpartition(" ")
        overwrites = mark == _OVERWRITE
        symbol, _, count = (rest if overwrites else line.rstrip()).rpartition(" ")
        if not symbol or not count.isdigit():
            raise CheckpointError(
                f"{path}: line {number}: expected `symbol count`, found {line!r}; is it a fairseq "
                "dictionary (dict.txt)?"
            )
        if symbol in known and not overwrites:
            raise CheckpointError(
                f"{path}: line {number}: {symbol!r} again; each symbol stands in a dictionary once"
            )
        known.add(symbol)
        symbols.append(symbol)
    return tuple(symbols)


def join_table(symbols: Iterable[str], num_codes: int, num_groups: int) -> Tensor:
    """Token of every combination of codes, (num_codes,) * num_groups; UNK where there is none.

    symbols: `a-b` for codes a and b, as in a dictionary; others are tokens that no frame gets.
    Raises CheckpointError where a code is too high for the quantizer.
    """
    table = torch.full((num_codes,) * num_groups, UNK)
    for token, symbol in enumerate(symbols, NUM_SPECIAL):
        parts = symbol.split("-")
        if len(parts) != num_groups or not all(part.isdecimal() for part in parts):
            continue
        codes = tuple(map(int, parts))
        if max(codes) >= num_codes:
            raise CheckpointError(
                f"dictionary: expected codes below {num_codes}, found {symbol!r}; it belongs to "
                "another quantizer"
            )
        table[codes] = token
    return table


def every_combination(num_codes: int, num_groups: int) -> Tensor:
    """A join table in which every combination of codes has a token, in their own order."""
    table = torch.arange(NUM_SPECIAL, NUM_SPECIAL + num_codes**num_groups)
    return table.reshape((num_codes,) * num_groups)


def write_codes(codes: Sequence[Sequence[int]] | Tensor) -> str:
    """Codes (T, G) as fairseq writes them: `a-b a-b`."""
    rows = codes.tolist() if isinstance(codes, Tensor) else codes
    return " ".join("-".join(map(str, row)) for row in rows)
