"""The verb that asks a trained model about recordings, one by one or as timelines."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from crosstone.cli.options import Device, Precision
from crosstone.cli.progress import Bars, bars
from crosstone.errors import CrosstoneError

if TYPE_CHECKING:
    from crosstone.inference.output import Writer
    from crosstone.inference.predictor import Predictor
    from crosstone.inference.recogniser import Recogniser
    from crosstone.inference.recording import Recording, Refusal
    from crosstone.inference.timeline import Cut


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
        answering = _Answering(predictor, recogniser, writer, batch_size)
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


def _new(asked: "Iterable[Recording | Refusal]", done: set[str]) -> "Iterable[Recording | Refusal]":
    """The questions that are not answered yet, in a list where they came in one.

    A refusal stays, though its id be answered: of two rows of one id the second has no answer.
    """
    from crosstone.inference.output import on_one_line
    from crosstone.inference.recording import Refusal

    new = (each for each in asked if isinstance(each, Refusal) or on_one_line(each.id) not in done)
    return list(new) if isinstance(asked, list) else new


class _Answering:
    """Asks, writes answers, says refusals, and counts both."""

    def __init__(
        self,
        predictor: "Predictor",
        recogniser: "Recogniser | None",
        writer: "Writer",
        batch_size: int,
    ) -> None:
        self.predictor, self.recogniser = predictor, recogniser
        self.writer, self.batch_size = writer, batch_size
        self.num_asked = 0
        self.num_refused = 0
        self.reason = ""
        self.is_single = False
        """Whether there is one question, whose refusal is the command's."""

    def one_by_one(
        self, asked: "Iterable[Recording | Refusal]", done: set[str], show: Bars
    ) -> None:
        """An answer to each question."""
        from crosstone.inference.recording import Refusal
        from crosstone.inference.sources import with_transcripts

        self.is_single = isinstance(asked, list) and len(asked) == 1
        new = _new(asked, done)
        total = len(new) if isinstance(new, list) else None
        if self.predictor.reads:
            new = with_transcripts(new)
        answers = self.predictor.predict_many(
            new, batch_size=self.batch_size, recogniser=self.recogniser
        )
        for answer in answers:
            self.num_asked += 1
            if isinstance(answer, Refusal):
                self._refuse(answer.reason, show)
            else:
                self.writer.write(answer.as_dict())
            if total is not None and not self.is_single:
                show("asking", self.num_asked, total)

    def timelines(
        self,
        asked: "Iterable[Recording | Refusal]",
        done: set[str],
        show: Bars,
        cut: "Cut",
        picture: Path | None,
        page: Path | None,
    ) -> None:
        """The timeline of each recording; the last one is drawn where that is asked."""
        from crosstone.inference.recording import Refusal
        from crosstone.inference.timeline import Waveform, timeline

        self.is_single = isinstance(asked, list) and len(asked) == 1
        for each in _new(asked, done):
            self.num_asked += 1
            if isinstance(each, Refusal):
                self._refuse(each.reason, show)
                continue
            waveform, drawn = Waveform(), []

            def hear(
                block: Any, at: int, header: Any, of: str = each.id, to: Any = waveform
            ) -> None:
                to.hear(block, at, header)
                heard = (at + len(block)) / header.sampling_rate
                show(of, round(heard), round(header.seconds))

            try:
                for moment in timeline(
                    self.predictor,
                    each,
                    cut,
                    batch_size=self.batch_size,
                    recogniser=self.recogniser,
                    heard=hear,
                ):
                    answer = moment.as_dict()
                    self.writer.write(answer)
                    if picture or page:
                        drawn.append(answer)
            except CrosstoneError as error:
                self._refuse(str(error), show)
                continue
            if picture or page:
                self._draw(drawn, waveform, cut, picture, page)

    def _draw(
        self, moments: Any, waveform: Any, cut: "Cut", picture: Path | None, page: Path | None
    ) -> None:
        from crosstone.reports.timeline import Drawn, timeline_page, timeline_picture

        drawn = Drawn(
            name=Path(moments[0]["id"]).name,
            model=self.predictor.name,
            moments=moments,
            peaks=waveform.peaks,
            seconds=waveform.seconds,
            labels=self.predictor.spec.labels,
            cut=vars(cut),
        )
        for path, content in ((picture, timeline_picture), (page, timeline_page)):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content(drawn))

    def _refuse(self, reason: str, show: Bars) -> None:
        self.reason = reason if self.is_single else ""
        self.num_refused += 1
        if not self.is_single:
            show.say(f"error: {reason}")

    def conclude(self) -> None:
        """Raise CrosstoneError where anything has no answer."""
        if self.num_refused:
            said = f"predict: {self.num_refused} of {self.num_asked} have no answer, as said above"
            raise CrosstoneError(self.reason or said)
