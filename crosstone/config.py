"""YAML into frozen dataclasses: `extends`, dotted overrides, and exact messages.

PyYAML reads `1e-5` as a string and keeps the last of two equal keys; here values are cast by the
declared type and a repeated key is an error.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from crosstone.errors import ConfigError

T = TypeVar("T")
Lay = typing.Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
"""Two trees as one, the second over the first."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """SafeLoader (the ten times faster one in C, where it is) that refuses a key given twice."""


def _mapping_once(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if key in seen:
            raise ConfigError(
                f"{key_node.start_mark.name}: key '{key}' stands on line {seen[key]} and again on "
                f"line {line}; keep one"
            )
        seen[key] = line
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_once)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a YAML file holds.

    Raises ConfigError where the file is missing, is no YAML, or holds something else.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            tree = yaml.load(stream, _Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(tree).__name__}")
    return tree


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees as one: mappings are merged key by key, anything else of `over` replaces."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged


def resolve_extends(
    path: Path, find: typing.Callable[[str, Path], Path], lay: Lay = merge
) -> dict[str, Any]:
    """The mapping of a file laid over those that its `extends` names, the first named lowest.

    find(name, relative_to) turns a name into a path. Raises ConfigError on a circle.
    """
    return _extended(path, find, lay, ())


def _extended(
    path: Path, find: typing.Callable[[str, Path], Path], lay: Lay, trail: tuple[Path, ...]
) -> dict[str, Any]:
    if path in trail:
        chain = " → ".join(p.name for p in (*trail, path))
        raise ConfigError(f"{path}: 'extends' runs in a circle: {chain}")
    tree = read_yaml(path)
    parents = tree.pop("extends", [])
    merged: dict[str, Any] = {}
    for name in [parents] if isinstance(parents, str) else parents:
        below = _extended(find(str(name), path.parent), find, lay, (*trail, path))
        merged = lay(merged, below)
    return lay(merged, tree)


def apply_overrides(
    tree: Mapping[str, Any], overrides: Sequence[str], lay: Lay = merge
) -> dict[str, Any]:
    """A tree with dotted overrides (`optim.lr=3e-5`) laid over it; values are read as YAML."""
    merged = dict(tree)
    for override in overrides:
        dotted, sign, text = override.partition("=")
        if not sign or not dotted:
            raise ConfigError(f"override '{override}': expected key=value, as in optim.lr=3e-5")
        try:
            value: Any = yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"override '{override}': the value is not valid YAML ({error})"
            ) from error
        for key in reversed(dotted.split(".")):
            value = {key: value}
        merged = lay(merged, value)
    return merged


def build(cls: type[T], tree: Mapping[str, Any], where: str) -> T:
    """A frozen dataclass from a tree, every value cast by its declared type.

    Raises ConfigError that lists every fault (unknown key with the nearest known one, missing key,
    value of another type) with its dotted place.
    """
    faults: list[str] = []
    value = _build(cls, tree, "", faults)
    if faults:
        raise ConfigError(f"{where}: " + "; ".join(faults))
    return typing.cast(T, value)


def _build(cls: type, tree: Any, at: str, faults: list[str]) -> Any:
    if not isinstance(tree, Mapping):
        faults.append(f"{at or 'top'}: expected keys, found {tree!r}")
        return None
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    dot = f"{at}." if at else ""
    for key in tree:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            hint = f", did you mean '{near[0]}'?" if near else f" (known: {', '.join(fields)})"
            faults.append(f"unknown key '{dot}{key}'{hint}")
    values = {}
    before = len(faults)
    for name, field in fields.items():
        if name in tree:
            values[name] = _cast(hints[name], tree[name], f"{dot}{name}", faults)
        elif field.default is field.default_factory is dataclasses.MISSING:
            faults.append(f"'{dot}{name}' is missing ({_named(hints[name])})")
    if len(faults) > before:
        return None
    try:
        return cls(**values)
    except ConfigError as error:
        faults.append(f"{dot[:-1] or 'top'}: {error}")
        return None


def _cast(hint: Any, value: Any, at: str, faults: list[str]) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        trials: list[tuple[Any, list[str]]] = []
        for option in (a for a in arguments if a is not type(None)):
            trial: list[str] = []
            trials.append((_cast(option, value, at, trial), trial))
            if not trial:
                return trials[-1][0]
        if len(trials) == 1:
            faults.extend(trials[0][1])
        else:
            faults.append(f"'{at}' expects {_named(hint)}, found {value!r}")
        return None
    if origin is Literal:
        if value not in arguments:
            faults.append(
                f"'{at}' expects one of {', '.join(map(str, arguments))}, found {value!r}"
            )
        return value
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, at, faults)
    if origin in (tuple, list):
        return _cast_items(hint, arguments, value, at, faults)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            faults.append(f"'{at}' expects keys, found {value!r}")
            return None
        return {str(k): _cast(arguments[1], v, f"{at}.{k}", faults) for k, v in value.items()}
    return _cast_scalar(hint, value, at, faults)


def _cast_items(hint: Any, arguments: Any, value: Any, at: str, faults: list[str]) -> Any:
    if not isinstance(value, (list, tuple)):
        faults.append(f"'{at}' expects a list, found {value!r}")
        return None
    open_ended = get_origin(hint) is list or (len(arguments) == 2 and arguments[1] is Ellipsis)
    if not open_ended and len(arguments) != len(value):
        faults.append(f"'{at}' expects {len(arguments)} values, found {len(value)}")
        return None
    of = [arguments[0]] * len(value) if open_ended else arguments
    pairs = zip(of, value, strict=True)
    items = [_cast(kind, v, f"{at}[{i}]", faults) for i, (kind, v) in enumerate(pairs)]
    return items if get_origin(hint) is list else tuple(items)


def _cast_scalar(hint: Any, value: Any, at: str, faults: list[str]) -> Any:
    if hint is Any:
        return value
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint is bool or isinstance(value, bool):
        if hint is bool and isinstance(value, bool):
            return value
    elif hint is str and isinstance(value, (str, int, float)):
        return str(value)
    elif hint in (int, float) and isinstance(value, (str, int, float)):
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if hint is float and (number == number or str(value).lower() in ("nan", ".nan")):
            return number
        if hint is int and number == number and number.is_integer():
            return int(number)
    elif isinstance(hint, type) and isinstance(value, hint):
        return value
    faults.append(f"'{at}' expects {_named(hint)}, found {value!r}")
    return None


def _named(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join("null" if a is type(None) else _named(a) for a in arguments)
    if origin is None:
        return getattr(hint, "__name__", str(hint))
    return str(hint)


def to_tree(value: Any) -> Any:
    """Plain dicts, lists and scalars of a dataclass, as YAML and JSON can hold them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_tree(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_tree(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_tree(v) for v in value]
    return value.as_posix() if isinstance(value, Path) else value
