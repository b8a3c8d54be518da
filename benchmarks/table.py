"""All benches by name, and the lines of their table."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from benchmarks.ctal_step import Shape
from benchmarks.machine import BareProducts, describe_machine
from benchmarks.measurement import Row

BENCHES = (
    "ctal_step",
    "cmt_cached_step",
    "epoch",
    "padding",
    "inference",
    "decoding",
    "startup",
    "growth",
    "answers",
    "exported",
    "serve",
)
"""Each a file of this folder with `run(quick=…)`, in the order of the table."""

COLUMNS = (
    "bench",
    "what",
    "ours",
    "against",
    "ratio",
    "spread",
    "in processor time",
    "wanted",
    "memory, MiB",
)


def measure(
    names: Sequence[str], *, quick: bool, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """The machine, and the rows of the benches of these names, all where there is none.

    progress: called with the name of each bench as it starts.
    """
    machine = describe_machine()
    sizes = Shape(batch=1) if quick else Shape()
    machine["gemm_gflops"] = round(BareProducts(sizes.linear_layers).rate(3), 1)
    machine["gpu_memory_gib"] = (
        round(torch.cuda.get_device_properties(0).total_memory / 2**30)
        if torch.cuda.is_available()
        else None
    )
    rows: list[Row] = []
    for name in names or BENCHES:
        if progress is not None:
            progress(name)
        rows += importlib.import_module(f"benchmarks.{name}").run(quick=quick)
    return {"machine": machine, "quick": quick, "rows": [row.as_dict() for row in rows]}


def machine_line(machine: dict[str, Any]) -> str:
    """The machine in one sentence."""
    gpu = f"; {machine['gpu']}, {machine['gpu_memory_gib']} GiB" if machine["gpu"] else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads "
        f"(OMP_NUM_THREADS={machine['omp_num_threads'] or 'unset'}), load {machine['load_average']}"
        f"; {machine['gemm_gflops']:.0f} GFLOP/s in products of CTAL base's shapes, fp32{gpu}; "
        f"torch {machine['torch']}, Python {machine['python']}, {machine['system']}"
    )


def cells(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The cells of each row, as COLUMNS has them; a goal that is missed says so."""
    for row in rows:
        spread, memory = row["spread"], row["memory"]
        goal = row["goal"] or "–"
        yield (
            row["bench"],
            row["what"],
            _number(row["ours"]),
            _number(row["against"]),
            _number(row["ratio"]),
            f"{spread[0]:.2f} … {spread[1]:.2f}" if spread else "–",
            _number(row["processor"]),
            f"{goal}, missed" if row["met"] is False else goal,
            f"{memory[0]:.0f} : {memory[1]:.0f}" if memory else "–",
        )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
