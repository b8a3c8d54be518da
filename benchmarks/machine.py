"""The machine a figure was measured on."""

import os
import platform
import time
from collections.abc import Sequence
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


def gemm_gflops(
    shapes: Sequence[tuple[int, int, int]],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    repeats: int = 5,
) -> float:
    """What matrix products alone reach here, in GFLOP/s, over all shapes (m, k, n) together.

    Each is the median of `repeats`, as a linear layer multiplies: forward, and both ways back.
    """
    flops = seconds = 0.0
    for m, k, n in shapes:
        inputs = torch.randn(m, k, device=device, dtype=dtype)
        weight = torch.randn(n, k, device=device, dtype=dtype)
        grads = torch.randn(m, n, device=device, dtype=dtype)
        products = (
            lambda x=inputs, w=weight: x @ w.T,
            lambda g=grads, w=weight: g @ w,
            lambda g=grads, x=inputs: g.T @ x,
        )
        for product in products:
            product()
            times = []
            for _ in range(repeats):
                synchronise()
                began = time.perf_counter()
                product()
                synchronise()
                times.append(time.perf_counter() - began)
            seconds += median(times)
            flops += 2.0 * m * k * n
    return flops / seconds / 1e9


def synchronise() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
