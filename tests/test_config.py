"""YAML into dataclasses, and every sentence it can say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from crosstone.config import apply_overrides, build, merge, read_yaml, resolve_extends, to_tree
from crosstone.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    name: str
    steps: int | None = None
    inner: Inner = field(default_factory=Inner)
    other: Inner | None = None
    names: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    flag: bool = False

    def __post_init__(self) -> None:
        if self.steps == 13:
            raise ConfigError("steps is unlucky")


def find(name: str, folder: Path) -> Path:
    return folder / name


def test_values_are_cast_by_declared_type(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: 7\nsteps: 1e3\ninner: {lr: 1e-5, betas: [0, 1]}\nnames: [a, 2]\n")
    built = build(Outer, read_yaml(path), "r")
    assert built == Outer("7", 1000, Inner(1e-5, (0.0, 1.0)), None, ("a", "2"))
    assert build(Outer, to_tree(built), "again") == built


def test_every_fault_is_listed_at_once() -> None:
    tree = {
        "stepz": 3,
        "inner": {"lr": "fast", "mode": "c", "betas": [1]},
        "names": "a",
        "flag": 1,
        "steps": 2.5,
    }
    with pytest.raises(ConfigError) as raised:
        build(Outer, tree, "r.yaml")
    sentence = str(raised.value)
    for part in (
        "r.yaml: ",
        "unknown key 'stepz', did you mean 'steps'?",
        "'name' is missing (str)",
        "'inner.lr' expects float, found 'fast'",
        "'inner.mode' expects one of a, b, found 'c'",
        "'inner.betas' expects 2 values, found 1",
        "'names' expects a list, found 'a'",
        "'flag' expects bool, found 1",
        "'steps' expects int, found 2.5",
    ):
        assert part in sentence


def test_a_dataclass_speaks_with_its_place() -> None:
    with pytest.raises(ConfigError, match="r: top: steps is unlucky"):
        build(Outer, {"name": "x", "steps": 13}, "r")
    with pytest.raises(ConfigError, match="other: expected keys, found 3"):
        build(Outer, {"name": "x", "other": 3}, "r")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("a: 1\nb: 2\na: 3\n")
    with pytest.raises(ConfigError, match="key 'a' stands on line 1 and again on line 3"):
        read_yaml(path)


@pytest.mark.parametrize("text,said", [("a: [", "not valid YAML"), ("- 1", "found list")])
def test_files_that_hold_something_else(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_yaml(tmp_path / "r.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert read_yaml(tmp_path / "empty.yaml") == {}


def test_extends_lays_files_over_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: {one: 1, two: 2}\ny: a\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\nx: {two: 3}\n")
    assert resolve_extends(tmp_path / "b.yaml", find) == {"x": {"one": 1, "two": 3}, "y": "a"}
    (tmp_path / "c.yaml").write_text("extends: [c.yaml]\n")
    with pytest.raises(ConfigError, match=r"runs in a circle: c.yaml → c.yaml"):
        resolve_extends(tmp_path / "c.yaml", find)


def test_overrides() -> None:
    tree = {"optim": {"lr": 1, "name": "adam"}}
    assert apply_overrides(tree, ["optim.lr=3e-5", "new.key=[1, 2]"]) == {
        "optim": {"lr": "3e-5", "name": "adam"},
        "new": {"key": [1, 2]},
    }
    assert merge({"a": {"b": 1}}, {"a": None}) == {"a": None}
    for bad, said in (("lr", "expected key=value"), ("a={", "not valid YAML")):
        with pytest.raises(ConfigError, match=said):
            apply_overrides(tree, [bad])
