"""From utterances to a batch of tensors."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.cache import Keys, StateStore, token_key
from crosstone.data.codebook import Codes
from crosstone.data.corpus import Corpus
from crosstone.data.recordings import Recordings
from crosstone.data.text import shortened, tokenise
from crosstone.data.utterance import Utterance
from crosstone.data.votes import vote_shares
from crosstone.errors import CorpusError
from crosstone.sequence import Sequence as Padded

IGNORED = -100
"""Class or code of a place that no loss counts; a missing value or share is NaN."""

Encoded = float | tuple[float, ...]
"""A class number, a value, or a share of each class."""


@dataclass(frozen=True)
class Target:
    """What an utterance's label becomes: a class number, a value, or shares of the classes."""

    name: str
    labels: tuple[str, ...] = ()
    """Class names in the order of their numbers; empty for a value."""

    soft: bool = False
    """Whether the raters' votes say how much of an utterance is of each class."""

    def encode(self, utterance: Utterance) -> Encoded:
        """Class number or value, IGNORED or NaN where there is none.

        A soft target is the distribution of the votes, of the label alone where none was cast for a
        class, NaN where there is no label either. Raises CorpusError for a label nobody knows or a
        value that is no number.
        """
        if not self.soft:
            return self._hard(utterance)
        shares = vote_shares(utterance.votes.get(self.name, {}), self.labels)
        if shares is not None:
            return shares
        known = self._hard(utterance)
        if known == IGNORED:
            return (float("nan"),) * len(self.labels)
        return tuple(float(number == known) for number in range(len(self.labels)))

    def _hard(self, utterance: Utterance) -> float:
        label = utterance.labels.get(self.name)
        if label is None:
            return IGNORED if self.labels else float("nan")
        if self.labels:
            if str(label) not in self.labels:
                raise CorpusError(
                    f"{utterance.id}: label {self.name}={label!r} is not known, expected one of "
                    f"{', '.join(self.labels)}; correct it or list it in protocol.labels"
                )
            return self.labels.index(str(label))
        try:
            return float(label)
        except ValueError as error:
            raise CorpusError(
                f"{utterance.id}: expected a number as {self.name}, found {label!r}"
            ) from error


@dataclass(frozen=True)
class Item:
    """One utterance, ready to be batched."""

    id: str
    audio: NDArray[np.floating[Any]] | None
    text: NDArray[np.int64] | None
    targets: Mapping[str, Encoded] = field(default_factory=dict)
    codes: NDArray[np.int64] | None = None
    text_states: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True)
class Batch:
    """Items side by side; either modality may be absent, in some items or in all."""

    ids: tuple[str, ...]
    audio: Padded | None
    """Waveforms (B, N), or the states (B, T, D) of a speech encoder that heard them before."""

    text: Padded | None
    """Token ids (B, T)."""

    targets: Mapping[str, Tensor]
    """By target name, class numbers int64 or values float32, (B,), or shares float32, (B, C)."""

    codes: Tensor | None = None
    """Codeword of each frame, (B, T), IGNORED where there is none."""

    corruption: Mapping[str, Any] = field(default_factory=dict)
    """What is masked and by what, a nn.masking.Corruption by modality."""

    text_states: Padded | None = None
    """States (B, T, D) of a text encoder that read the ids before; the model takes them instead."""

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "Batch":
        """The same on another device; waveforms, states and values also in another float type.

        Without dtype, states that were kept in fewer bits become float32.
        """
        wide = dtype or torch.float32
        return dataclasses.replace(
            self,
            audio=self.audio.to(device, wide) if self.audio else None,
            text=self.text.to(device) if self.text else None,
            text_states=self.text_states.to(device, wide) if self.text_states else None,
            targets={
                name: target.to(device, dtype if target.is_floating_point() else None)
                for name, target in self.targets.items()
            },
            codes=self.codes.to(device) if self.codes is not None else None,
            corruption={name: c.to(device) for name, c in self.corruption.items()},
        )

    def inputs(self) -> dict[str, Any]:
        """The arguments of a task model's forward."""
        inputs: dict[str, Any] = {}
        for name, sequence in (("audio", self.audio), ("text", self.text_states or self.text)):
            if sequence is not None:
                inputs[name], inputs[f"{name}_mask"] = sequence.values, sequence.mask
        for name, corruption in self.corruption.items():
            inputs[f"{name}_corruption"] = corruption
        return inputs


def collate(items: Sequence[Item]) -> Batch:
    """Items padded at the end to the longest of the batch."""
    audio = [item.audio for item in items]
    text = [item.text for item in items]
    codes = [item.codes for item in items]
    targets = {
        name: torch.tensor([item.targets[name] for item in items]) for name in items[0].targets
    }
    return Batch(
        ids=tuple(item.id for item in items),
        audio=_padded(audio),
        text=_padded(text),
        text_states=_padded([item.text_states for item in items]),
        targets=targets,
        codes=(
            Padded.pad(
                [torch.from_numpy(c if c is not None else np.zeros(0, np.int64)) for c in codes],
                IGNORED,
            ).values
            if any(c is not None for c in codes)
            else None
        ),
    )


def _padded(rows: Sequence[NDArray[Any] | None]) -> Padded | None:
    none = next((row[:0] for row in rows if row is not None), None)
    if none is None:
        return None
    return Padded.pad([torch.from_numpy(none if row is None else row) for row in rows])


class Items:
    """The utterances of a corpus as items, by position; texts are tokenised once, at the start.

    Decoded audio is kept while it fits into cache_mib. `states`, by modality, are what an encoder
    made of the recordings or texts before; recordings are found there by `sounds`, (N,), what tells
    their samples. Raises CorpusError at the start for a text too long, for a label nobody knows and
    for states that are not there, AudioError at the access of a recording that cannot be read.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        tokenizer: Any = None,
        max_tokens: int = 512,
        hears: bool = True,
        sampling_rate: int = 16_000,
        max_seconds: float = 60.0,
        hear_seconds: float | None = None,
        cut_texts: bool = False,
        targets: Sequence[Target] = (),
        codes: Codes | None = None,
        cache_mib: int = 1024,
        states: Mapping[str, StateStore] | None = None,
        sounds: Keys | None = None,
    ) -> None:
        self.corpus = corpus
        self.hears, self.max_seconds, self.hear_seconds = hears, max_seconds, hear_seconds
        self.codes = codes
        self.recordings = Recordings(
            corpus,
            sampling_rate=sampling_rate,
            max_seconds=max_seconds,
            hear_seconds=hear_seconds,
            cache_mib=cache_mib,
        )
        texts: list[tuple[str, str]] = []
        self._text_of: dict[int, int] = {}
        self._targets: list[dict[str, Encoded]] = []
        for i, utterance in enumerate(corpus):
            if tokenizer is not None and utterance.text:
                self._text_of[i] = len(texts)
                texts.append((utterance.id, utterance.text))
            self._targets.append({t.name: t.encode(utterance) for t in targets})
        unusable = [
            u.id
            for i, u in enumerate(corpus)
            if not (hears and u.audio is not None) and i not in self._text_of
        ]
        if unusable:
            takes = " or ".join(n for n, t in (("audio", hears), ("text", tokenizer)) if t)
            raise CorpusError(
                f"{corpus.name}: {len(unusable)} of {len(corpus)} utterances have no {takes}, "
                f"all that this model takes (first: {', '.join(unusable[:5])}); leave them out or "
                "choose a family that takes what they have"
            )
        rows = tokenise(tokenizer, texts, None if cut_texts else max_tokens)
        self._num_cut_texts = sum(len(row) > max_tokens for row in rows)
        self._texts = [shortened(row, max_tokens) for row in rows]
        self._refuse_too_long()
        self.lengths = self._lengths()
        """What an item costs: seconds where it is heard, else tokens, (N,)."""
        self._states = dict(states or {})
        self._keys = {"text": self._token_keys()}
        if sounds is not None:
            heard = np.array([u.audio is not None for u in corpus], bool)
            self._keys["audio"] = np.where(heard & hears, sounds, 0)
        self._refuse_missing()

    def _refuse_too_long(self) -> None:
        heard = self._heard_seconds() if self.hears else np.zeros(0)
        long = [self.corpus.ids[int(i)] for i in np.flatnonzero(heard > self.max_seconds)]
        if long:
            raise CorpusError(
                f"{self.corpus.name}: expected recordings of at most {self.max_seconds:g} s, which "
                f"is what this model takes, found {len(long)} longer ({', '.join(long[:5])}"
                f"{' …' if len(long) > 5 else ''}); split them, or hear only their beginning with "
                f"data.hear_seconds={self.max_seconds:g}"
            )

    def _token_keys(self) -> Keys:
        keys = np.zeros(len(self), np.int64)
        for i in self._text_of:
            keys[i] = token_key(self.tokens(i))
        return keys

    def keys(self, modality: str) -> Keys:
        """(N,) what tells each item's samples or tokens from others; 0 where it has none."""
        return self._keys[modality]

    def lacking(self, states: Mapping[str, StateStore]) -> dict[str, str]:
        """By modality, how many of the items' recordings or texts have no states, in words."""
        found = {}
        for modality, what in (("audio", "recordings"), ("text", "texts")):
            if (store := states.get(modality)) is not None:
                there = self._keys[modality] != 0
                missing = int((there & ~store.holds(self._keys[modality])).sum())
                if missing:
                    found[modality] = f"{missing} of {int(there.sum())} {what}"
        return found

    def reading(self, states: Mapping[str, StateStore]) -> "Items":
        """The same items with what an encoder made before, by modality, in the place of what it
        takes; raises CorpusError where some of it is not there."""
        items = copy.copy(self)
        items._states = dict(states)
        items._refuse_missing()
        return items

    def _refuse_missing(self) -> None:
        if counts := self.lacking(self._states):
            folder = next(iter(self._states.values())).folder.parent
            raise CorpusError(
                f"{self.corpus.name}: {folder} lacks the states of {' and '.join(counts.values())};"
                " make them with `crosstone cache` and this recipe's name and overrides, or train "
                "with data.encoder_cache=null"
            )

    def _heard_seconds(self) -> NDArray[np.float32]:
        seconds: NDArray[np.float32] = np.nan_to_num(self.corpus.durations)
        return seconds if self.hear_seconds is None else np.minimum(seconds, self.hear_seconds)

    @property
    def num_cut(self) -> dict[str, int]:
        """How many recordings and texts lost their end."""
        durations = np.nan_to_num(self.corpus.durations)
        limit = self.hear_seconds if self.hears and self.hear_seconds is not None else np.inf
        return {"recordings": int((durations > limit).sum()), "texts": self._num_cut_texts}

    def _lengths(self) -> NDArray[np.float32]:
        if self.hears:
            return self._heard_seconds()
        tokens = [
            len(self._texts[self._text_of[i]]) if i in self._text_of else 0
            for i in range(len(self))
        ]
        return np.array(tokens, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.corpus)

    def has_text(self, i: int) -> bool:
        """Whether item i has a transcript that the tokenizer read."""
        return i in self._text_of

    def tokens(self, i: int) -> NDArray[np.int64]:
        """Token ids of item i, which has a text."""
        return self._texts[self._text_of[i]]

    def __getitem__(self, i: int) -> Item:
        utterance = self.corpus[i]
        return Item(
            id=utterance.id,
            audio=self._audio(i) if self.hears and utterance.audio else None,
            text=self.tokens(i) if i in self._text_of else None,
            targets=self._targets[i],
            codes=(
                self.codes[int(self.corpus.base_indices[i])]
                if self.codes is not None and utterance.audio
                else None
            ),
            text_states=self._kept("text", i) if i in self._text_of else None,
        )

    def _kept(self, modality: str, i: int) -> NDArray[np.floating[Any]] | None:
        store = self._states.get(modality)
        return None if store is None else store[int(self._keys[modality][i])]

    def _audio(self, i: int) -> NDArray[np.floating[Any]]:
        states = self._kept("audio", i)
        return self.recordings[i] if states is None else states
