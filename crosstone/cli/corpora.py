"""The verbs about data: prepare, check, codebook."""

from pathlib import Path
from typing import Annotated, Any

import typer

from crosstone.cli.progress import bars
from crosstone.errors import CheckFailed, ConfigError


def prepare(
    name: Annotated[str, typer.Argument(help="table, ravdess or twokey.")],
    root: Annotated[
        Path | None, typer.Argument(help="The raw corpus: a folder, or the table's file.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the prepared corpus.")] = ...,  # type: ignore[assignment]
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the corpus, as in law=quadrants; repeatable."),
    ] = None,
) -> None:
    """Raw recordings and labels → a checked corpus folder."""
    import yaml

    from crosstone.data.corpora import CORPORA

    if name not in CORPORA:
        raise ConfigError(f"prepare: expected one of {', '.join(CORPORA)}, found '{name}'")
    if root is None and name != "twokey":
        raise ConfigError(f"prepare {name}: expected where the raw corpus lies, found nothing")
    options: dict[str, Any] = {}
    for setting in settings or []:
        key, sign, text = setting.partition("=")
        if not sign:
            raise ConfigError(f"--set {setting}: expected key=value, as in law=quadrants")
        try:
            options[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: the value is not valid YAML") from error
    with bars() as show:
        try:
            corpus = CORPORA[name](
                root or out,
                out,
                progress=lambda done, total: show(f"preparing {name}", done, total),
                **options,
            )
        except TypeError as error:
            if "keyword argument" not in str(error):
                raise
            raise ConfigError(f"prepare {name} --set: {error}") from error
    hours = float(corpus.durations[corpus.durations > 0].sum()) / 3600
    typer.echo(
        f"{out}: {len(corpus)} utterances, {hours:.2f} h, "
        f"{len({s for s in corpus.speakers if s})} speakers, "
        f"{len({g for g in corpus.groups if g})} groups, hash {corpus.hash}"
    )
    for key in ("ceilings", "incomplete", "skipped"):
        if corpus.extras.get(key):
            typer.echo(f"{key}: {corpus.extras[key]}")


def check(
    corpus: Annotated[Path, typer.Argument(help="Folder that prepare wrote.")],
    max_seconds: Annotated[float, typer.Option(help="A longer utterance is a fault.")] = 60.0,
) -> None:
    """Every fault of a corpus at once; exit 1 where there is one."""
    from crosstone.data.corpus import Corpus
    from crosstone.data.faults import find_faults, format_faults

    opened = Corpus.open(corpus)
    with bars() as show:
        faults = find_faults(
            opened,
            max_seconds=max_seconds,
            progress=lambda done, total: show("listening", done, total),
        )
    typer.echo(f"{opened.name}: {len(opened)} utterances, hash {opened.hash}")
    typer.echo(format_faults(faults))
    errors = sum(fault.severity == "error" for fault in faults)
    if errors:
        raise CheckFailed(
            f"{corpus}: {errors} faults; mend them and prepare again, or train with --skip-faulty"
        )


def codebook(
    corpus: Annotated[Path, typer.Argument(help="Folder that prepare wrote.")],
    out: Annotated[Path, typer.Option(help="File for the centres, in safetensors.")] = ...,  # type: ignore[assignment]
    encoder: Annotated[
        str | None, typer.Option(help="Speech encoder: folder or hub id; without it MFCC.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Its hidden state; without it its output.")
    ] = None,
    num_codes: Annotated[int, typer.Option(help="Codewords.")] = 500,
    stride: Annotated[int, typer.Option(help="Samples between frames of MFCC.")] = 320,
    sample: Annotated[float, typer.Option(help="Share of the utterances that is heard.")] = 0.1,
    split: Annotated[str | None, typer.Option(help="Only this part of the corpus.")] = None,
    max_iter: Annotated[int, typer.Option(help="Passes of k-means over the sample.")] = 100,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Fit the codewords that masked audio prediction predicts."""
    from crosstone.data.corpus import Corpus
    from crosstone.runs.codes import make_codebook

    opened = Corpus.open(corpus)
    if split is not None:
        opened = opened.where(lambda utterance: utterance.split == split)
    with bars() as show:
        made = make_codebook(
            opened,
            out,
            encoder=encoder,
            layer=layer,
            stride=stride,
            num_codes=num_codes,
            sample=sample,
            max_iter=max_iter,
            seed=seed,
            progress=lambda done, total: show("listening", done, total),
        )
    typer.echo(
        f"{out}: {len(made.centres)} codewords every {made.stride} samples, hash {made.hash}"
    )
