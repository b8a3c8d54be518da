"""The verbs about data: prepare, check, codebook."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstone.cli.progress import bars
from crosstone.errors import CheckFailed, ConfigError


def prepare(
    name: Annotated[str, typer.Argument(help="The corpus: table, iemocap, mosei, lhotse, …")],
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

    from crosstone.data.corpora import CORPORA, options_of
    from crosstone.reports.wording import duration

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
    _refuse_unknown(name, options, options_of(name))
    with bars() as show:
        corpus = CORPORA[name](
            root or out,
            out,
            progress=lambda done, total: show(f"preparing {name}", done, total),
            **options,
        )
    seconds = float(corpus.durations[corpus.durations > 0].sum())
    typer.echo(
        f"{out}: {len(corpus)} utterances, {duration(seconds)}, "
        f"{len({s for s in corpus.speakers if s})} speakers, "
        f"{len({g for g in corpus.groups if g})} groups, hash {corpus.hash}"
    )
    for key in ("ceilings", "clamped", "without_audio", "ties", "trials"):
        if noted := corpus.extras.get(key):
            typer.echo(f"{key}: {_told(noted)}")


def _refuse_unknown(name: str, options: Iterable[str], known: Sequence[str]) -> None:
    """Raise ConfigError for an option that a corpus does not have."""
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"prepare {name} --set {option}: expected one of {', '.join(known)}, found "
                f"{option}{hint}"
            )


def _told(noted: Any) -> str:
    """A note of a corpus on one line."""
    if isinstance(noted, dict):
        return ", ".join(f"{name} {_told(value)}" for name, value in noted.items())
    if isinstance(noted, list):
        return " and ".join(map(str, noted))
    return f"{noted:.3f}" if isinstance(noted, float) else str(noted)


def check(
    corpus: Annotated[Path, typer.Argument(help="Folder that prepare wrote.")],
    page: Annotated[
        Path | None,
        typer.Option("--page", "--out", help="File for a page (HTML) with every count."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every count and fault as JSON, nothing else.")
    ] = False,
    max_seconds: Annotated[float, typer.Option(help="A longer utterance is a fault.")] = 60.0,
    listen: Annotated[
        bool,
        typer.Option("--listen/--no-listen", help="Decode every recording, or only look for it."),
    ] = True,
    workers: Annotated[
        int | None, typer.Option(help="Threads that decode; by default one for each core.")
    ] = None,
) -> None:
    """What a corpus holds, and every fault of it at once; exit 1 where there is one."""
    import json
    from dataclasses import asdict

    from crosstone.data.corpus import Corpus
    from crosstone.data.faults import examine, format_faults, keep_examination
    from crosstone.reports.checkup import checkup_lines, checkup_page
    from crosstone.reports.wording import count

    opened = Corpus.open(corpus)
    with bars() as show:
        examination = examine(
            opened,
            max_seconds=max_seconds,
            listen=listen,
            workers=workers,
            progress=lambda done, total: show("listening" if listen else "reading", done, total),
        )
    faults = examination.faults
    if listen:
        keep_examination(opened, max_seconds, examination)
    found = {**examination.findings, "faults": [asdict(fault) for fault in faults]}
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(checkup_page(found).html(), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        for line in checkup_lines(found):
            typer.echo(line)
        typer.echo(format_faults(faults))
    errors = [fault for fault in faults if fault.severity == "error"]
    lacking = sum(fault.kind == "incomplete" for fault in errors)
    remedies = []
    if len(errors) > lacking:
        remedies.append(
            f"{count(len(errors) - lacking, 'fault')}; mend what is wrong and prepare again, or "
            "train with --skip-faulty"
        )
    if lacking:
        remedies.append(
            f"{count(lacking, 'count')} differ{'s' * (lacking == 1)} from a whole copy; complete "
            "it and prepare again, or train on what is there: a protocol that enforces its counts "
            "then needs protocol.enforce=false, and every table says so"
        )
    if remedies:
        raise CheckFailed(f"{corpus}: " + "\n  ".join(remedies))


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
