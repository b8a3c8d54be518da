"""The verb that regenerates a table or figure: study."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosstone.cli.progress import bars
from crosstone.errors import ConfigError

if TYPE_CHECKING:
    from crosstone.studies.plan import Plan


def study(
    name: Annotated[
        str, typer.Argument(help="A study, or `list`: what each shows, its runs and hours here.")
    ],
    options: Annotated[
        list[str] | None,
        typer.Argument(
            help="corpus=FOLDER of one that prepare wrote, by default twokey, made on the spot; "
            "and what else its ground needs, as in unlabelled=FOLDER."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each system.")] = 3,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; by default two.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for every study; what they share is done once.")
    ] = Path("studies"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny, one fold, one seed: that it runs, no claims.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="A system's name: train that one alone; repeatable.")
    ] = None,
    budget: Annotated[
        int,
        typer.Option(min=1, help="Settings that each system is tried with, chosen on validation."),
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps, wave by wave, and stop.")
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(help="Do one step alone, as --dry-run numbers it: WAVE.NUMBER."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Of `list` and --dry-run: print JSON.")
    ] = False,
) -> None:
    """A grid of runs that ends in a paper's table or figure, beside its claims.

    What is done is never done twice: ask again to go on, or with more seeds.
    """
    from crosstone.studies.register import STUDIES, named_study

    if name == "list":
        _list(list(STUDIES), options or [], seeds, as_json)
        return
    from crosstone.studies.execution import do_step, execute
    from crosstone.studies.grounds import ground_of
    from crosstone.studies.page import write_study
    from crosstone.studies.plan import plan_study
    from crosstone.studies.tuning import with_budget

    if quick and budget > 1:
        raise ConfigError("study: --quick claims nothing, so expected no --budget with it")
    plan = plan_study(
        named_study(name),
        ground_of(quick=quick, **_options(options or [])),
        range(1 if quick else seeds),
        only=only or (),
    )
    plan = with_budget(plan, budget)
    if dry_run:
        _show(plan, out, as_json)
        return
    with bars() as show:
        if task is not None:
            do_step(plan.at(task), out, show)
            return
        execute(plan.steps, out, jobs=jobs, progress=show)
        files = write_study(
            plan, out, command=_command(name, options, seeds, quick, only, budget, out)
        )
    typer.echo(files.markdown.read_text(encoding="utf-8"))
    typer.echo(f"{files.html}", err=True)


def _list(names: list[str], options: list[str], seeds: int, as_json: bool) -> None:
    from rich.console import Console

    from crosstone.studies.cost import costs_of
    from crosstone.studies.grounds import ground_of

    found = costs_of(names, ground_of(quick=False, **_options(options)), range(seeds))
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False, soft_wrap=True)
    for entry in found:
        console.print(f"[bold]{entry['name']}[/bold] {entry['shows']}")
        console.print(f"  {entry['source']}", markup=False)
        said = entry["why_not"] or (
            f"{entry['systems']} systems, {entry['runs']} runs with {seeds} seeds in "
            f"{entry['steps']} steps, about {entry['hours']:.2g} hours on one core here"
        )
        console.print(f"  {said}", markup=False)


def _show(plan: "Plan", out: Path, as_json: bool) -> None:
    """Every step with its wave and number, its folder, and whether it is done."""
    from crosstone.studies.plan import is_done

    rows = [
        {
            "task": f"{wave}.{number}",
            "title": step.title,
            "folder": str(step.folder(out)),
            "done": is_done(step, out),
        }
        for wave, steps in enumerate(plan.levels())
        for number, step in enumerate(steps)
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        state = "done" if row["done"] else "-"
        typer.echo("\t".join([str(row["task"]), state, str(row["title"]), str(row["folder"])]))


def _options(settings: list[str]) -> dict[str, str]:
    from crosstone.studies.grounds import OPTIONS

    known = ("corpus", *OPTIONS)
    found = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign or not value:
            raise ConfigError(
                f"study: expected NAME=VALUE, as in corpus=corpora/iemocap, found '{setting}'"
            )
        if key not in known:
            raise ConfigError(f"study: expected {', '.join(known)}, found '{key}'")
        found[key] = value
    return found


def _command(
    name: str,
    options: list[str] | None,
    seeds: int,
    quick: bool,
    only: list[str] | None,
    budget: int,
    out: Path,
) -> str:
    words = ["crosstone study", name, *map(shlex.quote, options or [])]
    words += ["--quick"] if quick else [f"--seeds {seeds}"]
    words += [f"--only {shlex.quote(system)}" for system in only or ()]
    words += [f"--budget {budget}"] * (budget > 1) + [f"--out {shlex.quote(str(out))}"]
    return " ".join(words)
