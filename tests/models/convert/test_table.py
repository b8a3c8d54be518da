"""Tables of names: what is taken, what is cut, what repeats, and all that does not fit."""

import pytest
import torch
from torch import nn

from crosstone.errors import CheckpointError
from crosstone.models.convert.table import Table, num_layers, rename

TABLE = Table(
    names={
        r"(?:net|model)\.layers\.(\d+)\.fc\.(weight|bias)": r"blocks.\1.\2",
        r"net\.qkv\.(weight|bias)": (r"query.\1", r"key.\1", r"value.\1"),
        r"words\.weight": "words.weight",
    },
    tied={r"decoder\.weight": "words.weight"},
    ignored={r"aux\..*": "another task"},
)


class Ours(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
        self.query, self.key, self.value = (nn.Linear(2, 2) for _ in range(3))
        self.words = nn.Embedding(5, 2)


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    words = torch.randn(5, 2)
    return {
        "net.layers.0.fc.weight": torch.randn(2, 2),
        "net.layers.0.fc.bias": torch.randn(2),
        "model.layers.1.fc.weight": torch.randn(2, 2).half(),
        "model.layers.1.fc.bias": torch.randn(2),
        "net.qkv.weight": torch.randn(6, 2),
        "net.qkv.bias": torch.randn(6),
        "words.weight": words,
        "decoder.weight": words.clone(),
        "aux.head": torch.zeros(3),
    }


def test_all_is_taken_cut_or_left_out() -> None:
    ours, theirs = Ours(), state()
    renamed = rename(theirs, TABLE)
    renamed.load_into(ours, "file")
    assert torch.equal(ours.blocks[0].bias, theirs["net.layers.0.fc.bias"])
    assert torch.equal(ours.blocks[1].weight, theirs["model.layers.1.fc.weight"].float())
    for i, part in enumerate((ours.query, ours.key, ours.value)):
        assert torch.equal(part.weight, theirs["net.qkv.weight"][2 * i : 2 * i + 2])
    assert renamed.mapped == 7
    assert renamed.ignored == {
        "decoder.weight": "repeats words.weight",
        "aux.head": "another task",
    }
    assert num_layers(renamed.weights, r"blocks\.(\d+)") == 2


def test_a_repeat_stands_for_what_is_not_there() -> None:
    theirs = state()
    words = theirs.pop("words.weight")
    ours = Ours()
    rename(theirs, TABLE).load_into(ours, "file")
    assert torch.equal(ours.words.weight, words)


def test_all_faults_are_said_at_once_in_the_sources_names() -> None:
    theirs = state()
    del theirs["net.layers.0.fc.bias"], theirs["net.qkv.bias"]
    theirs["model.layers.1.fc.weight"] = torch.ones(2, 3)
    theirs["other.key"] = theirs["net.layers.2.fc.bias"] = torch.ones(2)
    theirs["decoder.weight"] += 1
    with pytest.raises(CheckpointError) as refusal:
        rename(theirs, TABLE).load_into(Ours(), "file")
    said = str(refusal.value)
    assert "file: does not fit: missing net.layers.0.fc.bias, net.qkv.bias;" in said
    assert "unexpected net.layers.2.fc.bias, other.key;" in said
    assert "model.layers.1.fc.weight (expected (2, 2), found (2, 3))" in said
    assert "not the same decoder.weight and words.weight, which it repeats" in said


def test_what_comes_twice_or_cannot_be_cut_is_unexpected() -> None:
    theirs = state() | {"model.layers.0.fc.bias": torch.ones(2), "net.qkv.bias": torch.ones(5)}
    with pytest.raises(CheckpointError, match=r"unexpected net\.qkv\.bias, model\.layers\.0"):
        rename(theirs, TABLE).load_into(Ours(), "file")


def test_many_keys_are_counted() -> None:
    theirs = state() | {f"x.{i}": torch.ones(1) for i in range(70)}
    with pytest.raises(CheckpointError, match="and 10 more"):
        rename(theirs, TABLE).load_into(Ours(), "file")


def test_a_module_may_have_its_weights_elsewhere() -> None:
    outer = nn.ModuleDict({"inner": Ours()})
    renamed = rename(state(), TABLE)
    renamed.load_into(outer, "file", {"": "inner."})
    assert torch.equal(outer["inner"].words.weight, renamed.weights["words.weight"])
    del renamed.weights["key.bias"]
    with pytest.raises(CheckpointError, match=r"missing net\.qkv\.bias;"):
        renamed.load_into(outer, "file", {"": "inner."})
