"""Options that several verbs share."""

from typing import Annotated, Literal

import typer

Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, cuda:1 or mps; if none, a CUDA device where there is one."),
]
Precision = Annotated[
    Literal["float32", "bf16"],
    typer.Option(help="bf16 is faster on hardware that computes in it, and rounds."),
]
