"""Strided convolutions and recurrent layers over padded sequences, padding changing nothing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crosstone.sequence import Sequence


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) whose statistics are of real places alone.

    Equal to `torch.nn.BatchNorm1d` where nothing is padded, running statistics included. A batch
    of fewer than two real places has no variance: it is normalised as in eval mode, and leaves the
    running statistics as they are.

    In training an item depends on its neighbours, so results depend on the micro-batch too. With
    several processes each takes the statistics of its own share, and DistributedDataParallel keeps
    the running ones of the first. `torch.nn.SyncBatchNorm.convert_sync_batchnorm` makes them
    common, weighted by real places, but on CUDA only; nothing here calls it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, states: Sequence) -> Sequence:
        """The same places, normalised; padded ones become zero. values (B, T, D)."""
        real = states.values[states.mask]
        if self.training and len(real) < 2:
            norm = self.norm
            real = F.batch_norm(
                real, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        else:
            real = self.norm(real)
        values = real.new_zeros(states.values.shape)
        values[states.mask] = real
        return states.with_values(values)


class StridedConvolution(nn.Module):
    """A convolution over time that lowers the frame rate, then batch norm, then ReLU.

    Half a kernel of zeros stands on either side, so n frames give ⌈n / stride⌉, at least one where
    there was one. The convolution has no bias, which the batch norm would take away again.
    """

    def __init__(self, input_width: int, width: int, *, kernel: int = 3, stride: int = 2) -> None:
        super().__init__()
        if not kernel % 2:
            raise ValueError(f"kernel expects an odd number of frames, found {kernel}")
        self.stride = stride
        self.convolution = nn.Conv1d(
            input_width, width, kernel, stride, padding=kernel // 2, bias=False
        )
        self.norm = MaskedBatchNorm(width)

    def forward(self, states: Sequence) -> Sequence:
        """values (B, T, D), in each row the real places first → (B, ⌈T / stride⌉, width)."""
        values = states.values.masked_fill(~states.mask[..., None], 0.0)
        values = self.convolution(values.transpose(1, 2)).transpose(1, 2)
        lengths = (states.lengths - 1) // self.stride + 1
        mask = torch.arange(values.shape[1], device=lengths.device) < lengths[:, None]
        normed: Sequence = self.norm(Sequence(values, mask))
        return normed.with_values(normed.values.relu())


class BiLSTM(nn.Module):
    """One bidirectional LSTM layer, the backward direction starting at each item's last real place.

    `dropout` falls on its output; the argument of `torch.nn.LSTM` falls between layers alone, and
    so is ignored where there is one.
    """

    def __init__(self, input_width: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_width, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Sequence) -> Sequence:
        """values (B, T, D), in each row the real places first → (B, T, 2 · hidden).

        Padded places become zero, so also all of an item that has no real one.
        """
        padded = ~states.mask[..., None]
        packed = pack_padded_sequence(
            states.values.masked_fill(padded, 0.0),
            states.lengths.clamp(min=1).cpu(),  # packing refuses an item without any place
            batch_first=True,
            enforce_sorted=False,
        )
        values: Tensor = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=states.values.shape[1]
        )[0]
        return states.with_values(self.dropout(values).masked_fill(padded, 0.0))
