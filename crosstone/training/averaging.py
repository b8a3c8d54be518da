"""Means of a model's weights over its training, which are scored and saved in their place."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from crosstone.training.weights import copied, like, trained_weights

_EMA = "ema"


class Averages:
    """An exponential moving average of the weights, or the mean of the last epochs', or neither.

    decay: of the moving average, after each step; with t steps taken it is at most
    (1 + t) / (10 + t), so that the beginning is soon forgotten. last_epochs: how many epochs' ends
    are averaged (Morais et al. 2022 average checkpoints so). Buffers are averaged over epochs where
    they are numbers with a fraction, and never by steps.
    """

    def __init__(self, model: nn.Module, *, decay: float | None, last_epochs: int | None) -> None:
        self._model, self._decay, self._last_epochs = model, decay, last_epochs
        self._weights = {name: w for name, w in model.named_parameters() if w.requires_grad}
        self._moving: dict[str, Tensor] = {}
        if decay is not None:
            self._moving = {name: w.detach().clone() for name, w in self._weights.items()}
        self._epochs: list[dict[str, Tensor]] = []

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Takes in the weights after so many steps."""
        if self._decay is None:
            return
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, mean in self._moving.items():
            mean.lerp_(self._weights[name].detach(), 1 - decay)

    def after_epoch(self) -> None:
        """Takes in the weights at the end of an epoch that is scored or would be."""
        if self._last_epochs is not None:
            kept = [*self._epochs, trained_weights(self._model)]
            self._epochs = kept[-self._last_epochs :]

    def weights(self) -> dict[str, Tensor] | None:
        """What is to be scored and saved, on the CPU; None: the model's own weights.

        Of a sharded model every process must ask.
        """
        if self._moving:
            moving = {name: copied(mean) for name, mean in self._moving.items()}
            return {**trained_weights(self._model), **moving}
        return _mean(self._epochs) if self._epochs else None

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint must keep, whole and on the CPU."""
        if self._moving:
            return {_EMA: {name: copied(mean) for name, mean in self._moving.items()}}
        return {f"epoch-{i}": weights for i, weights in enumerate(self._epochs)}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Takes up where state_dict() was asked."""
        for name, mean in self._moving.items():
            mean.copy_(like(state[_EMA][name], mean))
        epochs = sorted((n for n in state if n != _EMA), key=lambda n: int(n.rpartition("-")[2]))
        self._epochs = [dict(state[name]) for name in epochs]


def _mean(epochs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor, summed in double; of whole numbers the newest."""
    newest = epochs[-1]
    return {
        name: torch.stack([weights[name].double() for weights in epochs]).mean(0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in newest.items()
    }
