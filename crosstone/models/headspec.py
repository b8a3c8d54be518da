"""What a head is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn

POOLED = ("classification", "one_vs_rest", "regression", "speakers")
"""Kinds of head that answer from the pooled vector."""

Kind = Literal[
    "classification", "one_vs_rest", "regression", "speakers", "tokens", "codes", "frames"
]
HEAD_KINDS = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """One head of a task model."""

    kind: Kind
    """Classes or a value from the pooled vector, or for each class a two-way answer of its own; the
    speakers of training, whom only training asks for, so that the pooled vector tells others apart;
    tokens, codewords or features of masked places from the states."""

    labels: tuple[str, ...] = ()
    """Class names, in the order of the logits (classification, one_vs_rest, speakers)."""

    bias: bool = True
    """Whether the linear layer over the pooled vector has one (classification, one_vs_rest,
    regression, speakers)."""

    num_codes: int = 0
    """Codewords of the codebook (codes)."""

    codebook: str = ""
    """Hash of that codebook (codes)."""

    style: Literal["untied", "tied"] = "untied"
    """One linear layer, or RoBERTa's head over the encoder's own embeddings (tokens)."""

    projection: int = 256
    """Width in which codewords are compared (codes); 256 in HuBERT base, 768 in large."""

    temperature: float = 0.1
    """Divides the cosine (codes); HuBERT's 0.1."""

    norm_eps: float = 1e-5
    """Of the layer norm (tied tokens, frames)."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "HeadSpec":
        """The head of a config's fields, where a tuple may stand as a list."""
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
        }
        return cls(**given)


def module_name(head: str) -> str:
    """A head's name where a module may bear it, else one made of it (`type`, `my.label`)."""
    if head.isidentifier() and not hasattr(nn.ModuleDict, head):
        return head
    return "head_" + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in head)
