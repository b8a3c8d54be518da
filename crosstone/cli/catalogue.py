"""The verb that lists what there is to train."""

import json
from typing import Annotated

import typer


def models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Families to show; without any, all of them.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="The shipped recipes instead, with what each is.")
    ] = False,
) -> None:
    """The families and their sizes: what each hears and reads, exact counts of parameters with the
    encoders of its paper, and the published tables with its numbers."""
    if recipes:
        _list_recipes(json_)
        return
    from crosstone.cli.tables import print_catalogue
    from crosstone.runs.catalogue import catalogue

    families = catalogue(names or ())
    if json_:
        typer.echo(json.dumps(families, indent=2, ensure_ascii=False))
    else:
        print_catalogue(families)


def _list_recipes(as_json: bool) -> None:
    from crosstone.runs.recipe import shipped_recipes

    found = shipped_recipes()
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    width = max(map(len, found))
    for name, what in found.items():
        typer.echo(f"{name:<{width}}  {what}")
