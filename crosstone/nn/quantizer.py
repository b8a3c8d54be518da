"""vq-wav2vec: a waveform becomes a few code numbers every 10 ms (Baevski et al. 2020)."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}
_QUANTIZERS = ("kmeans", "gumbel")


@strict
class VQWav2VecConfig(PreTrainedConfig):
    """The encoder and quantizer of fairseq's vq-wav2vec; defaults are the released models'.

    fairseq's own default of log compression is on, which none of them has.
    """

    model_type = "crosstone-vq-wav2vec"

    conv_layers: list[Any] | tuple[Any, ...] = (
        (512, 10, 5),
        (512, 8, 4),
        *((512, 4, 2),) * 3,
        *((512, 1, 1),) * 3,
    )
    """(width, kernel, stride) of each convolution."""

    activation: str = "gelu"
    """After each convolution's norm: gelu or relu."""

    log_compression: bool = False
    """Whether the features are log(|x| + 1) of the last convolution's."""

    skip_connections: bool = False
    """Whether a convolution that keeps the width adds its own input, thinned to its length."""

    residual_scale: float = 0.5
    """The sum with the skipped input is multiplied by the root of this."""

    quantizer: str = "kmeans"
    """kmeans: the nearest codeword; gumbel: the highest logit."""

    num_groups: int = 2
    """Codes of a frame."""

    num_codes: int = 320
    """Codewords of each group."""

    combine_groups: bool = True
    """Whether the groups share their codewords."""

    codeword_width: int | None = None
    """Width of a codeword; None: the features' over the groups."""

    vq_depth: int = 1
    """Linear layers from a feature to its logits (gumbel); 2 in the released model."""

    sampling_rate: int = 16_000
    """Samples per second."""

    def __post_init__(self, **kwargs: Any) -> None:
        self.conv_layers = [[int(number) for number in layer] for layer in self.conv_layers]
        super().__post_init__(**kwargs)

    def validate_choices(self) -> None:
        """Raise ValueError for what cannot be (called by transformers' strict configs)."""
        for name, known in (("quantizer", _QUANTIZERS), ("activation", tuple(_ACTIVATIONS))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )
        if any(len(layer) != 3 for layer in self.conv_layers) or not self.conv_layers:
            raise ValueError("conv_layers expects (width, kernel, stride) of each convolution")
        if self.width % self.num_groups:
            raise ValueError(
                f"num_groups expects a divisor of the width {self.width}, found {self.num_groups}"
            )
        if self.quantizer == "kmeans" and self.vector_width * self.num_groups != self.width:
            raise ValueError(
                f"codeword_width expects {self.width // self.num_groups} with kmeans, found "
                f"{self.codeword_width}"
            )

    @property
    def width(self) -> int:
        """Width C of the features."""
        return int(self.conv_layers[-1][0])

    @property
    def vector_width(self) -> int:
        """Width of one codeword."""
        return self.codeword_width or self.width // self.num_groups

    @property
    def num_sets(self) -> int:
        """Sets of codewords: 1 where the groups share theirs."""
        return 1 if self.combine_groups else self.num_groups

    @property
    def frame_stride(self) -> int:
        """Samples from one frame to the next."""
        return math.prod(int(stride) for _, _, stride in self.conv_layers)

    @property
    def min_samples(self) -> int:
        """The shortest waveform that gives a frame (the receptive field, 465 samples)."""
        samples = 1
        for _, kernel, stride in reversed(self.conv_layers):
            samples = (samples - 1) * int(stride) + int(kernel)
        return samples

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of that many samples, of at least `min_samples` (an int or a tensor of ints)."""
        for _, kernel, stride in self.conv_layers:
            num_samples = (num_samples - kernel) // stride + 1
        return num_samples


@dataclass
class VQWav2VecOutput(ModelOutput):
    """What vq-wav2vec makes of waveforms, zeros where `mask` is False."""

    features: Tensor | None = None
    """What is quantized, z: (B, T, C)."""

    codes: Tensor | None = None
    """int64 (B, T, G)."""

    mask: Tensor | None = None
    """bool (B, T), True where real."""


class VQWav2VecModel(PreTrainedModel):
    """Features and codes of waveforms, for tokenising: without gradients, in eval mode.

    The group norms run over all time, so that a padded waveform would get other codes (one frame in
    twenty of a random net with 1.5 % of padding). Utterances therefore go through one at a time,
    each at its own length: codes never depend on a neighbour, bit for bit. They are computed in the
    weights' own precision, whatever autocast says, as a rounded feature may be nearer to another
    codeword.
    """

    config_class = VQWav2VecConfig
    base_model_prefix = "tokenizer"
    main_input_name = "input_values"

    def __init__(self, config: VQWav2VecConfig) -> None:
        super().__init__(config)
        widths = [1, *(width for width, _, _ in config.conv_layers)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, width, kernel, stride, bias=False)
            for before, (width, kernel, stride) in zip(widths, config.conv_layers, strict=False)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) for width in widths[1:])
        kind = KMeansQuantizer if config.quantizer == "kmeans" else GumbelQuantizer
        self.quantizer = kind(config)
        self.requires_grad_(False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Random weights under which random codes are of use: features far from each other."""
        if isinstance(module, nn.Conv1d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, KMeansQuantizer | GumbelQuantizer):
            nn.init.normal_(module.codewords)

    @torch.no_grad()
    def forward(
        self, input_values: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> VQWav2VecOutput:
        """input_values (B, N), attention_mask (B, N); an item without samples has no frames.

        A waveform shorter than `min_samples` is padded with zeros to it.
        """
        lengths = (
            attention_mask.sum(1).tolist()
            if attention_mask is not None
            else [input_values.shape[1]] * len(input_values)
        )
        rows = [self._tokenise(x[: int(n)]) for x, n in zip(input_values, lengths, strict=True)]
        features, codes, masks = (
            nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
            for parts in zip(*rows, strict=True)
        )
        return VQWav2VecOutput(features=features, codes=codes, mask=masks)

    def _tokenise(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values = waveform.to(self.dtype)
        features = values.new_zeros(0, self.config.width)
        codes = torch.zeros(0, self.config.num_groups, dtype=torch.int64, device=values.device)
        if len(values):
            with _full_precision(values.device):
                values = F.pad(values, (0, max(0, self.config.min_samples - len(values))))
                features = self._encode(values[None, None])[0].T
                codes = self.quantizer(features)
        return features, codes, torch.ones_like(codes[:, 0], dtype=torch.bool)

    def _encode(self, states: Tensor) -> Tensor:
        """(1, 1, N) → (1, C, T)."""
        activation = _ACTIVATIONS[self.config.activation]
        scale = math.sqrt(self.config.residual_scale)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            before = states
            states = activation(norm(convolution(states)))
            if self.config.skip_connections and states.shape[1] == before.shape[1]:
                length = states.shape[-1]
                thinned = before[..., :: before.shape[-1] // length][..., :length]
                states = (states + thinned) * scale
        return (states.abs() + 1).log() if self.config.log_compression else states


class KMeansQuantizer(nn.Module):
    """The nearest codeword of each group to a projection of the feature."""

    def __init__(self, config: VQWav2VecConfig) -> None:
        super().__init__()
        self.num_groups = config.num_groups
        self.codewords = nn.Parameter(
            torch.empty(config.num_codes, config.num_sets, config.vector_width)
        )
        self.projection = nn.Conv1d(
            config.width, config.width, 1, groups=config.num_groups, bias=False
        )
        self.norm = nn.GroupNorm(config.num_groups, config.width)

    def forward(self, features: Tensor) -> Tensor:
        """features (T, C) of one utterance → codes (T, G)."""
        projected = self.norm(self.projection(features.T[None]))[0].T
        points = projected.unflatten(1, (self.num_groups, -1)).transpose(0, 1)
        codewords = self.codewords.transpose(0, 1).expand(self.num_groups, -1, -1)
        distances = torch.cdist(
            points.contiguous(),
            codewords.contiguous(),
            compute_mode="donot_use_mm_for_euclid_dist",
        )
        return distances.argmin(-1).T


class GumbelQuantizer(nn.Module):
    """The highest logit of each group (at training it was drawn with Gumbel noise)."""

    def __init__(self, config: VQWav2VecConfig) -> None:
        super().__init__()
        self.num_groups = config.num_groups
        self.codewords = nn.Parameter(
            torch.empty(1, config.num_sets * config.num_codes, config.vector_width)
        )
        hidden, logits = 2 * config.width, config.num_groups * config.num_codes
        widths = [config.width, *[hidden] * (config.vq_depth - 1), logits]
        self.layers = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(widths)
        )
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, features: Tensor) -> Tensor:
        """features (T, C) → codes (T, G)."""
        states = features
        for layer in self.layers[:-1]:
            states = self.activation(layer(states))
        logits = self.layers[-1](states)
        return logits.unflatten(1, (self.num_groups, -1)).argmax(-1)


@contextlib.contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Without autocast, and on CUDA without TF32."""
    with (
        torch.autocast(device.type, enabled=False),
        torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            deterministic=torch.backends.cudnn.deterministic,
            allow_tf32=False,
        ),
    ):
        yield


AutoConfig.register(VQWav2VecConfig.model_type, VQWav2VecConfig)
AutoModel.register(VQWav2VecConfig, VQWav2VecModel)
