"""From codes to tokens: fairseq's dictionary, by hand."""

from pathlib import Path

import pytest
import torch

from crosstone.errors import CheckpointError
from crosstone.nn.joining import UNK, every_combination, join_table, read_dictionary, write_codes


def test_a_line_is_its_number_and_four(tmp_path: Path) -> None:
    path = tmp_path / "dict.txt"
    path.write_text("2-0 91\n0-1 17\nmadeupword0000 0\n1-1 3\n")
    symbols = read_dictionary(path)
    assert symbols == ("2-0", "0-1", "madeupword0000", "1-1")
    table = join_table(symbols, num_codes=3, num_groups=2)
    assert table.tolist() == [[UNK, 5, UNK], [UNK, 7, UNK], [4, UNK, UNK]]


def test_order_of_the_pair_counts() -> None:
    table = join_table(["0-2"], num_codes=3, num_groups=2)
    assert table[0, 2] == 4
    assert table[2, 0] == UNK


def test_every_combination_has_its_own_token() -> None:
    table = every_combination(3, 2)
    symbols = [f"{a}-{b}" for a in range(3) for b in range(3)]
    assert torch.equal(table, join_table(symbols, 3, 2))


def test_text_form() -> None:
    assert write_codes([[279, 216], [117, 216]]) == "279-216 117-216"
    assert write_codes(torch.tensor([[1, 2, 3]])) == "1-2-3"


def test_a_symbol_again_needs_fairseqs_mark(tmp_path: Path) -> None:
    path = tmp_path / "dict.txt"
    path.write_text("0-1 9\n0-1 3 #fairseq:overwrite\n")
    table = join_table(read_dictionary(path), num_codes=2, num_groups=2)
    assert table[0, 1] == 5
    path.write_text("0-1 9\n0-1 3\n")
    with pytest.raises(CheckpointError, match="line 2: '0-1' again"):
        read_dictionary(path)


def test_other_files_and_other_quantizers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dict.txt"
    path.write_text("0-1 9\n0-0\n")
    with pytest.raises(CheckpointError, match="line 2: expected `symbol count`, found '0-0'"):
        read_dictionary(path)
    with pytest.raises(CheckpointError, match="expected codes below 3, found '0-3'"):
        join_table(["0-3"], num_codes=3, num_groups=2)
