"""Layers in a form that one graph of dynamic lengths holds, with the results of those they replace.

None is trained, and none asks a value how to go on.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from crosstone.nn.features import LogMel
from crosstone.nn.joining import BOS, EOS
from crosstone.nn.quantizer import KMeansQuantizer
from crosstone.nn.recurrent import BiLSTM, MaskedBatchNorm
from crosstone.nn.speechbert import SpeechBertModel
from crosstone.sequence import Sequence


def rewrite(module: nn.Module) -> None:
    """Put into a module, in eval mode, the form of each layer that has another one here."""
    for name, child in module.named_children():
        if (form := _FORMS.get(type(child))) is not None:
            setattr(module, name, form(child))
        else:
            rewrite(child)


class ConvolvedLogMel(nn.Module):
    """`LogMel` without a Fourier transform: windowed sines and cosines slide over the waveform.

    The mel filters are a convolution too, which int8 leaves alone: a power spectrum spans more than
    256 steps.
    """

    kernels: Tensor
    filters: Tensor

    def __init__(self, features: LogMel) -> None:
        super().__init__()
        self.hop, self.num_frames = features.hop, features.num_frames
        sample = torch.arange(features.window_size, dtype=torch.float64)[:, None]
        bins = torch.arange(features.n_fft // 2 + 1, dtype=torch.float64)
        angles = 2 * math.pi * (sample * bins % features.n_fft) / features.n_fft
        waves = torch.cat([angles.cos(), angles.sin()], 1) * features.window.double()[:, None]
        self.register_buffer("kernels", waves.T[:, None].float())
        self.register_buffer("filters", features.filters[:, :, None].float())

    def forward(self, waveform: Tensor) -> Tensor:
        """waveform (B, N), N at least one window → natural log energies (B, T, num_mels)."""
        real, imaginary = F.conv1d(waveform[:, None], self.kernels, stride=self.hop).chunk(2, 1)
        power = real.square() + imaginary.square()
        return torch.log(F.conv1d(power, self.filters) + 1e-6).transpose(1, 2)


class RunningNorm(nn.Module):
    """`MaskedBatchNorm` by its running statistics, at every place alike."""

    def __init__(self, masked: MaskedBatchNorm) -> None:
        super().__init__()
        self.norm = masked.norm

    def forward(self, states: Sequence) -> Sequence:
        """The same places, normalised; padded ones become zero. values (B, T, D)."""
        values = self.norm(states.values.transpose(1, 2)).transpose(1, 2)
        return states.with_values(values.masked_fill(~states.mask[..., None], 0.0))


class TurnedLSTM(nn.Module):
    """`BiLSTM` as two layers that run forwards, the second over each item from its own end."""

    def __init__(self, both: BiLSTM) -> None:
        super().__init__()
        lstm = both.lstm
        self.forwards = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
        self.backwards = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
        weights = lstm.state_dict()
        for layer, ending in ((self.forwards, ""), (self.backwards, "_reverse")):
            layer.load_state_dict({k: weights[k + ending] for k in layer.state_dict()})

    def forward(self, states: Sequence) -> Sequence:
        """values (B, T, D), in each row the real places first → (B, T, 2 · hidden)."""
        padded = ~states.mask[..., None]
        values = states.values.masked_fill(padded, 0.0)
        zeros = values.new_zeros(1, values.shape[0], self.forwards.hidden_size)
        place = torch.arange(values.shape[1], device=values.device).expand(states.mask.shape)
        turned = torch.where(states.mask, states.lengths[:, None] - 1 - place, place)
        ahead, _ = self.forwards(values, (zeros, zeros))
        back, _ = self.backwards(_at(values, turned), (zeros, zeros))
        # the exporter takes the length of what leaves an LSTM for the traced example's
        both = torch.cat([_at(ahead, place), _at(back, turned)], -1)
        return states.with_values(both.masked_fill(padded, 0.0))


def _at(values: Tensor, places: Tensor) -> Tensor:
    """values (B, T, D) at places (B, T) in time."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))


class SpeechTokensAtOnce(nn.Module):
    """A Speech-BERT whose recordings are tokenised side by side: all of a batch have one length.

    Distances to codewords are taken in double precision, so that what they round off is less than
    what torch's own do.
    """

    table: Tensor

    def __init__(self, model: SpeechBertModel) -> None:
        super().__init__()
        self.config = model.config
        self.tokenizer: Any = model.tokenizer
        self.bert = model.bert
        self.register_buffer("table", model.join_table.flatten())

    def forward(
        self, input_values: Tensor, *, output_hidden_states: bool = False, **_: Any
    ) -> BaseModelOutput:
        """input_values (B, N), N at least the encoder's min_samples."""
        codes = self._codes(self.tokenizer._encode(input_values[:, None]))
        place = codes[..., 0]
        for group in range(1, codes.shape[-1]):
            place = place * self.tokenizer.config.num_codes + codes[..., group]
        tokens = self.table[place][:, : self.config.max_tokens - 2]
        ids = F.pad(F.pad(tokens, (1, 0), value=BOS), (0, 1), value=EOS)
        output = self.bert(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            output_hidden_states=output_hidden_states,
        )
        return BaseModelOutput(
            last_hidden_state=output.last_hidden_state, hidden_states=output.hidden_states
        )

    def _codes(self, features: Tensor) -> Tensor:
        """features (B, C, T) → codes (B, T, G)."""
        quantizer = self.tokenizer.quantizer
        if not isinstance(quantizer, KMeansQuantizer):
            codes: Tensor = quantizer(features.transpose(1, 2))
            return codes
        projected = quantizer.norm(quantizer.projection(features)).transpose(1, 2).double()
        points = projected.unflatten(2, (quantizer.num_groups, -1)).transpose(1, 2)
        words = quantizer.codewords.transpose(0, 1).double()  # (1 or G, V, W)
        far: Tensor = words.square().sum(-1)[:, None] - 2 * points @ words.transpose(-1, -2)
        return far.argmin(-1).transpose(1, 2)


_FORMS: dict[type[nn.Module], Any] = {
    LogMel: ConvolvedLogMel,
    MaskedBatchNorm: RunningNorm,
    BiLSTM: TurnedLSTM,
    SpeechBertModel: SpeechTokensAtOnce,
}
