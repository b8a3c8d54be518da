"""The three stages: one path, three recipes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from crosstone.cli.progress import bars
from crosstone.errors import ConfigError

RecipeName = Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Dotted overrides, as in optim.lr=3e-5.")
]
Out = Annotated[Path, typer.Option(help="Folder for the run set.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what was cut off.")]
SkipFaulty = Annotated[
    bool, typer.Option("--skip-faulty", help="Leave faulty utterances out, and say how many.")
]


def pretrain(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: Out = ...,  # type: ignore[assignment]
    resume: Resume = False,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Masked prediction on recordings and transcripts without labels."""
    _run("pretrain", recipe, overrides or [], out, resume, skip_faulty)


def adapt(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: Out = ...,  # type: ignore[assignment]
    resume: Resume = False,
    skip_faulty: SkipFaulty = False,
) -> None:
    """The same on the target corpus, for each fold on its training side alone."""
    _run("adapt", recipe, overrides or [], out, resume, skip_faulty)


def finetune(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A recipe file or the name of a shipped one; not with --data."),
    ] = None,
    overrides: Overrides = None,
    out: Out = ...,  # type: ignore[assignment]
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own CSV or JSONL with the columns audio, text, label; or a folder that "
            "prepare wrote."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The label column of --data.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="For --data: a model folder to start from, or a family (crosstone models)."
        ),
    ] = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="For --data: numbers in the label column are names.")
    ] = False,
    resume: Resume = False,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Train on labels: every fold and seed of a protocol, then the scores.

    With --data: your own table, the folds by its session or speaker column, and a model trained on
    all of it that `crosstone predict` takes. A protocol by name goes with it too, as in
    protocol.name=meld-emotion.
    """
    arguments = list(overrides or [])
    if data is None:
        if recipe is None:
            raise ConfigError("finetune: expected a recipe or --data, found neither")
        if target is not None or model is not None:
            raise ConfigError(
                "finetune: --target and --model go with --data; use overrides instead"
            )
        _run("finetune", recipe, arguments, out, resume, skip_faulty)
        return
    if target is None:
        raise ConfigError("finetune --data: expected --target, the label column, found nothing")
    if recipe is not None:  # with --data the first argument is an override
        arguments = [recipe, *arguments]
    from crosstone.runs.table import table_recipe

    with bars() as show:
        tree = table_recipe(
            data,
            target,
            model,
            out,
            classes=classes,
            resume=resume,
            progress=lambda done, total: show("preparing", done, total),
        )
    _run(
        "finetune", "table-finetune", arguments, out, resume, skip_faulty, over=tree, target=target
    )
    if (out / "model").is_dir():
        typer.echo(f"its model answers: crosstone predict {out} RECORDING", err=True)


def _run(
    stage: str,
    name: str,
    overrides: list[str],
    out: Path,
    resume: bool,
    skip_faulty: bool,
    over: dict[str, Any] | None = None,
    target: str | None = None,
) -> None:
    from crosstone.runs.recipe import load_recipe
    from crosstone.runs.runset import run

    if skip_faulty:
        overrides = [*overrides, "data.skip_faulty=true"]
    recipe = load_recipe(name, overrides, over=over)
    if recipe.stage != stage:
        raise ConfigError(
            f"{name}: is a recipe for crosstone {recipe.stage}, found crosstone {stage}"
        )
    if target is not None and recipe.protocol is not None and recipe.protocol.target != target:
        raise ConfigError(
            f"finetune --data: --target is '{target}', but "
            f"{recipe.protocol.name or 'the protocol'} predicts "
            f"'{recipe.protocol.target}'; ask for that, or choose another protocol"
        )
    with bars() as show:
        run(recipe, out, resume=resume, progress=show)
    if recipe.stage == "finetune":
        from crosstone.cli.tables import print_scores

        print_scores([out])
    typer.echo(f"{out}", err=True)
