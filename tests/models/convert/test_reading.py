"""The door: values come in, code does not, and what is damaged is said."""

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from crosstone.errors import CheckpointError
from crosstone.models.convert.reading import SHELLS, Shell, read_foreign

WEIGHTS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def foreign_class(full_name: str) -> type:
    """A class as another package would bring it, only for as long as the file is written."""
    module, _, name = full_name.rpartition(".")
    return type(name, (), {"__module__": module, "__qualname__": name})


@pytest.fixture
def write_foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`write_foreign("omegaconf.DictConfig")`: a checkpoint with an object of that class in it."""

    def write(full_name: str) -> Path:
        import sys
        import types

        kind = foreign_class(full_name)
        with monkeypatch.context() as patch:
            package = ""
            for part in full_name.split(".")[:-1]:
                package = f"{package}.{part}".lstrip(".")
                patch.setitem(sys.modules, package, types.ModuleType(package))
            setattr(sys.modules[package], kind.__name__, kind)
            held = kind()
            held.symbols = ["0", "1"]
            torch.save({"model": WEIGHTS, "task_state": [held]}, tmp_path / "foreign.pt")
        return tmp_path / "foreign.pt"

    return write


@pytest.mark.parametrize("zipped", [True, False])
def test_values_come_in(tmp_path: Path, zipped: bool) -> None:
    said = argparse.Namespace(activation="gelu")
    torch.save(
        {"args": said, "model": WEIGHTS, "epoch": 3},
        tmp_path / "a.pt",
        _use_new_zipfile_serialization=zipped,
    )
    file = read_foreign(tmp_path / "a.pt")
    assert torch.equal(file.state["a"], WEIGHTS["a"])
    assert file.arguments == {"activation": "gelu"}
    assert len(file.sha256) == 64


def test_safetensors_and_newer_configs(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    file = read_foreign(tmp_path / "a.safetensors")
    assert (set(file.state), file.arguments) == ({"a", "b"}, {})
    for said in ({"dropout": 0.2}, argparse.Namespace(dropout=0.2)):
        torch.save({"cfg": {"model": said}, "args": None, "model": WEIGHTS}, tmp_path / "b.pt")
        assert read_foreign(tmp_path / "b.pt").arguments == {"dropout": 0.2}


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle", "pickle 2"])
def test_code_is_not_run(tmp_path: Path, form: str) -> None:
    marker, path = tmp_path / "ran", tmp_path / "evil.pt"
    held = {"model": WEIGHTS, "args": Evil(marker)}
    if form.startswith("pickle"):
        path.write_bytes(pickle.dumps(held, protocol=2 if form == "pickle 2" else 4))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match=r"evil\.pt: expected .*save the weights alone"):
        read_foreign(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "needed,remedy",
    [
        ("src.models.MULTModel", r"save its state_dict\(\) instead"),
        ("omegaconf.dictconfig.DictConfig", "where fairseq is installed"),
        ("builtins.eval", "save the weights alone"),
    ],
)
def test_what_is_needed_is_named(
    write_foreign: Callable[[str], Path], tmp_path: Path, needed: str, remedy: str
) -> None:
    if needed == "builtins.eval":
        torch.save({"a": eval}, tmp_path / "foreign.pt")
    else:
        write_foreign(needed)
    said = needed.removeprefix("builtins.").replace(".", r"\.")
    with pytest.raises(
        CheckpointError, match=f"needs {said}, which is code and is not run; .*"
    ) as e:
        read_foreign(tmp_path / "foreign.pt")
    e.match(remedy)


def test_a_blocked_module_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.")
    with pytest.raises(CheckpointError, match=r"needs posix\.system, which is code"):
        read_foreign(path)


@pytest.mark.parametrize("full_name", SHELLS)
def test_fairseqs_records_come_in_empty(
    write_foreign: Callable[[str], Path], full_name: str
) -> None:
    allowed = {*torch.serialization.get_safe_globals()}
    file = read_foreign(write_foreign(full_name))
    (held,) = file.content["task_state"]
    assert isinstance(held, Shell)
    assert vars(held) == {"symbols": ["0", "1"]}
    assert {*torch.serialization.get_safe_globals()} == allowed


def test_whole_models_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"needs torch\.nn\.modules\.linear\.Linear"):
        read_foreign(tmp_path / "m.pt")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "j.pt")
    with pytest.raises(CheckpointError, match=r"needs torch\.jit\.ScriptModule"):
        read_foreign(tmp_path / "j.pt")


def test_what_is_damaged_is_said(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "zip.pt")
    torch.save(WEIGHTS, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    save_file(WEIGHTS, tmp_path / "s.safetensors")
    for name in ("zip.pt", "legacy.pt", "s.safetensors"):
        path = tmp_path / name
        for kept in (len(path.read_bytes()) // 2, 60, 0):
            path.write_bytes(path.read_bytes()[:kept])
            with pytest.raises(CheckpointError, match=f"{name}: expected .* found something"):
                read_foreign(path)
    (tmp_path / "words.pt").write_text("hello world\n" * 20)
    with pytest.raises(CheckpointError, match=r"words\.pt: expected .* found something"):
        read_foreign(tmp_path / "words.pt")
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(CheckpointError, match="no such file"):
            read_foreign(path)


@pytest.mark.parametrize(
    "held,said",
    [
        ({"model": {"a": 1, "b": torch.ones(1)}}, "other things under a;"),
        ([torch.ones(1)], "found a list"),
        ({}, "found none"),
    ],
)
def test_what_holds_no_weights_is_said(tmp_path: Path, held: Any, said: str) -> None:
    torch.save(held, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=f"expected weights by name, .*{said}"):
        _ = read_foreign(tmp_path / "a.pt").state
