"""Optimizers and learning-rate schedules, as one specification."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from crosstone.errors import ConfigError, CrosstoneError


@dataclass(frozen=True, kw_only=True)
class OptimSpec:
    """How weights move: optimizer, decay, schedule and clipping."""

    name: Literal["adam", "adamw", "bertadam"] = "adamw"
    """`bertadam` is BERT's own Adam: no bias correction, each gradient clipped alone."""
    lr: float = 5e-5
    """The highest learning rate, reached after warm-up."""
    weight_decay: float | None = None
    """None: 0.01, and 0 for adam. Decoupled for adamw and bertadam, an L2 term for adam."""
    no_decay: tuple[str, ...] = ("bias",)
    """Parameters whose name holds one of these are not decayed."""
    decay_vectors: bool = False
    """Whether parameters of one dimension (norm gains, scales) are decayed unless `no_decay`."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the gradient's running mean and running square."""
    eps: float | None = None
    """Added to the denominator; None: 1e-8, and 1e-6 for bertadam."""
    clip: float | None = None
    """The norm that all gradients together are scaled down to; None: no clipping."""
    clip_each: float | None = 1.0
    """bertadam only: the norm that each parameter's gradient is scaled down to, after `clip`."""
    schedule: Literal["constant", "linear", "polynomial", "cosine", "plateau"] = "linear"
    """How the rate falls after warm-up; plateau: when the watched score stops improving."""
    warmup: float = 0.0
    """Linear warm-up from 0: a share of all steps where below 1, else a number of steps."""
    power: float = 1.0
    """Exponent of the polynomial schedule."""
    end_lr: float = 0.0
    """The rate at the last step (linear, polynomial, cosine) or the lowest (plateau)."""
    plateau_factor: float = 0.1
    """What the rate is multiplied by on a plateau."""
    plateau_patience: int = 2
    """Scores without improvement that are let pass before the rate is lowered."""

    def __post_init__(self) -> None:
        faults = [
            f"{name} expects {wanted}, found {getattr(self, name)}"
            for name, wanted, holds in (
                ("lr", "a number above 0", self.lr > 0),
                ("weight_decay", "0 or more", (self.weight_decay or 0.0) >= 0),
                ("betas", "two numbers in [0, 1)", all(0 <= beta < 1 for beta in self.betas)),
                ("eps", "a number above 0", self.eps is None or self.eps > 0),
                ("clip", "a number above 0", self.clip is None or self.clip > 0),
                ("clip_each", "a number above 0", self.clip_each is None or self.clip_each > 0),
                ("warmup", "0 or more", self.warmup >= 0),
                ("power", "a number above 0", self.power > 0),
                ("end_lr", "a rate from 0 to lr", 0 <= self.end_lr <= self.lr),
                ("plateau_factor", "a number in (0, 1)", 0 < self.plateau_factor < 1),
                ("plateau_patience", "0 or more", self.plateau_patience >= 0),
            )
            if not holds
        ]
        if faults:
            raise ConfigError("; ".join(faults))

    def rate(self, step: int, total_steps: int) -> float:
        """The learning rate of the update that `step` others precede, plateaus apart.

        With warm-up the first update has rate 0, as in BERT's and Hugging Face's schedules.
        """
        warmup = self.warmup * total_steps if self.warmup < 1 else self.warmup
        if step < warmup:
            return self.lr * step / warmup
        left = max(0.0, (total_steps - step) / max(total_steps - warmup, 1.0))
        share = {
            "linear": left,
            "polynomial": math.pow(left, self.power),
            "cosine": 0.5 * (1.0 + math.cos(math.pi * (1.0 - left))),
        }.get(self.schedule, 1.0)
        return self.end_lr + (self.lr - self.end_lr) * share


class BertAdam(Optimizer):
    """Adam as BERT's released code has it (Devlin et al. 2018; here as used by CTAL).

    No bias correction; decoupled decay, multiplied by the rate; each parameter's gradient is
    scaled down to the norm `clip_each` by itself.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]] | Iterable[torch.Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        clip_each: float | None = 1.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "clip_each": clip_each,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; gives what closure returned."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            keep_mean, keep_square = group["betas"]
            for weight in (weight for weight in group["params"] if weight.grad is not None):
                grad, state = weight.grad, self.state[weight]
                if not state:
                    state["mean"] = torch.zeros_like(weight)
                    state["square"] = torch.zeros_like(weight)
                if group["clip_each"] is not None:
                    grad = grad * (group["clip_each"] / (grad.norm() + 1e-6)).clamp(max=1.0)
                mean, square = state["mean"], state["square"]
                mean.mul_(keep_mean).add_(grad, alpha=1.0 - keep_mean)
                square.mul_(keep_square).addcmul_(grad, grad, value=1.0 - keep_square)
                update = mean / (square.sqrt() + group["eps"])
                update.add_(weight, alpha=group["weight_decay"])
                weight.add_(update, alpha=-group["lr"])
        return result


def build_optimizer(model: nn.Module, spec: OptimSpec) -> Optimizer:
    """The optimizer of the parameters that require gradients, in a decayed and an undecayed group.

    Raises CrosstoneError where no parameter requires a gradient.
    """
    decay = spec.weight_decay
    if decay is None:
        decay = 0.0 if spec.name == "adam" else 0.01
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            spared = any(part in name for part in spec.no_decay) or (
                weight.ndim <= 1 and not spec.decay_vectors
            )
            (undecayed if spared else decayed).append(weight)
    if not decayed and not undecayed:
        raise CrosstoneError(
            f"{type(model).__name__}: expected parameters to train, found all of them frozen; "
            "unfreeze an encoder or add a head"
        )
    groups = [
        {"params": params, "weight_decay": group_decay}
        for params, group_decay in ((decayed, decay), (undecayed, 0.0))
        if params
    ]
    if spec.name == "bertadam":
        return BertAdam(
            groups, spec.lr, spec.betas, spec.eps or 1e-6, decay, clip_each=spec.clip_each
        )
    kind = Adam if spec.name == "adam" else AdamW
    return kind(
        groups,
        lr=spec.lr,
        betas=spec.betas,
        eps=spec.eps or 1e-8,
        weight_decay=decay,
        fused=True,
    )


class Schedule:
    """Sets the learning rate of an optimizer before each step.

    Everything but a plateau's state is a function of the step's number; higher_is_better is about
    the score that a plateau watches.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        spec: OptimSpec,
        total_steps: int,
        *,
        higher_is_better: bool = False,
    ) -> None:
        self._optimizer, self._spec, self._total_steps = optimizer, spec, total_steps
        self._sign = 1.0 if higher_is_better else -1.0
        self._scale = 1.0
        self._best: float | None = None
        self._waited = 0

    def set_rate(self, step: int) -> float:
        """Sets and gives the rate of the update that `step` others precede."""
        rate = self._spec.rate(step, self._total_steps)
        if self._scale < 1.0:
            rate = max(rate * self._scale, min(rate, self._spec.end_lr))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def watch(self, score: float) -> None:
        """Takes an epoch's score; a plateau schedule lowers the rate after too many no better.

        Better is by more than a 1e-4 part of the best so far, as in torch's ReduceLROnPlateau.
        """
        if self._spec.schedule != "plateau":
            return
        margin = 0.0 if self._best is None else 1e-4 * abs(self._best)
        if self._best is None or self._sign * (score - self._best) > margin:
            self._best, self._waited = score, 0
            return
        self._waited += 1
        if self._waited > self._spec.plateau_patience:
            self._scale, self._waited = self._scale * self._spec.plateau_factor, 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return {"scale": self._scale, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up where state_dict() was asked."""
        self._scale, self._best, self._waited = state["scale"], state["best"], state["waited"]
