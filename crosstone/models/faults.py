"""What is wrong with a model folder, in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils import logging

from crosstone.errors import CheckpointError


def unusable(folder: Path, reason: str) -> CheckpointError:
    """That a folder's config.json is no config of a task model."""
    return CheckpointError(
        f"{folder}: config.json cannot be used: {reason}; take it again from where the model is "
        "from"
    )


def said(error: BaseException) -> str:
    """What another library says of a fault, on one line of bounded length."""
    sentence = " ".join(str(error).split()).rstrip(".")
    return sentence if len(sentence) <= 300 else f"{sentence[:300]}…"


def by_prefix(keys: list[str]) -> str:
    """Names of weights, each with what is wrong of it, by their first three parts."""
    groups: dict[str, int] = {}
    for key in sorted(keys):
        prefix = ".".join(key.split(".")[:3])
        groups[prefix] = groups.get(prefix, 0) + 1
    shown = [f"{prefix}… ({count})" for prefix, count in list(groups.items())[:8]]
    return ", ".join(shown) + (f" and {len(groups) - 8} more" if len(groups) > 8 else "")


@contextmanager
def quietly() -> Iterator[None]:
    """transformers says nothing but errors meanwhile."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
