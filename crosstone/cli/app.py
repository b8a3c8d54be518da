"""The verbs, and the one place where an error becomes a sentence and an exit code."""

import errno
import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from crosstone import __version__
from crosstone.cli import (
    bench,
    cache,
    catalogue,
    corpora,
    explain,
    export,
    models,
    predict,
    protocols,
    results,
    serve,
    stages,
    study,
)
from crosstone.errors import CrosstoneError

app = typer.Typer(
    name="crosstone",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Audio–text models of emotion and sentiment: pretrained, adapted, fine-tuned, verified.",
)


class _InOrder(TyperGroup):
    """Lists the verbs in the order of the work."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app.info.cls = _InOrder


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # we show our own


for command in (
    results.demo,
    corpora.prepare,
    corpora.check,
    export.export,
    corpora.codebook,
    cache.cache,
    protocols.protocols,
    catalogue.models,
    stages.pretrain,
    stages.adapt,
    stages.finetune,
    models.import_,
    models.evaluate,
    models.calibrate,
    results.score,
    results.audit,
    results.compare,
    results.report,
    study.study,
    models.card,
    predict.predict,
    explain.explain,
    serve.serve,
    bench.bench,
):
    app.command(command.__name__.rstrip("_"))(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit 2 on bad input, 1 on a failed check."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        app(arguments)
    except CrosstoneError as error:
        if "--debug" in arguments:
            raise
        _say(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if "--debug" in arguments or error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS):
            raise
        _say(
            f"{error.filename or 'output'}: cannot be written ({error.strerror}); nothing that was "
            "complete is lost, make room or choose another folder and go on with --resume"
        )
        sys.exit(2)


def _say(sentence: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]error:[/bold red]", end=" ")
    console.print(sentence, markup=False)
