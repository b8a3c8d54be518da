"""Integrated gradients over what enters the encoders, with their completeness checked.

Sundararajan et al. 2017, eq. 1, over the word embeddings and over the frames that enter the speech
encoder's blocks, both at once, along the straight line from the baseline: the embedding of every
word zero, as they advise for text (§3), and the recording silent. The integral is a Gauss–Legendre
sum over pieces of the line; what it hands out over a piece has to be what the score changes there,
and the pieces where it is not are halved.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosstone.data.batch import Item, collate
from crosstone.inference.explain.quantity import Floats, Quantity, ask, batch_size_of
from crosstone.models.task import TaskModel
from crosstone.nn.encoders import AudioEncoder
from crosstone.sequence import Sequence as States

TOLERANCE = 0.01
"""Most that may be missing or too much, as a share of all that is handed out, for and against."""
NODES = 8
"""Of one piece of the line."""
MOST_STEPS = 512
GRADIENT_SECONDS = 60.0
"""Sound in one batch at most."""

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Gradients:
    """What each token and frame adds to the score of the baseline."""

    tokens: Floats
    """(T,), empty without text."""
    frames: Floats
    """(F,), empty without audio, at equal distances over the recording."""
    baseline: float
    """The score where there is nothing to hear or read."""
    difference: float
    """The score less that of the baseline."""
    steps: int

    @property
    def residual(self) -> float:
        """What is handed out too much; below zero what is missing."""
        return float(self.tokens.sum() + self.frames.sum()) - self.difference

    @property
    def tolerance(self) -> float:
        """What the residual may be."""
        handed = float(np.abs(self.tokens).sum() + np.abs(self.frames).sum())
        return TOLERANCE * max(handed, abs(self.difference)) + 1e-6

    @property
    def is_complete(self) -> bool:
        """Whether the residual is within the tolerance."""
        return abs(self.residual) <= self.tolerance


def integrated_gradients(
    model: TaskModel,
    quantity: Quantity,
    item: Item,
    of_words: NDArray[np.bool_],
    *,
    sampling_rate: int,
    steps: int,
    most_steps: int = MOST_STEPS,
) -> Gradients:
    """Of a model in eval mode, in `steps` nodes at first and in most_steps at most.

    of_words (T,): the tokens that are of words; special ones are in the baseline too.
    """
    size = batch_size_of(item, sampling_rate, GRADIENT_SECONDS)
    line = _Line(model, quantity, item, of_words, size)
    per_piece = min(steps, NODES)
    edges = np.linspace(0, 1, max(1, steps // per_piece) + 1).tolist()
    pieces = [line.piece(*ends, per_piece) for ends in pairwise(edges)]
    while True:
        found = Gradients(
            tokens=np.sum([piece.sums["text"] for piece in pieces], 0),
            frames=np.sum([piece.sums["audio"] for piece in pieces], 0),
            baseline=line.score(0.0),
            difference=line.score(1.0) - line.score(0.0),
            steps=per_piece * len(pieces),
        )
        worst = max(abs(piece.residual) for piece in pieces)
        bad = [p for p in pieces if abs(p.residual) > worst / 4]
        is_done = sum(abs(piece.residual) for piece in pieces) <= found.tolerance
        if is_done or found.steps + per_piece * len(bad) > most_steps:
            return found
        pieces = [piece for piece in pieces if piece not in bad]
        for piece in bad:
            middle = (piece.begin + piece.end) / 2
            pieces.append(line.piece(piece.begin, middle, per_piece))
            pieces.append(line.piece(middle, piece.end, per_piece))


@dataclass(frozen=True, eq=False)
class _Piece:
    """The integral from `begin` to `end` of the line."""

    begin: float
    end: float
    sums: dict[str, Floats]
    """What each token and frame adds there."""
    residual: float


class _Line:
    """The straight line from a baseline to an item, and a model's scores along it."""

    def __init__(
        self,
        model: TaskModel,
        quantity: Quantity,
        item: Item,
        of_words: NDArray[np.bool_],
        size: int,
    ) -> None:
        self.model, self.quantity, self.item, self.size = model, quantity, item, size
        self.entrances = _entrances(model, item)
        silent = item if item.audio is None else replace(item, audio=np.zeros_like(item.audio))
        self.start, self.end = (
            {name: _entering(model, module, each) for name, module in self.entrances.items()}
            for each in (silent, item)
        )
        if "text" in self.start:
            blank = torch.from_numpy(of_words).to(self.start["text"].device)
            self.start["text"] = self.start["text"].masked_fill(blank[None, :, None], 0.0)
        self._scores: dict[float, float] = {}

    def score(self, at: float) -> float:
        """At one point, 0 the baseline and 1 the item."""
        if at not in self._scores:
            changes = {name: _always(value) for name, value in self._points([at]).items()}
            with _replaced(self.entrances, changes):
                self._scores[at] = float(ask(self.model, self.quantity, [self.item], 1).score[0])
        return self._scores[at]

    def piece(self, begin: float, end: float, nodes: int) -> _Piece:
        """The integral over a piece, a sum over so many nodes."""
        places, weights = np.polynomial.legendre.leggauss(nodes)
        places, weights = begin + (places + 1) / 2 * (end - begin), weights / 2 * (end - begin)
        sums = {"text": np.zeros(0), "audio": np.zeros(0)}
        for name, value in self.end.items():
            sums[name] = np.zeros(value.shape[1])
        for first in range(0, nodes, self.size):
            found = self._gradients(places[first : first + self.size].tolist())
            for name, gradients in found.items():
                sums[name] += weights[first : first + self.size] @ gradients
        total = sum(float(added.sum()) for added in sums.values())
        return _Piece(begin, end, sums, total - (self.score(end) - self.score(begin)))

    def _gradients(self, places: list[float]) -> dict[str, Floats]:
        """At points of the line, of each token and frame along it, (points, places)."""
        points = {name: point.requires_grad_() for name, point in self._points(places).items()}
        parameter = next(self.model.parameters())
        batch = collate([self.item] * len(places)).to(parameter.device, parameter.dtype)
        changes = {name: _always(point) for name, point in points.items()}
        with _open(self.model), _replaced(self.entrances, changes):
            logits = self.model(**batch.inputs()).logits[self.quantity.head].cpu().double()
            found = torch.autograd.grad(self.quantity(logits).sum(), list(points.values()))
        return {
            name: (gradient * (self.end[name] - self.start[name])).cpu().double().sum(-1).numpy()
            for name, gradient in zip(points, found, strict=True)
        }

    def _points(self, places: list[float]) -> dict[str, Tensor]:
        made = {}
        for name, start in self.start.items():
            at = torch.tensor(places, dtype=start.dtype, device=start.device)[:, None, None]
            made[name] = start + at * (self.end[name] - start)
        return made


def _entrances(model: TaskModel, item: Item) -> dict[str, nn.Module]:
    """By modality of the item, the module whose output is integrated over."""
    found: dict[str, nn.Module] = {}
    backbone = model.backbone
    if item.audio is not None and backbone.audio_encoder is not None:
        found["audio"] = _entrance(backbone.audio_encoder)
    if item.text is not None and backbone.text_encoder is not None:
        found["text"] = backbone.text_encoder.model.get_input_embeddings()
    return found


def _entrance(encoder: AudioEncoder) -> nn.Module:
    """Where frames enter the blocks of a speech encoder; of one without blocks, where they leave.

    Hugging Face's project the features of their convolutions there, LogMelModel normalises them,
    and SpeechBertModel looks up the embeddings of its codes.
    """
    model = encoder.model
    if hasattr(model, "bert"):
        module: nn.Module = model.bert.get_input_embeddings()
        return module
    for name in ("feature_projection", "norm"):
        if hasattr(model, name):
            return getattr(model, name)  # type: ignore[no-any-return]
    return encoder


@torch.no_grad()
def _entering(model: TaskModel, entrance: nn.Module, item: Item) -> Tensor:
    """What enters of an item, (1, places, D)."""
    seen: list[Tensor] = []

    def keep(values: Tensor) -> Tensor:
        seen.append(values)
        return values

    parameter = next(model.parameters())
    batch = collate([item]).to(parameter.device, parameter.dtype)
    with _replaced({"": entrance}, {"": keep}):
        model(**batch.inputs())
    return seen[0].detach()


def _always(values: Tensor) -> Change:
    return lambda found: values.expand(len(found), *values.shape[1:])


@contextmanager
def _replaced(entrances: dict[str, nn.Module], changes: dict[str, Change]) -> Iterator[None]:
    """Meanwhile what enters is changed."""
    handles = [
        module.register_forward_hook(_changing(changes[name])) for name, module in entrances.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _changing(change: Change) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, States):
            return output.with_values(change(output.values))
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        return change(output)

    return hook


@contextmanager
def _open(model: TaskModel) -> Iterator[None]:
    """Meanwhile gradients go to what enters, through frozen encoders too, and to no weight.

    cuDNN goes back through recurrent layers of training alone; without dropout these do the same.
    """
    wanted = {name: p.requires_grad for name, p in model.named_parameters()}
    towers = (model.backbone.audio_encoder, model.backbone.text_encoder)
    recurrent = [m for m in model.modules() if isinstance(m, nn.RNNBase) and not m.dropout]
    try:
        model.requires_grad_(False)
        for module in recurrent:
            module.train()
        with ExitStack() as stack:
            for tower in towers:
                if tower is not None:
                    stack.enter_context(tower.passing_gradients())
            stack.enter_context(torch.enable_grad())
            yield
    finally:
        for module in recurrent:
            module.eval()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(wanted[name])
