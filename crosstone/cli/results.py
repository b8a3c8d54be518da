"""The verbs about numbers: score, audit, compare, report, and the demo that shows it all."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from crosstone.cli.progress import bars
from crosstone.errors import CheckFailed, ConfigError

Unit = Literal["speaker", "group", "item"]


def score(
    predictions: Annotated[
        Path, typer.Argument(help="A run set, or any predictions.jsonl of its form.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File for the scores; by default scores.json beside it.")
    ] = None,
) -> None:
    """predictions.jsonl → scores.json, and nothing else decides a number."""
    from crosstone.cli.tables import print_scores
    from crosstone.scoring.score import score_predictions

    folder = predictions if predictions.is_dir() else predictions.parent
    path = out or folder / "scores.json"
    scores = score_predictions(predictions)
    scores.write(path)
    print_scores([path])


def audit(
    file: Annotated[
        Path,
        typer.Argument(help="CSV or JSONL with the columns id and prediction, of any toolkit."),
    ],
    protocol: Annotated[str, typer.Option(help="A name of `crosstone protocols`.")] = ...,  # type: ignore[assignment]
    corpus: Annotated[
        Path | None, typer.Option(help="Folder that prepare wrote: who is tested, and the targets.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="A column under another name, as in id=utterance; repeatable."),
    ] = None,
    heads: Annotated[
        bool, typer.Option("--heads", help="Probabilities are of one two-way head per class.")
    ] = False,
    unit: Annotated[
        Unit | None, typer.Option(help="What the bootstrap draws; by default as in score.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predictions of any toolkit: ids, folds and counts checked, every convention with intervals.

    Columns: id, prediction or a probability per class, and where there are any target, fold, seed,
    speaker, group, split; of trials enrol, test, score, target. Exit 1 where a check fails.
    """
    from crosstone.audit import audit as audit_file
    from crosstone.cli.tables import print_audit
    from crosstone.data.corpus import Corpus

    names = {}
    for setting in map_ or []:
        key, sign, column = setting.partition("=")
        if not sign or not column:
            raise ConfigError(f"--map {setting}: expected ours=theirs, as in id=utterance")
        names[key] = column
    opened = None if corpus is None else Corpus.open(corpus)
    done = audit_file(file, protocol, corpus=opened, names=names, heads=heads, unit=unit)
    if json_:
        typer.echo(json.dumps(done.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_audit(done.as_dict())
    if done.faults:
        failed = ", ".join(check.what for check in done.faults)
        raise CheckFailed(
            f"{file}: not a result of {protocol}: {failed} differ; the numbers are of what is there"
        )


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run sets on the same items.")],
    metric: Annotated[
        str | None, typer.Option(help="The metric; by default the protocol's headline.")
    ] = None,
    unit: Annotated[
        Unit | None, typer.Option(help="What is drawn and exchanged; by default as in score.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Name or folder that each other is held against.")
    ] = None,
    detect: Annotated[
        float | None, typer.Option(help="The difference whose needed utterances are asked.")
    ] = None,
    correction: Annotated[
        Literal["holm", "bh"],
        typer.Option(help="For many pairs: Holm, or Benjamini and Hochberg."),
    ] = "holm",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Whether run sets really differ, in one sentence per pair, and how much data would show it."""
    from crosstone.cli.tables import print_judgement
    from crosstone.reports.comparison import read_systems
    from crosstone.reports.verdicts import judge

    systems = read_systems(runs, unit=unit)
    judgement = judge(
        systems, metric=metric, baseline=baseline, detect=detect, correction=correction
    )
    if json_:
        typer.echo(json.dumps(judgement.as_dict(), indent=2, ensure_ascii=False))
    else:
        print_judgement(judgement.as_dict())


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run sets, and pretraining runs for probes; or one study's folder."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.md and report.html; a study's is its own."),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Name of the system that the others are compared with.")
    ] = None,
) -> None:
    """Run sets, or a study → a Markdown table and one self-contained page."""
    studies = [run for run in runs if (run / "study.json").exists()]
    if studies:
        if len(runs) > 1 or out is not None or baseline is not None:
            raise ConfigError(
                f"report: {studies[0]} is a study, which has a page of its own: expected it alone, "
                "without --out and --baseline"
            )
        from crosstone.studies.page import write_study_page

        written = write_study_page(studies[0])
        typer.echo(written.markdown.read_text(encoding="utf-8"))
        typer.echo(f"{written.html}", err=True)
        return
    if out is None:
        raise ConfigError("report: expected --out with the folder to write to, found none")
    from crosstone.reports.report import write_report

    trained = [run for run in runs if not (run / "predictions.jsonl").exists()]
    files = write_report(
        [run for run in runs if run not in trained], out, baseline=baseline, pretraining=trained
    )
    typer.echo(files.markdown.read_text(encoding="utf-8"))
    typer.echo(f"{files.html}", err=True)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path(
        "demo"
    ),
    law: Annotated[str, typer.Option(help="interplay or quadrants.")] = "interplay",
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """All stages of CMT on a corpus made on the spot, against what only hears or only reads."""
    from crosstone.cli.tables import print_demo
    from crosstone.runs.demo import run_demo

    with bars() as show:
        summary = run_demo(out, law=law, seed=seed, progress=show)
    print_demo(summary, out)
