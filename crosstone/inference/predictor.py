"""A trained model asked about recordings and words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.audio import read_audio
from crosstone.data.batch import Batch, Item, Items, collate
from crosstone.data.text import load_tokenizer, shortened, tokenise
from crosstone.errors import AudioError, CrosstoneError
from crosstone.models.task import TaskModel, load_task, model_folder
from crosstone.models.towers import max_tokens


@dataclass(frozen=True)
class Prediction:
    """What a model says of one utterance."""

    id: str
    used: tuple[str, ...]
    """The modalities it had: audio, text or both."""

    probabilities: dict[str, float] | None = None
    """By class, summing to one; None for a value."""

    heads: dict[str, float] | None = None
    """By class, that it is of that class and not of the rest, where each class has such a two-way
    head of its own; None where it has not."""

    value: float | None = None
    """The score, on the training labels' scale; None for classes."""

    @property
    def label(self) -> str | None:
        """The most probable class; None for a value."""
        if self.probabilities is None:
            return None
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, without what does not apply."""
        answer: dict[str, Any] = {"id": self.id, "used": list(self.used)}
        if self.probabilities is not None:
            answer |= {"label": self.label, "probabilities": self.probabilities}
            return answer | ({"heads": self.heads} if self.heads is not None else {})
        return {**answer, "value": self.value}


class Predictor:
    """A task model with its tokenizer, ready to answer for one head."""

    def __init__(
        self, model: TaskModel, tokenizer: Any = None, *, head: str | None = None, name: str = ""
    ) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        answering = [
            n
            for n, spec in model.specs.items()
            if spec.kind in ("classification", "one_vs_rest", "regression")
        ]
        if not answering and model.head_of("speakers"):
            raise CrosstoneError(
                f"{name or 'model'}: tells speakers apart and has no answer for one recording; ask "
                "it about the trials of a corpus (crosstone evaluate)"
            )
        if not answering or (head is not None and head not in answering):
            raise CrosstoneError(
                f"{name or 'model'}: expected a head {head or 'for classes or a value'}, found "
                f"{', '.join(answering or model.specs) or 'none'}; fine-tune it first "
                "(crosstone finetune)"
            )
        self.head = head or answering[0]
        self.spec = model.specs[self.head]
        self.max_seconds = min(60.0, model.backbone.max_seconds or 60.0)
        """Longest recording that is taken at once, in seconds."""

    @classmethod
    def load(cls, folder: Path | str, *, head: str | None = None) -> "Predictor":
        """The model of a folder, or of the `model/` inside a run folder."""
        folder = model_folder(Path(folder))
        model = load_task(folder)
        reads = model.backbone.text_encoder is not None
        return cls(model, load_tokenizer(folder) if reads else None, head=head, name=str(folder))

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        device: torch.device = self.model.device
        return device

    def predict(
        self,
        audio: Path | str | NDArray[Any] | None = None,
        *,
        text: str | None = None,
        sampling_rate: int | None = None,
    ) -> Prediction:
        """What the model says of one utterance.

        audio: a file, or mono samples in [-1, 1] with their sampling_rate; text: what is said.
        Raises AudioError for what cannot be heard, CrosstoneError where the model was not trained
        to answer from what is given.
        """
        identity = Path(audio).name if isinstance(audio, (str, Path)) else "utterance"
        text = text.strip() if text else None
        hears = self.model.backbone.audio_encoder is not None
        item = Item(
            id=identity,
            audio=self._samples(audio, sampling_rate) if audio is not None and hears else None,
            text=self._tokens(identity, text) if text and self.tokenizer is not None else None,
        )
        self._accept(item)
        return next(self._answers([item]))

    def predict_items(
        self,
        items: Items,
        *,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Prediction]:
        """What the model says of a corpus's items, in order of length, and so not of position."""
        order = np.argsort(np.nan_to_num(items.corpus.durations), kind="stable")
        for start in range(0, len(order), batch_size):
            yield from self._answers([items[int(i)] for i in order[start : start + batch_size]])
            if progress is not None:
                progress(min(start + batch_size, len(order)), len(order))

    def _samples(
        self, audio: Path | str | NDArray[Any], sampling_rate: int | None
    ) -> NDArray[np.float32]:
        wanted = self.model.backbone.config.sampling_rate
        if isinstance(audio, (str, Path)):
            return read_audio(Path(audio), sampling_rate=wanted, max_seconds=self.max_seconds)
        samples = np.asarray(audio, dtype=np.float32)
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise AudioError(
                f"samples: expected finite mono samples of shape (N,), found shape {samples.shape}"
                f"{'' if np.isfinite(samples).all() else ' with NaN or infinity'}"
            )
        if sampling_rate is None:
            raise AudioError("samples: expected their sampling_rate in Hz, found none; give it")
        seconds = len(samples) / sampling_rate
        if seconds > self.max_seconds:
            raise AudioError(
                f"samples: expected at most {self.max_seconds:g} s, found {seconds:.1f} s; cut the "
                "recording into utterances"
            )
        if sampling_rate == wanted:
            return samples
        resampled: NDArray[np.float32] = soxr.resample(samples, sampling_rate, wanted)
        return resampled

    def _tokens(self, identity: str, text: str) -> NDArray[np.int64]:
        limit = max_tokens(self.model.backbone.config.text_config)
        cuts = self.model.config.cut_texts
        (row,) = tokenise(self.tokenizer, [(identity, text)], None if cuts else limit)
        return shortened(row, limit)

    def _accept(self, item: Item) -> None:
        """Refuse a combination of modalities that training never showed."""
        given = _kind(item.audio is not None, item.text is not None)
        heard = self.model.config.heard or []
        if given in heard:
            return
        missing = "a transcript (--text)" if given == "audio" else "a recording"
        if not given:
            missing = " and ".join(self.model.backbone.modalities)
        raise CrosstoneError(
            f"{self.name or 'model'}: expected {' or '.join(heard) or 'a trained model'}, found "
            f"{given or 'nothing it can use'}: never trained without the rest, so its answer "
            f"would mean nothing; add {missing} or fine-tune one for {given or 'what you have'}"
        )

    @torch.inference_mode()
    def _answers(self, items: Sequence[Item]) -> Iterator[Prediction]:
        was_training = self.model.training
        self.model.eval()
        parameter = next(self.model.parameters())
        batch = collate(items).to(parameter.device, parameter.dtype)
        logits = self.model(**batch.inputs()).logits[self.head].double().cpu()
        self.model.train(was_training)
        return iter(self._read(batch, logits))

    def _read(self, batch: Batch, logits: Tensor) -> list[Prediction]:
        heard = batch.audio.mask.any(1).tolist() if batch.audio else [False] * len(batch)
        read = batch.text.mask.any(1).tolist() if batch.text else [False] * len(batch)
        return [
            Prediction(
                id=identity,
                used=tuple(filter(None, _kind(has_audio, has_text).split("+"))),
                **answer,
            )
            for identity, has_audio, has_text, answer in zip(
                batch.ids, heard, read, self._answers_of(logits), strict=True
            )
        ]

    def _answers_of(self, logits: Tensor) -> list[dict[str, Any]]:
        """Fields of each prediction.

        Of two-way heads, probabilities over the classes are the softmax of the log odds that it is
        of each: the head that says so loudest is the label.
        """
        labels = self.spec.labels
        if not labels:
            return [{"value": value} for value in logits.tolist()]
        is_each = self.spec.kind == "one_vs_rest"
        if is_each:
            pairs = logits.reshape(len(logits), -1, 2)
            logits = pairs[..., 1] - pairs[..., 0]
        answers = [
            {"probabilities": dict(zip(labels, row, strict=True))}
            for row in logits.softmax(-1).tolist()
        ]
        if is_each:
            for answer, row in zip(answers, logits.sigmoid().tolist(), strict=True):
                answer["heads"] = dict(zip(labels, row, strict=True))
        return answers


def kinds_of(items: Items) -> list[str]:
    """The kinds of utterance in a training set, as TaskConfig.heard records them."""
    kinds = set()
    for i, utterance in enumerate(items.corpus):
        kinds.add(_kind(items.hears and utterance.audio is not None, items.has_text(i)))
    return sorted(kinds - {""})


def _kind(has_audio: bool, has_text: bool) -> str:
    return "+".join(n for n, has in (("audio", has_audio), ("text", has_text)) if has)
