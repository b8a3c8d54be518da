"""Where the words look in the sound, and the sound among the words: what the blocks attend to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.batch import Item, collate
from crosstone.inference.explain.quantity import Floats
from crosstone.models.task import TaskModel

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Attention:
    """What one block of one stream attends to in the other, the mean of its heads."""

    stream: str
    """Which looks: text, at time, or audio, at words."""
    block: int
    """From 1."""
    weights: Floats
    """(W, S) from text: of each word's gaze, the share on each stretch; (1, S) where the text looks
    as a whole. From audio: of each stretch's gaze, the share on each word, (W, S), or (W, 1); what
    lacks to 1 rests on special tokens."""


@torch.inference_mode()
def attention_of(model: TaskModel, item: Item, tokens: Mask, num_stretches: int) -> list[Attention]:
    """Of a model in eval mode, every block of every stream that attends to the other; none where
    the family has no such weights.

    tokens (W, T) True where a token is of a word. Frames are taken to lie evenly over the item.
    """
    parameter = next(model.parameters())
    batch = collate([item]).to(parameter.device, parameter.dtype)
    found = model(**batch.inputs(), output_attentions=True).backbone.attentions
    return [
        Attention(stream, number, _merged(stream, weights, tokens, num_stretches))
        for stream, blocks in _in_order(found).items()
        for number, weights in enumerate(blocks, 1)
    ]


def _in_order(found: Mapping[str, Sequence[Tensor]]) -> dict[str, Sequence[Tensor]]:
    return {name: found[name] for name in ("text", "audio") if found.get(name)}


def _merged(stream: str, weights: Tensor, tokens: Mask, num_stretches: int) -> Floats:
    """(1, H, T, S) of places as (words, stretches)."""
    shares: Floats = weights[0].cpu().double().mean(0).numpy()
    looks, seen = shares.shape
    if stream == "text":
        by_time: Floats = shares @ frame_mask(seen, num_stretches).T
        if looks == 1:
            return by_time
        words = _aligned(tokens, looks)
        found: Floats = words @ by_time / np.maximum(words.sum(1, keepdims=True), 1)
        return found
    by_word: Floats = _aligned(tokens, seen) @ shares.T
    if looks == 1:
        return by_word
    frames = frame_mask(looks, num_stretches)
    found = by_word @ frames.T / np.maximum(frames.sum(1), 1)
    return found


def frame_mask(num_frames: int, num_stretches: int) -> Floats:
    """(S, F) 1 where a frame lies in a stretch, in parts where it lies in several."""
    edges = np.arange(num_frames + 1) / num_frames * num_stretches
    begin, end = edges[:-1], edges[1:]
    stretch = np.arange(num_stretches)[:, None]
    over = np.minimum(end, stretch + 1) - np.maximum(begin, stretch)
    shares: Floats = over.clip(min=0) / (end - begin)
    return shares


def _aligned(tokens: Mask, num_places: int) -> Floats:
    """(W, places) of a stream that a convolution made shorter at both ends by as much."""
    cut = max(0, (tokens.shape[1] - num_places) // 2)
    return tokens[:, cut : cut + num_places].astype(np.float64)
