"""Pretrained speech and text encoders behind one call each: a Sequence in, a Sequence out."""

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig

from crosstone.nn.masking import Corruption, replace_tokens
from crosstone.nn.speech import SpeechConfig
from crosstone.sequence import Sequence

FREEZES = ("none", "convolutions", "all")
"""What of an encoder is not trained: nothing, its convolutional extractor, everything."""

_CONVOLUTIONAL = ("feature_extractor.", "convolutions.")


class Encoder(nn.Module):
    """What the two towers share: freezing, and eval mode for what is frozen."""

    def __init__(self, model: nn.Module, freeze: str) -> None:
        super().__init__()
        self.model: Any = model
        self.freeze = freeze
        self._passes_gradients = False
        for name, parameter in model.named_parameters():
            frozen = freeze == "all" or (
                freeze == "convolutions" and name.startswith(_CONVOLUTIONAL)
            )
            # what the model itself never trains, as the tokenizer of a Speech-BERT, stays so
            parameter.requires_grad_(parameter.requires_grad and not frozen)

    @property
    def is_frozen(self) -> bool:
        """Whether no weight of the encoder is trained."""
        return self.freeze == "all"

    def train(self, mode: bool = True) -> "Encoder":
        """A frozen encoder stays in eval mode: no dropout, layerdrop or masking of its own."""
        super().train(mode and not self.is_frozen)
        return self

    @contextlib.contextmanager
    def passing_gradients(self) -> Iterator[None]:
        """Meanwhile gradients go through to what enters it, frozen or not."""
        self._passes_gradients = True
        try:
            yield
        finally:
            self._passes_gradients = False

    @contextlib.contextmanager
    def _gradients(self) -> Iterator[None]:
        passes = self._passes_gradients or not self.is_frozen
        with torch.set_grad_enabled(torch.is_grad_enabled() and passes):
            yield


class AudioEncoder(Encoder):
    """A speech encoder (HuBERT, wav2vec 2.0, WavLM, data2vec-audio, or one of ours).

    `layer` chooses a hidden state (k is the output of layer k, 0 the input of the first); None the
    encoder's last output. `normalize` brings each waveform to zero mean and unit variance first, as
    the encoder's own feature extractor does where it says do_normalize.
    """

    def __init__(
        self,
        config: PreTrainedConfig,
        *,
        layer: int | None = None,
        normalize: bool = False,
        freeze: str = "none",
        spec_augment: bool = False,
    ) -> None:
        model = AutoModel.from_config(copy.deepcopy(config))
        if hasattr(config, "mask_time_prob"):
            # the module exists by now, so its vector does too; masks given to forward still apply
            model.config.apply_spec_augment = True
            if not spec_augment:
                model.config.mask_time_prob = model.config.mask_feature_prob = 0.0
        super().__init__(model, freeze)
        _check_layer(config, layer)
        self.layer, self.normalize = layer, normalize
        self.width: int = config.hidden_size
        self.padding_safe = is_padding_safe(config)

    def num_frames(self, num_samples: Any) -> Any:
        """Frames that leave the encoder for that many samples (an int or a tensor of ints)."""
        if isinstance(self.model.config, SpeechConfig):
            return self.model.config.num_frames(num_samples)
        return self.model._get_feat_extract_output_lengths(num_samples)

    @property
    def stride(self) -> int:
        """Samples from one frame to the next."""
        return frame_stride(self.model.config)

    @property
    def min_samples(self) -> int:
        """The shortest waveform that gives a frame; shorter ones are padded with zeros to it."""
        if isinstance(self.model.config, SpeechConfig):
            return self.model.config.min_samples
        config, samples = self.model.config, 1
        for kernel, stride in zip(
            reversed(config.conv_kernel), reversed(config.conv_stride), strict=True
        ):
            samples = (samples - 1) * stride + kernel
        return samples

    def forward(self, audio: Sequence, masked: Tensor | None = None) -> Sequence:
        """Frames of each waveform, padding changing nothing on the real ones.

        audio (B, N), masked (B, T) bool: frames hidden from the encoder → (B, T, D).
        """
        if audio.values.shape[1] < self.min_samples:
            missing = self.min_samples - audio.values.shape[1]
            audio = Sequence(
                nn.functional.pad(audio.values, (0, missing)),
                nn.functional.pad(audio.mask, (0, missing)),
            )
        lengths = audio.lengths.clamp(min=self.min_samples)
        frames = torch.where(audio.mask.any(1), self.num_frames(lengths), 0)
        values = audio.values * audio.mask.to(audio.values.dtype)
        if self.normalize:
            values = unit_variance(values, audio.mask)
        with self._gradients():
            if self.padding_safe or audio.is_full:
                states = self.encode(values, None if audio.is_full else audio.mask, masked)
            else:
                states = self._encode_by_length(values, lengths, masked)
        mask = torch.arange(states.shape[1], device=states.device) < frames[:, None]
        return Sequence(states, mask)

    def encode(self, values: Tensor, mask: Tensor | None, masked: Tensor | None) -> Tensor:
        """States (B, T, D) of the chosen layer for waveforms (B, N) that are ready for the model,
        with a mask (B, N) where some are padded; masked as in forward."""
        output = self.model(
            values,
            attention_mask=None if mask is None else mask.long(),
            mask_time_indices=masked,
            output_hidden_states=self.layer is not None,
        )
        return output.last_hidden_state if self.layer is None else output.hidden_states[self.layer]

    def _encode_by_length(self, values: Tensor, lengths: Tensor, masked: Tensor | None) -> Tensor:
        rows: list[Tensor | None] = [None] * len(values)
        for length in lengths.unique().tolist():
            where = (lengths == length).nonzero()[:, 0]
            num_frames = int(self.num_frames(length))
            hidden = masked[where, :num_frames] if masked is not None else None
            states = self.encode(values[where, :length], None, hidden)
            for row, state in zip(where.tolist(), states, strict=True):
                rows[row] = state
        return nn.utils.rnn.pad_sequence([row for row in rows if row is not None], True)


class TextEncoder(Encoder):
    """A text encoder (RoBERTa, BERT), without pooler; `layer` as in AudioEncoder."""

    def __init__(
        self, config: PreTrainedConfig, *, layer: int | None = None, freeze: str = "none"
    ) -> None:
        super().__init__(
            AutoModel.from_config(copy.deepcopy(config), add_pooling_layer=False), freeze
        )
        _check_layer(config, layer)
        self.layer = layer
        self.width: int = config.hidden_size

    @property
    def embeddings(self) -> Tensor:
        """The word embeddings, (V, D)."""
        return self.model.get_input_embeddings().weight

    def forward(
        self, text: Sequence, corruption: Corruption | None = None, mask_token: int = 0
    ) -> Sequence:
        """States of each token; with `corruption` of token ids, of the corrupted text.

        text (B, T) ids → (B, T, D).
        """
        ids = text.values
        if corruption is not None:
            ids = replace_tokens(ids, corruption, mask_token)
        with self._gradients():
            output = self.model(
                input_ids=ids,
                attention_mask=text.mask.long(),
                output_hidden_states=self.layer is not None,
            )
        if self.layer is None:
            return text.with_values(output.last_hidden_state)
        return text.with_values(output.hidden_states[self.layer])


def _check_layer(config: PreTrainedConfig, layer: int | None) -> None:
    if layer is not None and not 0 <= layer <= config.num_hidden_layers:
        raise ValueError(
            f"layer expects 0 to {config.num_hidden_layers} in this encoder, found {layer}"
        )


def frame_stride(config: PreTrainedConfig) -> int:
    """Samples from one frame of a speech encoder to the next."""
    if isinstance(config, SpeechConfig):
        return config.frame_stride
    return math.prod(config.conv_stride)


def is_padding_safe(config: PreTrainedConfig) -> bool:
    """Whether padded samples leave the real frames alone.

    True for the layer-norm ("large") style of HuBERT, wav2vec 2.0 and WavLM; the group norm of the
    "base" style runs over time, and data2vec-audio's stacked positional convolutions carry padding
    into real frames. Our own say it themselves.
    """
    if isinstance(config, SpeechConfig):
        return config.is_padding_safe
    return (
        config.model_type in ("hubert", "wav2vec2", "wavlm") and config.feat_extract_norm == "layer"
    )


def unit_variance(values: Tensor, mask: Tensor) -> Tensor:
    """Waveforms (B, N) with zero mean and unit variance over real samples, zeros elsewhere."""
    weight = mask.to(values.dtype)
    count = weight.sum(1, keepdim=True).clamp(min=1)
    centred = (values - values.sum(1, keepdim=True) / count) * weight
    variance = centred.square().sum(1, keepdim=True) / count
    return centred / (variance + 1e-7).sqrt()
