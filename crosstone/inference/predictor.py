"""A trained model asked about recordings and words."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.audio import AudioFault
from crosstone.data.batch import Batch, Item, Items, collate
from crosstone.data.item_view import ItemView
from crosstone.data.text import load_tokenizer, shortened, tokenise
from crosstone.errors import CrosstoneError
from crosstone.inference.acceptance import refuse_unmet
from crosstone.inference.calibration import UNSURE, Calibration, Promises
from crosstone.inference.hub import fetched
from crosstone.inference.placement import Precision, device_of, halve
from crosstone.inference.prediction import Prediction, answers_of, kind_of
from crosstone.inference.recogniser import Recogniser
from crosstone.inference.recording import (
    Asked,
    Recording,
    Refusal,
    as_recording,
    given,
    read_recording,
    words_of,
)
from crosstone.inference.windows import Question, answered
from crosstone.models.checkpoint import load_task, model_folder
from crosstone.models.task import TaskModel
from crosstone.models.towers import max_tokens

if TYPE_CHECKING:
    from crosstone.inference.explain import Explanation, Settings
    from crosstone.inference.transcripts import Cue


class Predictor:
    """A task model with its tokenizer, ready to answer for one head.

    calibration: what makes its probabilities believable, where its folder carries it. abstain,
    coverage: what is promised of its answers, as `Promises` says; CrosstoneError where it cannot.
    precision: bf16 rounds the weights of the model that is given, and is faster where the processor
    computes in it.
    """

    def __init__(
        self,
        model: TaskModel,
        tokenizer: Any = None,
        *,
        head: str | None = None,
        name: str = "",
        calibration: Calibration | None = None,
        abstain: float | None = None,
        coverage: float | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.precision = precision
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
        self.promises = Promises(
            calibration, abstain=abstain, coverage=coverage, name=name, head=self.head
        )
        self.max_seconds = min(60.0, model.backbone.max_seconds or 60.0)
        """Longest recording that is taken at once, in seconds."""
        self.hear_seconds = model.config.hear_seconds
        """Of what is longer the model hears only the beginning, as it did in training; so too of a
        segment of a timeline, which keeps its times and its words. Recognisers hear all."""
        if precision == "bf16":
            halve(model)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        head: str | None = None,
        abstain: float | None = None,
        coverage: float | None = None,
        device: str | None = None,
        precision: Precision = "float32",
    ) -> "Predictor":
        """The model of a folder, of the `model/` inside a run folder, or of the hub by its id,
        with the calibration that it carries.

        device: cpu, cuda, cuda:N or mps; None: a CUDA device where there is one, else the CPU.
        """
        place = device_of(device)
        folder = model_folder(fetched(folder))
        model = load_task(folder).to(place)
        reads = model.backbone.text_encoder is not None
        return cls(
            model,
            load_tokenizer(folder) if reads else None,
            head=head,
            name=str(folder),
            calibration=Calibration.read(folder),
            abstain=abstain,
            coverage=coverage,
            precision=precision,
        )

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return torch.device(self.model.device)

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
        question = self.question(given(audio, text, sampling_rate))
        found: Prediction = next(answered([question], self.answers, batch_size=1))
        return found

    def predict_many(
        self,
        inputs: Iterable[Asked | Refusal],
        *,
        batch_size: int = 32,
        recogniser: Recogniser | None = None,
    ) -> Iterator[Prediction | Refusal]:
        """What the model says of each input, in their order, or why it says nothing.

        inputs: recordings, paths, or mappings with `audio`, `text`, `sampling_rate`, `id`, `start`
        and `end`, as many as there are: they are read ahead in windows of bounded size. recogniser:
        hears the words where none are given.
        """
        return answered(self._questions(inputs, recogniser), self.answers, batch_size=batch_size)

    def explain(
        self,
        audio: Path | str | NDArray[Any] | None = None,
        *,
        text: str | None = None,
        cues: "Sequence[Cue]" = (),
        sampling_rate: int | None = None,
        label: str | None = None,
        attention: bool = False,
        settings: "Settings | None" = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> "Explanation":
        """What each word and each stretch of one utterance did to the answer.

        audio, text, sampling_rate: as for `predict`; cues: the words with their times, in the
        place of a text or of the same words. label: the class that is explained, the answer's if
        none. attention: whether the weights between words and time are given too. Raises what
        `predict` raises, and CrosstoneError for a label that the head has not.
        """
        from crosstone.inference.explain import explain

        said = text if text is not None else " ".join(cue.text for cue in cues) or None
        return explain(
            self,
            given(audio, said, sampling_rate),
            label=label,
            cues=cues,
            attention=attention,
            settings=settings,
            progress=progress,
        )

    def __call__(self, inputs: Any, *, batch_size: int = 32, top_k: int | None = None) -> Any:
        """As a pipeline of transformers answers: for each input a list of label and score, the
        most probable first, for one input its list; a value stands as the score of its head. Before
        them stands "unsure" where it abstains, its score 1 less that of the most probable.

        inputs: a path, samples at the model's own rate, or a mapping as for `predict_many`, or a
        list of them. Raises CrosstoneError for the first input that has no answer.
        """
        rate = self.sampling_rate
        listed = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        asked = [
            {"audio": i, "sampling_rate": rate} if isinstance(i, np.ndarray) else i for i in listed
        ]
        found = []
        for answer in self.predict_many(asked, batch_size=batch_size):
            if isinstance(answer, Refusal):
                raise CrosstoneError(answer.reason)
            scores = answer.probabilities or {self.head: answer.value or 0.0}
            ranked = sorted(scores.items(), key=lambda pair: -pair[1])
            if answer.unsure:
                ranked.insert(0, (UNSURE, 1 - ranked[0][1]))
            found.append([{"label": label, "score": score} for label, score in ranked[:top_k]])
        return found if isinstance(inputs, (list, tuple)) else found[0]

    def predict_items(
        self,
        items: Items | ItemView,
        *,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Prediction]:
        """What the model says of a corpus's items, in order of length, and so not of position."""
        order = np.argsort(np.nan_to_num(items.corpus.durations), kind="stable")
        for start in range(0, len(order), batch_size):
            yield from self.answers([items[int(i)] for i in order[start : start + batch_size]])
            if progress is not None:
                progress(min(start + batch_size, len(order)), len(order))

    @property
    def hears(self) -> bool:
        """Whether it takes recordings."""
        return self.model.backbone.audio_encoder is not None

    @property
    def reads(self) -> bool:
        """Whether it takes words."""
        return self.tokenizer is not None

    @property
    def sampling_rate(self) -> int:
        """Of what it hears, in Hz."""
        return int(self.model.backbone.config.sampling_rate)

    def question(self, recording: Recording, recogniser: Recogniser | None = None) -> Question:
        """A recording as it is put to the model.

        Raises AudioError for what cannot be heard, CorpusError for a text that is too long or no
        Unicode, CrosstoneError where the model was not trained to answer from what is given.
        """
        text = words_of(recording)
        source = recording.text_source
        asks = recogniser is not None and self.reads and text is None
        samples = None
        if recording.audio is not None and (self.hears or asks):
            samples = self._samples(recording, None if asks else self.hear_seconds)
            if asks:
                assert recogniser is not None
                text, source = recogniser(samples, self.sampling_rate), "asr"
                if self.hears and self.hear_seconds is not None:
                    samples = samples[: round(self.hear_seconds * self.sampling_rate)]
        item = Item(
            id=recording.id,
            audio=samples if self.hears else None,
            text=self._tokens(recording.id, text) if text and self.reads else None,
        )
        self.accept(has_audio=item.audio is not None, has_text=item.text is not None)
        seconds = 0.0 if samples is None else len(samples) / self.sampling_rate
        start = None if samples is None else recording.start or 0.0
        return Question(
            item,
            seconds=seconds if self.hears else 0.0,
            start=start,
            end=None if start is None else round(start + seconds, 3),
            text=text if item.text is not None else None,
            text_source=source if item.text is not None else None,
        )

    def _questions(
        self, inputs: Iterable[Asked | Refusal], recogniser: Recogniser | None
    ) -> Iterator[Question | Refusal]:
        for number, asked in enumerate(inputs, 1):
            if isinstance(asked, Refusal):
                yield asked
                continue
            identity = f"utterance-{number}"
            try:
                recording = as_recording(asked, number)
                identity = recording.id
                yield self.question(recording, recogniser)
            except CrosstoneError as error:
                yield Refusal(identity, str(error))

    def _samples(self, recording: Recording, hear_seconds: float | None) -> NDArray[np.float32]:
        try:
            return read_recording(
                recording,
                sampling_rate=self.sampling_rate,
                max_seconds=self.max_seconds,
                hear_seconds=hear_seconds,
            )
        except AudioFault as fault:
            if fault.kind != "long" or not isinstance(recording.audio, Path):
                raise
            said = str(fault).removesuffix(" or raise the limit")
            raise AudioFault(
                f"{said}, or ask for its timeline (crosstone predict --segments vad)", fault.kind
            ) from None

    def _tokens(self, identity: str, text: str) -> NDArray[np.int64]:
        limit = max_tokens(self.model.backbone.config.text_config)
        cuts = self.model.config.cut_texts
        (row,) = tokenise(self.tokenizer, [(identity, text)], None if cuts else limit)
        return shortened(row, limit)

    def accept(self, *, has_audio: bool, has_text: bool) -> None:
        """Raise CrosstoneError for a combination of modalities that training never showed."""
        given = kind_of(has_audio, has_text)
        refuse_unmet(given, self.model.config.heard or [], self.name or "model")
        self.promises.check(given)

    @torch.inference_mode()
    def answers(self, items: Sequence[Item]) -> Iterator[Prediction]:
        """What the model says of items side by side, in their order."""
        was_training = self.model.training
        self.model.eval()
        halved = self.precision == "bf16"
        batch = collate(items).to(self.device, torch.float32 if halved else self.model.dtype)
        with torch.autocast(self.device.type, torch.bfloat16) if halved else nullcontext():
            logits = self.model(**batch.inputs()).logits[self.head].cpu().double()
        self.model.train(was_training)
        return iter(self._read(batch, logits))

    def _read(self, batch: Batch, logits: Tensor) -> list[Prediction]:
        heard = batch.audio.mask.any(1).tolist() if batch.audio else [False] * len(batch)
        read = batch.text.mask.any(1).tolist() if batch.text else [False] * len(batch)
        kinds = [kind_of(*has) for has in zip(heard, read, strict=True)]
        return [
            Prediction(
                id=identity,
                used=tuple(filter(None, kind.split("+"))),
                **self.promises.kept(kind, answer),
            )
            for identity, kind, answer in zip(
                batch.ids, kinds, answers_of(logits, self.spec), strict=True
            )
        ]
