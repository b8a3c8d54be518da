"""How fast a run goes: items and speech a second, time left, the share of the machine used."""

import sys
import time
from dataclasses import dataclass

import torch

from crosstone.training.step import StepResult


@dataclass
class Meter:
    """Speeds since it was last read, over all processes.

    step: where this sitting begins; total: where the run ends. flops_per_place: of a padded place
    of the input, forwards and backwards; tflops: the most that all processes reach together. None
    of either: no utilisation.
    """

    step: int
    total: int
    flops_per_place: float | None = None
    tflops: float | None = None

    def __post_init__(self) -> None:
        self._begun, self._first = time.monotonic(), self.step
        self._then, self._samples, self._speech, self._places = self._begun, 0, 0.0, 0

    def take(self, taken: StepResult, speech: float | None) -> None:
        """One step more, with the seconds of speech in it, where that is known."""
        self.step += 1
        self._samples += taken.samples
        self._places += taken.places
        self._speech += speech or 0.0

    def read(self) -> dict[str, float]:
        """Items, seconds of speech and, where asked, a share of the peak; seconds left at the mean
        pace of this sitting, its scores and checkpoints included."""
        now = time.monotonic()
        seconds = max(now - self._then, 1e-9)
        said = {"samples_per_second": self._samples / seconds}
        if self._speech:
            said["speech_per_second"] = self._speech / seconds
        if self.flops_per_place is not None and self.tflops is not None:
            flops = self.flops_per_place * self._places
            said["utilisation"] = flops / seconds / (self.tflops * 1e12)
        pace = (now - self._begun) / max(self.step - self._first, 1)
        said["seconds_left"] = pace * (self.total - self.step)
        self._then, self._samples, self._speech, self._places = now, 0, 0.0, 0
        return said


def measured_tflops(device: torch.device, dtype: torch.dtype, size: int | None = None) -> float:
    """The best of five products of square matrices on this device, in 10¹² operations a second.

    size: their width; None: 8192 on a GPU, 1024 elsewhere.
    """
    width = size or (8192 if device.type == "cuda" else 1024)
    one = torch.randn(width, width, device=device).to(dtype)
    other = torch.randn(width, width, device=device).to(dtype)
    torch.mm(one, other)
    best = float("inf")
    for _ in range(5):
        _wait(device)
        begun = time.perf_counter()
        torch.mm(one, other)
        _wait(device)
        best = min(best, time.perf_counter() - begun)
    return 2 * width**3 / best / 1e12


def memory_peaks(device: torch.device) -> dict[str, float | None]:
    """The most memory that this process has held, in MiB, of the machine and of the device."""
    peaks = {"peak_memory_mib": peak_memory_mib()}
    if device.type == "cuda":
        peaks["peak_device_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return peaks


def peak_memory_mib() -> float | None:
    """The most memory this process has held, in MiB; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _wait(device: torch.device) -> None:
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()
