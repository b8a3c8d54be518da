"""What a conversion gives, and what the person must say where a file does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from transformers import PreTrainedModel

from crosstone.errors import ConfigError
from crosstone.models.headspec import HeadSpec

HeadKind = Literal["classification", "one_vs_rest", "regression", "speakers"]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A foreign file in our form."""

    result: PreTrainedModel | Mapping[str, Tensor]
    """A task model or an encoder with its weights, or the few tensors of one head."""

    mapped: int
    """How many of the file's tensors were taken."""

    ignored: Mapping[str, str]
    """The file's key → why it was not needed."""

    tokenizer: Any = None
    """That of the model's tokens, where the conversion makes one."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the tensors of a head."""

    notes: tuple[str, ...] = ()
    """What of the result a person should know."""


@dataclass(frozen=True, kw_only=True)
class Companions:
    """What lies beside the file."""

    dictionary: Path | None = None
    """fairseq's dictionary, a symbol and its count a line."""

    tokenizer: Path | str | None = None
    """Folder of the tokenizer: of text, or an imported vq-wav2vec."""


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """What a classifier's weights do not say of it."""

    name: str | None = None
    """By default sentiment for one value, speaker for speakers, emotion for all else."""

    kind: HeadKind | None = None
    """By default regression for one logit, else what the source trains with that many."""

    labels: tuple[str, ...] = ()
    """Class names in the order of the logits; by default the source's, else their numbers."""

    def spec(
        self, num_logits: int, *, bias: bool = True, one_vs_rest: tuple[str, ...] = ()
    ) -> tuple[str, HeadSpec]:
        """Name and spec of a head with that many logits.

        one_vs_rest: the classes of which the source asks one by one. Raises ConfigError where kind
        or labels do not fit the logits.
        """
        asks_each = num_logits == 2 * len(one_vs_rest)
        usual: HeadKind = "one_vs_rest" if asks_each else "classification"
        kind: HeadKind = self.kind or ("regression" if num_logits == 1 else usual)
        if (kind == "regression") != (num_logits == 1):
            raise ConfigError(f"head.kind={kind} does not fit a head of {num_logits} logits")
        if kind == "one_vs_rest" and num_logits % 2:
            raise ConfigError(
                f"head.kind=one_vs_rest expects two logits a class, found {num_logits}"
            )
        count = {"regression": 0, "one_vs_rest": num_logits // 2}.get(kind, num_logits)
        known = one_vs_rest if kind == "one_vs_rest" and asks_each else map(str, range(count))
        labels = self.labels or tuple(known)
        if len(labels) != count:
            raise ConfigError(f"head.labels expects {count} names, found {len(labels)}")
        name = {"regression": "sentiment", "speakers": "speaker"}.get(kind, "emotion")
        return self.name or name, HeadSpec(kind=kind, labels=labels, bias=bias)
