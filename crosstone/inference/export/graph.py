"""A task model in the form in which its whole computation can be written down as one graph.

What is the same for every batch stays; what torch decides by looking at values or by a Fourier
transform is done in another way with the same result: padding is always masked (or never, where an
encoder cannot bear it), the transform is a convolution, attention is written out.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from crosstone.inference.calibration import Calibration
from crosstone.inference.export.layers import SpeechTokensAtOnce, rewrite
from crosstone.inference.predictor import Predictor
from crosstone.nn.encoders import AudioEncoder, unit_variance
from crosstone.sequence import Sequence

KINDS = ("", "audio", "text", "audio+text")
"""Kinds of utterance, by 1 where it is heard plus 2 where it is read."""


class Graph(nn.Module):
    """From samples and token ids to the answer of one head, calibrated as its folder says.

    Outputs, in the order of `outputs`: of classes `logits` (B, C), `probabilities` (B, C) and, of
    two-way heads, `heads` (B, C); else `value` (B,). Where `padding_safe` is False, recordings of
    one batch have one length.
    """

    scales: Tensor
    biases: Tensor

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        calibration = predictor.promises.calibration
        self.model = copy.deepcopy(predictor.model).float().cpu().eval()
        self.head, self.kind = predictor.head, predictor.spec.kind
        self.is_calibrated = calibration is not None and bool(calibration.labels)
        rewrite(self.model)
        if isinstance(encoder := self.model.backbone.audio_encoder, AudioEncoder):
            self.model.backbone.audio_encoder = _HeardAtOnce(encoder)
        scales, biases = _scalings(calibration, max(1, len(predictor.spec.labels)))
        self.register_buffer("scales", scales)
        self.register_buffer("biases", biases)

    @property
    def padding_safe(self) -> bool:
        """Whether recordings of several lengths may stand side by side."""
        encoder = self.model.backbone.audio_encoder
        return encoder is None or encoder.padding_safe

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what forward gives."""
        if self.kind == "regression":
            return ("value",)
        return ("logits", "probabilities", *(("heads",) if self.kind == "one_vs_rest" else ()))

    def forward(
        self,
        audio: Tensor | None = None,
        audio_samples: Tensor | None = None,
        text: Tensor | None = None,
        text_tokens: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """audio (B, N) and text (B, T) ids, with how many samples and tokens of each are real (B,),
        0 where an item has none."""
        given: dict[str, Tensor] = {}
        kind: Tensor | int = 0
        for name, values, count, number in (
            ("audio", audio, audio_samples, 1),
            ("text", text, text_tokens, 2),
        ):
            if values is not None and count is not None:
                given[name] = values
                given[f"{name}_mask"] = torch.arange(values.shape[1]) < count[:, None]
                kind = kind + number * (count > 0).long()
        with _WrittenOut():
            logits = self.model(**given).logits[self.head]
        if self.kind == "regression":
            return (logits,)
        if self.kind != "one_vs_rest":
            return logits, self._probabilities(logits, kind)
        pairs = logits.reshape(logits.shape[0], -1, 2)
        odds = pairs[..., 1] - pairs[..., 0]
        return odds, self._probabilities(odds, kind), odds.sigmoid()

    def _probabilities(self, logits: Tensor, kind: Tensor | int) -> Tensor:
        if self.is_calibrated:
            logits = self.scales[kind] * logits.log_softmax(-1) + self.biases[kind]
        return logits.softmax(-1)


def _scalings(calibration: Calibration | None, num_labels: int) -> tuple[Tensor, Tensor]:
    """Scale and bias of each class for each kind of utterance, (4, C)."""
    scales, biases = torch.ones(len(KINDS), num_labels), torch.zeros(len(KINDS), num_labels)
    kinds: Mapping[str, Any] = {} if calibration is None else calibration.kinds
    for row, kind in enumerate(KINDS):
        if kind in kinds and (scaling := kinds[kind].scaling) is not None:
            scales[row], biases[row] = torch.tensor(scaling.scale), torch.tensor(scaling.bias)
    return scales, biases


class _HeardAtOnce(nn.Module):
    """A speech encoder that asks no value how to go on.

    Padding-safe encoders always take the mask. Others take none: all recordings of their batch have
    one length, or are absent.
    """

    def __init__(self, encoder: AudioEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = encoder.width
        is_tokenised = isinstance(encoder.model, SpeechTokensAtOnce)
        self.padding_safe = encoder.padding_safe and not is_tokenised

    @property
    def model(self) -> Any:
        """The encoder's own model."""
        return self.encoder.model

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of that many samples."""
        return self.encoder.num_frames(num_samples)

    def forward(self, audio: Sequence, masked: Tensor | None = None) -> Sequence:
        """Frames of each waveform, (B, N) → (B, T, D); N at least the encoder's min_samples."""
        encoder = self.encoder
        lengths = audio.lengths.clamp(min=encoder.min_samples)
        frames = torch.where(audio.mask.any(1), encoder.num_frames(lengths), 0)
        values = audio.values * audio.mask.to(audio.values.dtype)
        if encoder.normalize:
            values = unit_variance(values, audio.mask)
        states = encoder.encode(values, audio.mask if self.padding_safe else None, masked)
        mask = torch.arange(states.shape[1]) < frames[:, None]
        return Sequence(states, mask)


class _WrittenOut(TorchFunctionMode):
    """Attention as torch's fused kernel has it where no key may be looked at: zeros.

    ONNX's own gives the mean of all values there, or NaN.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return _attend(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **_: Any,
) -> Tensor:
    assert not dropout_p
    assert not is_causal
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if attn_mask is None:
        return scores.softmax(-1) @ value
    if attn_mask.dtype != torch.bool:
        return (scores + attn_mask).softmax(-1) @ value
    hidden = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~attn_mask, hidden).softmax(-1) * attn_mask.to(scores.dtype)
    return weights @ value
