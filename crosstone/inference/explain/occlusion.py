"""What the answer loses when a word, a stretch of sound or a modality is taken away.

Occlusion (Zeiler and Fergus 2014, §4.2): a word is left out or becomes the mask token; a stretch
becomes noise of its own level, which falls with frequency as speech does, or silence. (Noise of the
recording's own spectrum would put into a quiet stretch what tells in a loud one.)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crosstone.data.batch import Item
from crosstone.inference.explain.quantity import Done, Floats, Quantity, ask
from crosstone.models.builtin import BUILTIN_TEXT
from crosstone.models.task import TaskModel

Without = Literal["leave-out", "mask"]
Fill = Literal["noise", "silence"]
Samples = NDArray[np.floating[Any]]

FLAT_HERTZ, FALL_DB = 500.0, 9.0
"""The noise is even up to the first and from there falls by the second an octave."""
EDGE_SECONDS = 0.005
"""Over which a stretch passes into what replaces it."""


@dataclass(frozen=True, eq=False)
class Losses:
    """What the score loses without each of N parts: positive where the part speaks for it."""

    effect: Floats
    """(N,)"""
    probability: Floats | None
    """(N,) of the label, without the part; None for a value."""
    spread: Floats
    """(N,) deviation of the effect over draws of the noise; 0 where nothing is drawn."""


class Occluder:
    """An item without some of its words or stretches.

    tokens (W, T) True where a token is of a word; edges (S + 1,) samples where stretches begin and
    end. mask_token stands for a word that is masked. Noise is drawn from the seed.
    """

    def __init__(
        self,
        item: Item,
        *,
        tokens: NDArray[np.bool_],
        edges: NDArray[np.int64],
        sampling_rate: int,
        words: Without,
        mask_token: int,
        fill: Fill,
        draws: int,
        seed: int,
    ) -> None:
        self.item, self.tokens, self.edges = item, tokens, edges
        self.words, self.mask_token = words, mask_token
        self._edge = round(EDGE_SECONDS * sampling_rate)
        if item.audio is None:
            self.fills: list[Samples] = []
            """What stands for the sound where it is taken away, by draw."""
        elif fill == "silence":
            self.fills = [np.zeros_like(item.audio)]
        else:
            rng = np.random.default_rng(seed)
            self.fills = [noise_like(item.audio, edges, sampling_rate, rng) for _ in range(draws)]

    def without_words(self, chosen: NDArray[np.bool_]) -> Item:
        """Without the words that are True in (W,)."""
        assert self.item.text is not None
        hidden = self.tokens[chosen].any(0)
        text = self.item.text
        masked = np.where(hidden, self.mask_token, text) if self.words == "mask" else text[~hidden]
        return replace(self.item, text=masked.astype(np.int64))

    def without_stretches(self, chosen: NDArray[np.bool_], draw: int = 0) -> Item:
        """Without the stretches that are True in (S,)."""
        audio = self.item.audio
        assert audio is not None
        share = np.zeros(len(audio), np.float32)
        for i in np.flatnonzero(chosen):
            begin, end = int(self.edges[i]), int(self.edges[i + 1])
            rise = min(self._edge, (end - begin) // 4)
            ramp = np.ones(end - begin, np.float32)
            slope = (np.arange(rise) + 0.5) / max(rise, 1)
            if i and not chosen[i - 1]:
                ramp[:rise] = slope
            if i + 1 < len(chosen) and not chosen[i + 1]:
                ramp[len(ramp) - rise :] = slope[::-1]
            share[begin:end] = ramp
        heard = (1 - share) * audio + share * self.fills[draw]
        return replace(self.item, audio=heard.astype(audio.dtype))

    def without(self, modality: str, *, is_optional: bool) -> Item:
        """Without a modality: not given at all where that is an option, else every word taken away
        or all of the sound silent."""
        if modality == "text":
            if is_optional:
                return replace(self.item, text=None)
            return self.without_words(np.ones(len(self.tokens), bool))
        if is_optional:
            return replace(self.item, audio=None)
        assert self.item.audio is not None
        return replace(self.item, audio=np.zeros_like(self.item.audio))


def knows_mask_token(model: TaskModel) -> bool:
    """Whether its past says that its text encoder was trained with masked words, here or where it
    comes from; without that the mask token is a word like any that it never read."""
    for stage in model.config.history or []:
        source = str(stage.get("encoders", {}).get("text", ""))
        is_fresh = source in BUILTIN_TEXT
        if source and (not is_fresh or stage.get("stage") in ("pretrain", "adapt")):
            return True
    return False


def speech_noise(num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Samples:
    """Noise (N,) of deviation 1 with the slope of speech, roughly (Byrne et al. 1994, fig. 3)."""
    spectrum = np.fft.rfft(rng.normal(size=num_samples))
    hertz = np.fft.rfftfreq(num_samples, 1 / sampling_rate)
    octaves = np.log2(np.maximum(hertz, FLAT_HERTZ) / FLAT_HERTZ)
    noise = np.fft.irfft(spectrum * 10 ** (-FALL_DB / 20 * octaves), num_samples)
    return noise / max(float(noise.std()), 1e-12)


def noise_like(
    audio: Samples, edges: NDArray[np.int64], sampling_rate: int, rng: np.random.Generator
) -> Samples:
    """Noise in each stretch at the level of the sound there.

    audio (N,), edges (S + 1,) → (N,).
    """
    noise = speech_noise(len(audio), sampling_rate, rng)
    for begin, end in pairwise(edges.tolist()):
        level, own = (np.sqrt(np.mean(np.square(a[begin:end]))) for a in (audio, noise))
        noise[begin:end] *= level / max(own, 1e-12)
    return noise.astype(audio.dtype)


def losses(
    model: TaskModel,
    quantity: Quantity,
    whole: float,
    variants: Iterable[Item],
    *,
    draws: int = 1,
    size: int,
    done: Done | None = None,
) -> Losses:
    """Of each part, given as the items without it, `draws` in a row; `size` are asked at a time.

    whole: the score of the whole item.
    """
    said = ask(model, quantity, variants, size, done)
    effects = whole - said.score.reshape(-1, draws)
    shares = None if said.probability is None else said.probability.reshape(-1, draws).mean(1)
    return Losses(effect=effects.mean(1), probability=shares, spread=effects.std(1))
