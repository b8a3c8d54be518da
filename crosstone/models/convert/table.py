"""From another's names to ours: tables of patterns, and all that does not fit said at once."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from crosstone.errors import CheckpointError

_GROUP = re.compile(r"\(([^()?][^()]*)\)")
_CHOICE = re.compile(r"\(\?(?::([^()|]*)|!)[^()]*\)")
_REFERENCE = re.compile(r"\\(\d)")
_SHOWN = 60
"""Keys of each fault that a message names; beyond that it counts them."""

Names = str | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What becomes of each key: the first pattern that matches it whole decides."""

    names: Mapping[str, Names]
    """Pattern → our name, with \\1 for its first group. Several names share the tensor, cut into as
    many equal parts along its first axis (a fused projection)."""

    tied: Mapping[str, str] = field(default_factory=dict)
    """Pattern → the source's key that it repeats: it must hold the same, or stand for it."""

    ignored: Mapping[str, str] = field(default_factory=dict)
    """Pattern → why the source's key is not needed."""

    def their_name(self, ours: str) -> str:
        """What the source calls one of our weights; our own name where no pattern leads to it."""
        for pattern, names in self.names.items():
            groups = _GROUP.findall(pattern)
            for name in (names,) if isinstance(names, str) else names:
                pieces = _REFERENCE.split(name)  # text, group number, text, group number, …
                regex = "".join(
                    f"({groups[int(piece) - 1]})" if i % 2 else re.escape(piece)
                    for i, piece in enumerate(pieces)
                )
                if found := re.fullmatch(regex, ours):
                    values = dict(zip(map(int, pieces[1::2]), found.groups(), strict=True))
                    filled = pattern
                    for number in sorted(values):
                        filled = _GROUP.sub(values[number], filled, count=1)
                    return _CHOICE.sub(lambda choice: choice[1] or "", filled).replace("\\.", ".")
        return ours


@dataclass
class Renamed:
    """A state dict under our names, and what was left of it."""

    table: Table
    weights: dict[str, Tensor] = field(default_factory=dict)
    """float32, by our names."""

    theirs: dict[str, str] = field(default_factory=dict)
    """Our name → the source's key that it comes from."""

    ignored: dict[str, str] = field(default_factory=dict)
    """The source's key → why it is not needed."""

    unexpected: list[str] = field(default_factory=list)
    """The source's keys that no pattern knows, or that give what another gives already."""

    differing: list[str] = field(default_factory=list)
    """Repeats that do not hold the same."""

    @property
    def mapped(self) -> int:
        """How many of the source's keys were taken."""
        return len(set(self.theirs.values()))

    def drop(self, ours: str, why: str) -> None:
        """Leave one of the weights out."""
        del self.weights[ours]
        self.ignored[self.theirs.pop(ours)] = why

    def load_into(
        self, module: nn.Module, where: object, places: Mapping[str, str] | None = None
    ) -> None:
        """Fill a module's parameters, every weight accounted for.

        places: prefix of our names → prefix in the module. Raises CheckpointError that lists all
        that is missing, unexpected or of another shape.
        """
        prefixes = (places or {}).items()
        inside = {_moved(name, prefixes): tensor for name, tensor in self.weights.items()}
        back = [(module_prefix, ours) for ours, module_prefix in prefixes]
        self.check({_moved(k, back): tuple(v.shape) for k, v in module.named_parameters()}, where)
        module.load_state_dict(inside, strict=False)

    def require(self, names: Iterable[str], where: object) -> None:
        """Raise CheckpointError unless the weights that tell the sizes are there; it lists the
        unexpected keys too."""
        if missing := [name for name in names if name not in self.weights]:
            self._refuse(missing, {}, where)

    def check(self, expected: Mapping[str, tuple[int, ...]], where: object) -> None:
        """Raise CheckpointError unless names and shapes are exactly these."""
        missing = [name for name in expected if name not in self.weights]
        surplus = {self.theirs.get(k, k): "" for k in self.weights if k not in expected}
        misshapen = {
            self.theirs.get(k, k): f" (expected {expected[k]}, found {tuple(v.shape)})"
            for k, v in self.weights.items()
            if k in expected and tuple(v.shape) != expected[k]
        }
        if missing or surplus or misshapen or self.unexpected or self.differing:
            self._refuse(missing, surplus, where, misshapen)

    def _refuse(
        self,
        missing: Iterable[str],
        surplus: Iterable[str],
        where: object,
        misshapen: Mapping[str, str] | None = None,
    ) -> NoReturn:
        lists = {
            "missing": [*dict.fromkeys(self.table.their_name(name) for name in missing)],
            "unexpected": [*surplus, *self.unexpected],
            "of another shape": [key + shapes for key, shapes in (misshapen or {}).items()],
            "not the same": self.differing,
        }
        faults = [f"{said} {_listed(keys)}" for said, keys in lists.items() if keys]
        raise CheckpointError(
            f"{where}: does not fit: {'; '.join(faults)}; is it a whole file of this source?"
        )


def rename(state: Mapping[str, Tensor], table: Table) -> Renamed:
    """A foreign state dict under our names."""
    renamed = Renamed(table)
    for key, tensor in state.items():
        taken = key
        if original := _found(table.tied, key, re.Match.expand):
            if original in state:
                if not torch.equal(state[original], tensor):
                    renamed.differing.append(f"{key} and {original}, which it repeats")
                renamed.ignored[key] = f"repeats {original}"
                continue
            taken = original
        if names := _found(table.names, taken, _expand):
            targets: tuple[str, ...] = (names,) if isinstance(names, str) else names
            if len(tensor) % len(targets) or any(name in renamed.weights for name in targets):
                renamed.unexpected.append(key)
                continue
            for name, part in zip(targets, tensor.chunk(len(targets)), strict=True):
                renamed.weights[name] = part.float().contiguous().clone()
                renamed.theirs[name] = key
        elif why := _found(table.ignored, key, lambda _match, reason: reason):
            renamed.ignored[key] = why
        else:
            renamed.unexpected.append(key)
    return renamed


def num_layers(names: Iterable[str], pattern: str) -> int:
    """How many layers some names tell of; the pattern's group is a layer's number, from 0."""
    found = [int(match[1]) for name in names if (match := re.match(pattern, name))]
    return max(found, default=-1) + 1


def _found(rules: Mapping[str, Any], key: str, then: Callable[[re.Match[str], Any], Any]) -> Any:
    for pattern, value in rules.items():
        if match := re.fullmatch(pattern, key):
            return then(match, value)
    return None


def _expand(match: re.Match[str], names: Names) -> Names:
    return match.expand(names) if isinstance(names, str) else tuple(map(match.expand, names))


def _moved(name: str, prefixes: Iterable[tuple[str, str]]) -> str:
    for before, after in prefixes:
        if name.startswith(before):
            return after + name.removeprefix(before)
    return name


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
