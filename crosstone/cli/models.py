"""The verbs that take a model in, score it and describe it: import, evaluate, card."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from crosstone.cli.options import Device
from crosstone.cli.progress import bars


def import_(
    source: Annotated[
        str, typer.Argument(help="ctal, vq-wav2vec, bert-kmeans, hubert-head, mult or jbls.")
    ],
    file: Annotated[Path, typer.Argument(help="The released file, or a .safetensors of it.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; of hubert-head a file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="What the file does not say, as in num_heads=8."),
    ] = None,
    dictionary: Annotated[
        Path | None, typer.Option(help="fairseq's dictionary: bert-kmeans, hubert-head.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Folder: of ctal its vocab.json, of bert-kmeans an imported vq-wav2vec."),
    ] = None,
) -> None:
    """Turn weights that others released into a model folder; nothing in their file is run."""
    from crosstone.runs.imports import import_weights

    report = import_weights(
        source,
        file,
        out,
        overrides=overrides or [],
        dictionary=dictionary,
        tokenizer=tokenizer,
    )
    typer.echo(f"{report.out}: {report.num_parameters:,} parameters, {report.mapped} tensors taken")
    reasons: dict[str, list[str]] = {}
    for key, why in report.ignored.items():
        reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items():
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        typer.echo(f"left out: {', '.join(keys[:3])}{more} ({why})")
    for note in report.notes:
        typer.echo(f"note: {note}")


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, or a run set that holds one.")],
    corpus: Annotated[Path, typer.Option(help="Folder that prepare wrote.")] = ...,  # type: ignore[assignment]
    out: Annotated[Path, typer.Option(help="Folder for predictions and scores.")] = ...,  # type: ignore[assignment]
    split: Annotated[str | None, typer.Option(help="Only this part of the corpus.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A named protocol, whose labels are merged and left out as it says."),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also from audio and text alone, with 5 to 40 % of the words misheard, and in "
            "noise at 20 to 0 dB.",
        ),
    ] = False,
    device: Device = None,
) -> None:
    """Predict and score every labelled utterance of a corpus, or for verification its trials."""
    from crosstone.cli.tables import print_robustness, print_scores
    from crosstone.data.corpus import Corpus
    from crosstone.runs.evaluate import evaluate as evaluate_model

    opened = Corpus.open(corpus)
    if split is not None:
        opened = opened.where(lambda utterance: utterance.split == split)
    with bars() as show:
        evaluate_model(
            model,
            opened,
            out,
            protocol=protocol,
            robust=robustness,
            device=device,
            progress=show,
        )
    print_scores([out])
    if robustness:
        print_robustness(out)


def calibrate(
    model: Annotated[Path, typer.Argument(help="Model folder, or a run set that holds one.")],
    corpus: Annotated[Path, typer.Option(help="Folder that prepare wrote.")] = ...,  # type: ignore[assignment]
    split: Annotated[str | None, typer.Option(help="Only this part of the corpus.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A named protocol, whose labels are merged and left out as it says."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Which head, where there are more; the folder holds one's.")
    ] = None,
    method: Annotated[
        Literal["auto", "temperature", "vector"],
        typer.Option(help="Of classes; auto is the temperature. A value keeps its distances."),
    ] = "auto",
    unit: Annotated[
        Literal["group", "speaker", "utterance"],
        typer.Option(help="What is kept together where one part is judged by the others."),
    ] = "group",
    force: Annotated[bool, typer.Option("--force", help="Replace a fit that is there.")] = False,
    device: Device = None,
) -> None:
    """Fit how certain a model is on labelled utterances that did not train it, and leave that in
    its folder: `predict` then answers with calibrated probabilities, and can abstain."""
    from crosstone.cli.tables import print_calibration
    from crosstone.data.corpus import Corpus
    from crosstone.runs.calibrate import calibrate as calibrate_model

    opened = Corpus.open(corpus)
    if split is not None:
        opened = opened.where(lambda utterance: utterance.split == split)
    with bars() as show:
        made = calibrate_model(
            model,
            opened,
            head=head,
            method=method,
            protocol=protocol,
            unit=unit,
            force=force,
            device=device,
            progress=show,
        )
    print_calibration(made.summary())


def card(
    model: Annotated[Path, typer.Argument(help="Model folder, or a run set that holds one.")],
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="Run set or evaluation whose scores it gives; the model's own if none."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; README.md in the model folder if none.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the model, as the hub names it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a card that is there.")] = False,
) -> None:
    """Write a model's card: its data and their licences, protocol, numbers, limits of use."""
    from crosstone.runs.card import write_card

    typer.echo(write_card(model, out, runs=scores or [], licence=licence, force=force))
