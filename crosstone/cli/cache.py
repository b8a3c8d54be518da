"""The verb that makes the states of frozen encoders before they are needed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from crosstone.cli.progress import bars
from crosstone.cli.stages import Overrides, RecipeName


def cache(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the states; by default data.encoder_cache, or states/ beside the "
            "corpus."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say the size and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Run the frozen encoders of a recipe once over its corpus, and keep what they make.

    The stages then read it: data.encoder_cache=FOLDER. What is there stays; start it under
    torchrun to share the work, and again after a stop.
    """
    from accelerate import PartialState

    from crosstone.runs.cache import fill_cache, plan_cache
    from crosstone.runs.recipe import load_recipe

    asked = load_recipe(recipe, overrides or [])
    with bars() as show:
        plan = plan_cache(asked, out, progress=show)
    state = PartialState()
    if state.is_main_process:
        for filling in plan.fillings:
            about = filling.made_by
            typer.echo(
                f"{filling.modality}: {len(filling.rows)} to encode, {filling.num_there} there; "
                f"{filling.num_states} states of {about['width']} in {about['dtype']}, "
                f"{_size(filling.num_bytes)}"
            )
        typer.echo(f"{plan.root}: {_size(plan.num_bytes)} to write, {_size(plan.free_bytes)} free")
    if dry_run:
        return
    if plan.num_bytes and not yes and state.num_processes == 1 and sys.stdin.isatty():
        typer.confirm("make them?", default=True, abort=True)
    with bars() as show:
        fill_cache(plan, progress=show)
    if state.is_main_process:
        typer.echo(f"train with data.encoder_cache={plan.root}")
        if asked.data.cache_precision != "float16":
            typer.echo(f"and data.cache_precision={asked.data.cache_precision}")


def _size(num_bytes: int) -> str:
    if num_bytes < 2**30:
        return f"{num_bytes / 2**20:.1f} MiB"
    return f"{num_bytes / 2**30:.1f} GiB"
