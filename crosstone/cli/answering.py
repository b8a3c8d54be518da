"""The questions of `predict` asked, their answers written, what has none said."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstone.cli.progress import Bars
from crosstone.errors import CrosstoneError

if TYPE_CHECKING:
    from crosstone.inference.output import Writer
    from crosstone.inference.predictor import Predictor
    from crosstone.inference.recogniser import Recogniser
    from crosstone.inference.recording import Recording, Refusal
    from crosstone.inference.timeline import Cut


class Answering:
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
                named = self.is_single or answer.id in answer.reason
                self._refuse(answer.reason if named else f"{answer.id}: {answer.reason}", show)
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
            waveform, drawn, unanswered = Waveform(), [], []

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
                    unanswered += [moment.unanswered] if moment.unanswered else []
                    if picture or page:
                        drawn.append(answer)
            except CrosstoneError as error:
                self._refuse(str(error), show)
                continue
            if unanswered:
                show.say(
                    f"{each.id}: {len(unanswered)} of {moment.segment + 1} segments have no answer,"
                    f" the first because: {unanswered[0]}"
                )
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


def _new(asked: "Iterable[Recording | Refusal]", done: set[str]) -> "Iterable[Recording | Refusal]":
    """The questions that are not answered yet, in a list where they came in one.

    A refusal stays, though its id be answered: of two rows of one id the second has no answer.
    """
    from crosstone.inference.output import on_one_line
    from crosstone.inference.recording import Refusal

    new = (each for each in asked if isinstance(each, Refusal) or on_one_line(each.id) not in done)
    return list(new) if isinstance(asked, list) else new
