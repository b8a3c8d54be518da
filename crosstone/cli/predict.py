"""The verb that asks a trained model about recordings, one by one or as timelines."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from crosstone.cli.answering import Answering
from crosstone.cli.options import Device, Precision
from crosstone.cli.progress import bars
from crosstone.errors import CrosstoneError

if TYPE_CHECKING:
    from crosstone.inference.output import Writer
    from crosstone.inference.predictor import Predictor
    from crosstone.inference.recording import Recording, Refusal


def predict(
    model: Annotated[str, typer.Argument(help="Model folder, run set, or hub id.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Recordings, folders, patterns, a manifest (CSV, JSONL), or - ."),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="What is said, in the one recording that is given.")
    ] = None,
    asr: Annotated[
        str | None,
        typer.Option(
            help="Where no words are given: a command with {audio} that prints them, or a "
            "recogniser's folder or hub id."
        ),
    ] = None,
    asr_cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was heard; else the user's cache.")
    ] = None,
    format_: Annotated[
        Literal["jsonl", "csv", "srt", "audacity"], typer.Option("--format", help="Of the answers.")
    ] = "jsonl",
    out: Annotated[
        Path | None, typer.Option(help="File for the answers; standard output if none.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in --out with what it has no answer for.")
    ] = False,
    segments: Annotated[
        Literal["vad", "fixed", "transcript"] | None,
        typer.Option(help="Timelines: cut by pauses, into windows, or as .srt/.vtt beside it say."),
    ] = None,
    window: Annotated[float, typer.Option(help="Seconds of a fixed window.")] = 5.0,
    hop: Annotated[
        float | None, typer.Option(help="Seconds from one to the next; the window's if none.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Seconds left around speech (vad); as in the model's training data if none."
        ),
    ] = None,
    smooth: Annotated[
        float,
        typer.Option(min=0, help="Seconds that a class is taken to last in a timeline; 0: none."),
    ] = 20.0,
    picture: Annotated[
        Path | None, typer.Option(help="PNG file: the timeline of one recording, drawn.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="HTML file: the same, with a table of the segments.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Which head answers, where there are more.")
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(help='Say "unsure" as often as keeps this accuracy (crosstone calibrate).'),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(help="Add intervals or sets that hold the truth in this share of cases."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Recordings side by side.")] = 32,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """What a model says of recordings, or of each segment of long ones: a line of JSON each.

    Words: --text, a .txt, .srt or .vtt beside the recording, a manifest's column, or --asr. What
    cannot be used is named on standard error, all else is answered, and the exit code is 2.
    """
    from crosstone.inference.predictor import Predictor
    from crosstone.inference.recogniser import load_recogniser
    from crosstone.inference.timeline import Cut

    named = inputs or []
    _refuse(named, text, out, resume, format_, segments, (picture, page))
    predictor = Predictor.load(
        model, head=head, abstain=abstain, coverage=coverage, device=device, precision=precision
    )
    recogniser = None if asr is None else load_recogniser(asr, asr_cache, device=predictor.device)
    asked = _asked(named, text)
    _refuse_several(asked, format_, picture or page)
    cut = None
    if segments is not None:
        cut = Cut(segments, window=window, hop=hop, margin=margin, stay_seconds=smooth)
    stream = sys.stdout  # as it is now: bars on a terminal take its place
    with _writer(stream, out, format_, resume, predictor, cut is not None) as (writer, done):
        has_bar = out is not None or not stream.isatty()
        answering = Answering(predictor, recogniser, writer, batch_size)
        with bars(shown=has_bar) as show:
            if cut is None:
                answering.one_by_one(asked, done, show)
            else:
                answering.timelines(asked, done, show, cut, picture, page)
    answering.conclude()


def _refuse(
    inputs: Sequence[str],
    text: str | None,
    out: Path | None,
    resume: bool,
    form: str,
    segments: str | None,
    drawings: Sequence[Path | None],
) -> None:
    """Refuse options that make no sense together, before anything is loaded."""
    from crosstone.inference.output import OF_ONE_RECORDING

    if not inputs and text is None:
        raise CrosstoneError("predict: expected recordings or --text, found neither")
    if text is not None and len(inputs) > 1:
        raise CrosstoneError(
            f"predict: --text says what one recording says, found {len(inputs)} recordings; "
            "ask for one at a time"
        )
    if resume and out is None:
        raise CrosstoneError("predict --resume: expected --out, the file to go on in")
    if resume and form in OF_ONE_RECORDING:
        raise CrosstoneError(f"predict --resume: expected --format jsonl or csv, found {form}")
    if out is not None and out.exists() and not resume:
        raise CrosstoneError(f"{out}: is there already; go on with --resume, or name another file")
    if segments is None and any(drawings):
        raise CrosstoneError(
            "predict --picture and --page draw a timeline: expected --segments vad, fixed or "
            "transcript"
        )


def _asked(inputs: Sequence[str], text: str | None) -> "Iterable[Recording | Refusal]":
    """The questions, in a list where they do not come from standard input."""
    from dataclasses import replace

    from crosstone.inference.recording import Recording
    from crosstone.inference.sources import STANDARD_INPUT, find_recordings

    if not inputs:
        return [Recording(id="utterance", text=text, text_source="given")]
    if isinstance(sys.stdin, TextIOWrapper):  # a line that is no UTF-8 is refused by itself
        sys.stdin.reconfigure(errors="surrogateescape")
    found = find_recordings(inputs, standard_input=sys.stdin)
    if STANDARD_INPUT in inputs and text is None:
        return found
    listed = list(found)
    if text is None:
        return listed
    if len(listed) != 1:
        raise CrosstoneError(
            f"predict: --text says what one recording says, found {len(listed)} recordings; "
            "ask for one at a time"
        )
    return [
        replace(each, text=text, text_source="given") if isinstance(each, Recording) else each
        for each in listed
    ]


def _refuse_several(
    asked: "Iterable[Recording | Refusal]", form: str, drawing: Path | None
) -> None:
    """Refuse several recordings where times would be of one."""
    from crosstone.inference.output import OF_ONE_RECORDING

    if form not in OF_ONE_RECORDING and drawing is None:
        return
    what = f"--format {form}" if form in OF_ONE_RECORDING else "--picture or --page"
    if not isinstance(asked, list):
        raise CrosstoneError(f"predict {what}: expected one recording, found standard input")
    files = {str(getattr(each, "audio", each.id)) for each in asked}
    if len(files) > 1:
        raise CrosstoneError(
            f"predict {what}: expected one recording, found {len(files)}; ask for one at a time"
        )


@contextmanager
def _writer(
    stream: TextIO,
    out: Path | None,
    form: Any,
    resume: bool,
    predictor: "Predictor",
    is_timeline: bool,
) -> "Iterator[tuple[Writer, set[str]]]":
    """Where answers go, and the ids that are answered there already."""
    from crosstone.inference.output import Writer, go_on

    labels = predictor.spec.labels
    if out is None:
        yield Writer(stream, form, labels=labels, is_timeline=is_timeline), set()
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    done: set[str] = set()
    if out.exists():
        done = go_on(out, form, labels=labels, is_timeline=is_timeline)
    with out.open("a", encoding="utf-8", newline="") as file:
        begun = out.stat().st_size > 0
        yield (
            Writer(file, form, labels=labels, is_timeline=is_timeline, has_header=begun),
            done,
        )
