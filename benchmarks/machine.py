"""The machine a figure was measured on."""

import os
import platform
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch


def describe_machine() -> dict[str, Any]:
    """Processor, cores, threads, versions, load; the GPU's name where there is one."""
    try:
        load: float | None = round(os.getloadavg()[0], 2)
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every system
        load, cores = None, os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": load,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


class BareProducts:
    """The matrix products of linear layers (m, k, n) and nothing else: forward, and both ways
    back."""

    def __init__(
        self,
        layers: Sequence[tuple[int, int, int]],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        drawn = partial(torch.randn, device=device, dtype=dtype)
        self._layers = [(drawn(m, k), drawn(n, k), drawn(m, n)) for m, k, n in layers]
        self.gflop = sum(6.0 * m * k * n for m, k, n in layers) / 1e9

    def run(self) -> None:
        """All of them once."""
        for inputs, weight, grads in self._layers:
            _ = inputs @ weight.T
            _ = grads @ weight
            _ = grads.T @ inputs
        synchronise()

    def rate(self, repeats: int) -> float:
        """What is reached here, in GFLOP/s: the median of so many runs."""
        self.run()
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - began)
        return self.gflop / median(times)


def synchronise() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
