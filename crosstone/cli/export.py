"""The verb that takes something of crosstone's elsewhere: a corpus, or a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosstone.cli.progress import bars
from crosstone.errors import ConfigError

if TYPE_CHECKING:
    from crosstone.inference.export import Difference


def export(
    source: Annotated[
        Path, typer.Argument(help="For lhotse a prepared corpus; for onnx a model folder or run.")
    ],
    to: Annotated[
        str,
        typer.Option(help="lhotse: a corpus as a cut set. onnx: a model that needs no torch."),
    ] = ...,  # type: ignore[assignment]
    out: Annotated[
        Path, typer.Option(help="For lhotse a file, as in cuts.jsonl.gz; for onnx a new folder.")
    ] = ...,  # type: ignore[assignment]
    corpus: Annotated[
        Path | None,
        typer.Option(help="onnx: prepared corpus whose clips the graph is checked on."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="onnx: only this part of --corpus.")] = None,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="onnx: a quantised graph too, its loss weighed on --corpus."),
    ] = False,
    head: Annotated[
        str | None, typer.Option(help="onnx: which head answers, where there are more.")
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(help='onnx: let it say "unsure" as often as keeps this accuracy.'),
    ] = None,
) -> None:
    """A corpus in the form of another toolkit, or a model as a folder that answers without torch.

    --to onnx writes the whole way from a waveform and its words to the calibrated answer, a
    tokenizer and runner.py, and refuses where torch answers otherwise (logits or calibrated
    probabilities by more than 0.001). --int8 says what it costs in accuracy on --corpus.
    """
    if to not in ("lhotse", "onnx"):
        raise ConfigError(f"export: expected --to lhotse or onnx, found '{to}'")
    if to == "onnx":
        _export_model(source, out, corpus, split, int8, head, abstain)
        return
    if int8 or any(option is not None for option in (corpus, split, head, abstain)):
        raise ConfigError(
            "export --to lhotse: takes no --corpus, --split, --int8, --head or --abstain, which "
            "are of a model"
        )
    _export_corpus(source, out)


def _export_corpus(corpus: Path, out: Path) -> None:
    from crosstone.data.corpora.lhotse import write_cuts
    from crosstone.data.corpus import Corpus

    if not out.name.endswith((".jsonl", ".jsonl.gz")):
        raise ConfigError(f"export --out: expected a .jsonl or .jsonl.gz file, found '{out}'")
    opened = Corpus.open(corpus)
    with bars() as show:
        exported = write_cuts(
            opened, out, progress=lambda done, total: show("exporting", done, total)
        )
    typer.echo(f"{out}: {exported.num_cuts} cuts")
    for reason, number in exported.left_out.items():
        typer.echo(f"left out: {number} {reason}")


def _export_model(
    model: Path,
    out: Path,
    corpus: Path | None,
    split: str | None,
    int8: bool,
    head: str | None,
    abstain: float | None,
) -> None:
    from crosstone.data.corpus import Corpus
    from crosstone.runs.exports import export_model

    opened = None if corpus is None else Corpus.open(corpus)
    if opened is not None and split is not None:
        opened = opened.where(lambda utterance: utterance.split == split)
    with bars() as show:
        exported, loss = export_model(
            model, out, corpus=opened, head=head, int8=int8, abstain=abstain, progress=show
        )
    real = "clips" if exported.are_real else "made-up clips (--corpus for real ones)"
    typer.echo(
        f"{out}: largest difference from torch {_apart(exported.difference)} over "
        f"{exported.num_clips} {real}"
    )
    if loss is None or exported.int8_difference is None:
        return
    shown = ", ".join(
        f"{name} {value:.4f} → {loss.after[name]:.4f} ({loss.after[name] - value:+.4f})"
        for name, value in loss.before.items()
    )
    changed = f", {loss.num_changed} answers changed" if loss.num_changed else ""
    seen = f" ({loss.num_seen} of which trained it)" if loss.num_seen else ""
    typer.echo(
        f"int8 on {loss.num_utterances} utterances of {loss.corpus}{seen}: {shown}{changed}; "
        f"largest difference from torch {_apart(exported.int8_difference)}"
    )


def _apart(difference: "Difference") -> str:
    """Both differences, of a value the one that it has."""
    if difference.probabilities is None:
        return f"{difference.logits:.2g}"
    return f"{difference.logits:.2g} (probabilities {difference.probabilities:.2g})"
