"""An answer taken apart: by occlusion, by integrated gradients, by modality, beside attention."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.batch import Item
from crosstone.inference.explain.attention import attention_of, frame_mask
from crosstone.inference.explain.explanation import (
    Completeness,
    Explanation,
    ModalityEffect,
    Randomised,
    Settings,
    StretchEffect,
    WordEffect,
)
from crosstone.inference.explain.gradients import (
    MOST_STEPS,
    NODES,
    TOLERANCE,
    Gradients,
    integrated_gradients,
)
from crosstone.inference.explain.occlusion import (
    FALL_DB,
    FLAT_HERTZ,
    Occluder,
    Without,
    knows_mask_token,
    losses,
)
from crosstone.inference.explain.parts import Parts, edges_of, words_in
from crosstone.inference.explain.quantity import (
    Floats,
    Quantity,
    ask,
    batch_size_of,
    quantity_of,
)
from crosstone.inference.explain.randomised import rank_correlation, shuffled
from crosstone.inference.explain.words import Word, mask_token_of, token_mask
from crosstone.inference.placement import refuse_rounded
from crosstone.inference.recording import Recording
from crosstone.inference.transcripts import Cue
from crosstone.inference.windows import answered
from crosstone.models.task import TaskModel

if TYPE_CHECKING:
    from crosstone.inference.prediction import Prediction
    from crosstone.inference.predictor import Predictor

Progress = Callable[[str, int, int], None]


def explain(
    predictor: "Predictor",
    recording: Recording,
    *,
    label: str | None = None,
    cues: Sequence[Cue] = (),
    attention: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """What each word and each stretch of one recording did to the score of a label; if none, of the
    most probable one in the answer, whether or not it is unsure of it.

    cues: the words of the recording with their times. Raises what `Predictor.question` raises, and
    CrosstoneError for a label that the head has not, for cues that say other words, or for a model
    that does not compute in float32.
    """
    refuse_rounded(predictor.precision, "explain")
    settings = settings or Settings()
    question = predictor.question(recording)
    item, model = question.item, predictor.model
    given: Prediction = next(answered([question], predictor.answers, batch_size=1))
    shown = given.probabilities
    quantity = quantity_of(
        predictor.head,
        predictor.spec,
        answer=max(shown, key=shown.__getitem__) if shown else None,
        label=label,
        scale=settings.scale,
    )
    words = words_in(predictor.tokenizer, item, question.text, cues)
    edges = edges_of(item, predictor.sampling_rate, settings.window)
    task = _Task(predictor, item, quantity, words, edges, settings, progress)
    was_training = model.training
    model.eval()
    try:
        return task.explained(given, recording.id, with_attention=attention)
    finally:
        model.train(was_training)


class _Task:
    """One item, cut into words and stretches, and the models it is put to."""

    def __init__(
        self,
        predictor: "Predictor",
        item: Item,
        quantity: Quantity,
        words: list[Word],
        edges: NDArray[np.int64],
        settings: Settings,
        progress: Progress | None,
    ) -> None:
        self.predictor, self.item, self.quantity = predictor, item, quantity
        self.words, self.edges, self.settings = words, edges, settings
        self.progress = progress
        self.rate = predictor.sampling_rate
        self.size = batch_size_of(item, self.rate)
        self.num_stretches = len(edges) - 1
        self.tokens = token_mask(words, 0 if item.text is None else len(item.text))
        self.mask_token = mask_token_of(predictor.tokenizer)
        knows = knows_mask_token(predictor.model)
        self.without: Without = settings.words or ("mask" if knows else "leave-out")
        self.occluder = Occluder(
            item,
            tokens=self.tokens,
            edges=edges,
            sampling_rate=self.rate,
            words=self.without,
            mask_token=self.mask_token[0],
            fill=settings.fill,
            draws=settings.draws,
            seed=settings.seed,
        )
        self.num_draws = len(self.occluder.fills)

    def explained(self, given: "Prediction", identity: str, *, with_attention: bool) -> Explanation:
        """The answer of the predictor's own model, and of others with shuffled weights."""
        model, quantity = self.predictor.model, self.quantity
        whole = ask(model, quantity, [self.item], 1)
        parts = self._parts(model, "occlusion")
        both = self.item.audio is not None and self.item.text is not None
        return Explanation(
            id=identity,
            model=self.predictor.name,
            head=self.predictor.head,
            used=given.used,
            answer=given.as_dict(),
            label=quantity.label,
            quantity=quantity.said,
            score=float(whole.score[0]),
            probability=None if whole.probability is None else float(whole.probability[0]),
            text=given.text,
            seconds=None if self.item.audio is None else len(self.item.audio) / self.rate,
            words=tuple(self._word_effects(parts)),
            stretches=tuple(self._stretch_effects(parts)),
            modalities=self._modalities(float(whole.score[0]), parts) if both else (),
            completeness=_completeness(parts.gradients),
            attention=tuple(
                attention_of(model, self.item, self.tokens, self.num_stretches)
                if with_attention and both
                else ()
            ),
            randomised=self._randomised(parts),
            settings=self._said(),
            samples=self.item.audio,
            sampling_rate=self.rate,
        )

    def _parts(self, model: TaskModel, title: str) -> Parts:
        """What words and stretches did to the answer of a model in eval mode."""
        whole = float(ask(model, self.quantity, [self.item], 1).score[0])
        eye_words = np.eye(len(self.words), dtype=bool)
        eye_stretches = np.eye(self.num_stretches, dtype=bool)
        done = self._counting(title, len(self.words) + self.num_stretches * self.num_draws)
        words = losses(
            model,
            self.quantity,
            whole,
            map(self.occluder.without_words, eye_words),
            size=self.size,
            done=done,
        )
        stretches = losses(
            model,
            self.quantity,
            whole,
            (
                self.occluder.without_stretches(row, draw)
                for row in eye_stretches
                for draw in range(self.num_draws)
            ),
            draws=max(1, self.num_draws),
            size=self.size,
            done=done,
        )
        gradients = integrated_gradients(
            model,
            self.quantity,
            self.item,
            self.tokens.sum(0) > 0,
            sampling_rate=self.rate,
            steps=self.settings.steps,
            most_steps=MOST_STEPS if model is self.predictor.model else self.settings.steps,
        )
        frames = len(gradients.frames)
        by_stretch = (
            frame_mask(frames, self.num_stretches) @ gradients.frames
            if frames
            else np.zeros(self.num_stretches)
        )
        by_word = self.tokens @ gradients.tokens if len(self.words) else np.zeros(0)
        return Parts(words, stretches, gradients, by_word, by_stretch)

    def _modalities(self, whole: float, parts: Parts) -> tuple[ModalityEffect, ...]:
        heard = self.predictor.model.config.heard or []
        rows = []
        for modality, other, gradients in (
            ("text", "audio", parts.word_gradients),
            ("audio", "text", parts.stretch_gradients),
        ):
            is_optional = other in heard
            without = self.occluder.without(modality, is_optional=is_optional)
            lost = losses(self.predictor.model, self.quantity, whole, [without], size=1)
            answer = next(self.predictor.answers([without]))
            rows.append((modality, is_optional, lost, answer.label, float(gradients.sum())))
        total = sum(abs(float(lost.effect[0])) for _, _, lost, _, _ in rows)
        return tuple(
            ModalityEffect(
                modality=modality,
                how="absent" if is_optional else "neutral",
                loss=float(lost.effect[0]),
                share=abs(float(lost.effect[0])) / total if total else None,
                probability=None if lost.probability is None else float(lost.probability[0]),
                label=label,
                gradients=gradients,
            )
            for modality, is_optional, lost, label, gradients in rows
        )

    def _word_effects(self, parts: Parts) -> list[WordEffect]:
        shares = _or_none(parts.words.probability, len(self.words))
        return [
            WordEffect(
                word=word.text,
                start=None if word.time is None else word.time[0],
                end=None if word.time is None else word.time[1],
                is_read=bool(word.tokens),
                occlusion=float(lost),
                probability=share,
                gradients=float(gradient),
            )
            for word, lost, share, gradient in zip(
                self.words, parts.words.effect, shares, parts.word_gradients, strict=True
            )
        ]

    def _stretch_effects(self, parts: Parts) -> list[StretchEffect]:
        lost = parts.stretches
        return [
            StretchEffect(
                start=begin / self.rate,
                end=end / self.rate,
                occlusion=float(effect),
                spread=float(spread),
                probability=share,
                gradients=float(gradient),
            )
            for begin, end, effect, spread, share, gradient in zip(
                self.edges[:-1].tolist(),
                self.edges[1:].tolist(),
                lost.effect,
                lost.spread,
                _or_none(lost.probability, self.num_stretches),
                parts.stretch_gradients,
                strict=True,
            )
        ]

    def _randomised(self, own: Parts) -> Randomised | None:
        num = self.settings.randomised
        if not num:
            return None
        found: dict[str, list[float | None]] = {name: [] for name in own.effects()}
        for number in range(num):
            other = shuffled(self.predictor.model, self.settings.seed + number)
            effects = self._parts(other, f"shuffled weights {number + 1} of {num}").effects()
            for name, effect in own.effects().items():
                found[name].append(rank_correlation(effect, effects[name]))
        told = {name: [r for r in each if r is not None] for name, each in found.items()}
        means = {name: sum(each) / len(each) if each else None for name, each in told.items()}
        return Randomised(num, means)

    def _counting(self, title: str, total: int) -> Callable[[int], None]:
        asked = 0

        def done(number: int) -> None:
            nonlocal asked
            asked += number
            if self.progress is not None:
                self.progress(title, asked, total)

        return done

    def _said(self) -> dict[str, Any]:
        """What was done, for the JSON and the page."""
        own = asdict(self.settings)
        token = self.mask_token[1]
        said: dict[str, Any] = {"scale": own["scale"], "seed": own["seed"]}
        if self.item.text is not None:
            said["words"] = {"without": self.without}
            if self.without == "mask":
                said["words"] |= {"mask_token": token}
        if self.item.audio is not None:
            window = (self.edges[-1] - self.edges[0]) / self.num_stretches / self.rate
            said["stretches"] = {"fill": own["fill"], "window": float(window)}
            if own["fill"] == "noise":
                said["stretches"] |= {
                    "draws": own["draws"],
                    "flat_hertz": FLAT_HERTZ,
                    "fall_db": FALL_DB,
                }
        said["gradients"] = {
            "rule": f"Gauss-Legendre, pieces of {min(own['steps'], NODES)} nodes",
            "steps": own["steps"],
            "tolerance": TOLERANCE,
            "baseline": {
                "text": "word embeddings of zero" if self.item.text is not None else None,
                "audio": "silence" if self.item.audio is not None else None,
            },
        }
        return said


def _completeness(gradients: Gradients) -> Completeness:
    return Completeness(
        baseline=gradients.baseline,
        difference=gradients.difference,
        total=gradients.difference + gradients.residual,
        residual=gradients.residual,
        tolerance=gradients.tolerance,
        steps=gradients.steps,
        is_complete=gradients.is_complete,
    )


def _or_none(shares: Floats | None, length: int) -> list[float] | list[None]:
    return [None] * length if shares is None else shares.tolist()
