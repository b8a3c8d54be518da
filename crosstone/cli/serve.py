"""The verb that lets a model answer over HTTP."""

from typing import Annotated

import typer

from crosstone.cli.options import Device, Precision
from crosstone.errors import ConfigError


def serve(
    model: Annotated[str, typer.Argument(help="Model folder, run set, or hub id.")],
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="CROSSTONE_TOKEN", help="What every request to /v1 has to carry."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Which head answers, where there are more.")
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(help="Answer 'unsure' where less than this accuracy can be promised."),
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(help="Intervals or sets of labels that hold the truth so often.")
    ] = None,
    max_mib: Annotated[float, typer.Option(min=0.001, help="Of one upload: else 413.")] = 32.0,
    max_seconds: Annotated[
        float, typer.Option(min=0.05, help="Of a recording answered as a whole: else 422.")
    ] = 60.0,
    timeline_seconds: Annotated[
        float, typer.Option(min=0.05, help="Of a recording as a timeline: else 422.")
    ] = 14_400.0,
    per_minute: Annotated[int, typer.Option(min=1, help="Requests of one client: else 429.")] = 600,
    waiting: Annotated[int, typer.Option(min=1, help="Requests in hand: else 503.")] = 128,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Answer over HTTP, with a page to record on: POST /v1/predict and /v1/timeline, GET /health.

    Ctrl-C or SIGTERM stops it once what it has in hand is answered.
    """
    try:
        from crosstone.serve import Limits
        from crosstone.serve import serve as serve_model
        from crosstone.serve.server import check_token
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "crosstone":
            raise
        raise ConfigError(
            f"serve: expected the packages of crosstone[serve], found no {error.name}; install "
            "them (pip install 'crosstone[serve]')"
        ) from error
    from crosstone.inference.predictor import Predictor

    check_token(host, token)
    limits = Limits(
        max_mib=max_mib,
        max_seconds=max_seconds,
        timeline_seconds=timeline_seconds,
        per_minute=per_minute,
        waiting=waiting,
    )
    serve_model(
        Predictor.load(
            model, head=head, abstain=abstain, coverage=coverage, device=device, precision=precision
        ),
        host=host,
        port=port,
        token=token,
        limits=limits,
        started=lambda address: typer.echo(f"{address} (Ctrl-C stops)", err=True),
    )
