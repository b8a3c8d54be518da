"""A long recording as a timeline: what the model says of each segment, smoothed, and its turns."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.audio import SHORTEST_SECONDS, SILENCE_DBFS, Header
from crosstone.errors import AudioError, CrosstoneError
from crosstone.inference.captions import with_words
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.recogniser import Recogniser
from crosstone.inference.recording import Recording, Refusal, readable
from crosstone.inference.segments import (
    WINDOW_SECONDS,
    Heard,
    Kind,
    Segment,
    cut_segments,
    segmenter_of,
)
from crosstone.inference.smoothing import STAY_SECONDS, ClassPath, ValuePath
from crosstone.inference.transcripts import cues_beside
from crosstone.inference.voice import MARGIN
from crosstone.inference.windows import Question, answered

PEAKS = 1200
"""Points of the waveform that a timeline keeps."""
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Cut:
    """How a recording is cut and its answers are smoothed."""

    kind: Kind = "vad"
    window: float = WINDOW_SECONDS
    """Seconds of a fixed window."""
    hop: float | None = None
    """Seconds from one fixed window to the next; None for the window's."""
    margin: float | None = None
    """Seconds that are kept on either side of a stretch of speech, as far as its neighbours leave
    them; None for as many as the recordings had that the model was trained on."""
    stay_seconds: float = STAY_SECONDS
    """How long a class is taken to last; 0 smooths nothing."""


@dataclass(frozen=True)
class Moment:
    """One segment of a timeline."""

    id: str
    """The recording's."""
    segment: int
    """Its number, from 0."""
    start: float
    end: float
    """Seconds."""
    prediction: Prediction | None
    """None where the model says nothing."""
    unanswered: str | None
    """Why it says nothing."""
    smoothed: str | float | None
    """Its class on the most likely path, or the smoothed value."""
    turn: bool
    """Whether the path takes another class here, or the smoothed value has turned."""
    last: bool = False
    """Whether the timeline ends here."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, without what does not apply."""
        answer: dict[str, Any] = {"id": self.id, "segment": self.segment}
        answer |= {"start": round(self.start, 3), "end": round(self.end, 3)}
        if self.prediction is not None:
            answer |= {k: v for k, v in self.prediction.as_dict().items() if k not in answer}
        answer |= {"smoothed": self.smoothed, "turn": self.turn, "unanswered": self.unanswered}
        answer["last"] = self.last or None
        return {key: value for key, value in answer.items() if value is not None}


class Waveform:
    """Peaks of a recording of any length, (PEAKS,), as its blocks come."""

    def __init__(self) -> None:
        self.peaks: Samples = np.zeros(PEAKS, np.float32)
        self.seconds = 0.0
        """Length of the recording."""

    def hear(self, block: Samples, at: int, header: Header) -> None:
        """Take in a block that has `at` samples before it."""
        self.seconds = header.seconds
        places = (np.arange(at, at + len(block)) * PEAKS) // max(1, header.num_samples)
        np.maximum.at(self.peaks, places.clip(max=PEAKS - 1), np.abs(block))


def timeline(
    predictor: Predictor,
    recording: Recording,
    cut: Cut | None = None,
    *,
    batch_size: int = 32,
    recogniser: Recogniser | None = None,
    heard: Heard | None = None,
) -> Iterator[Moment]:
    """The segments of a recording of any length, in order, each as soon as its path is decided.

    The recording is read in blocks; no more of it is held than a window of segments. Words are
    those of the .srt or .vtt beside it, or of the recogniser. heard: as for `cut_segments`. Raises
    AudioError for a recording that cannot be heard to its end or holds no speech, CrosstoneError
    where the model cannot answer from what is given, or the cut does not fit.
    """
    cut = cut or Cut()
    path = recording.audio
    if not isinstance(path, Path) or recording.start is not None or recording.end is not None:
        raise CrosstoneError(f"{recording.id}: expected a whole recording to cut into segments")
    if predictor.reads and recording.text is not None:
        raise CrosstoneError(
            f"{recording.id}: a transcript without times cannot be divided among segments; put it "
            "beside the recording as .srt or .vtt, or hear the words with --asr"
        )
    cues = cues_beside(path) if predictor.reads or cut.kind == "transcript" else None
    segmenter = segmenter_of(
        cut.kind,
        predictor.sampling_rate,
        cues=cues,
        window=cut.window,
        hop=cut.window if cut.hop is None else cut.hop,
        max_seconds=predictor.max_seconds,
        pauses=pauses_of(predictor) if cut.margin is None else (cut.margin, cut.margin),
    )
    if recogniser is None and cues is None:
        _accept_sound_alone(predictor)
    spans: deque[Segment] = deque()

    def questions(file: Path) -> Iterator[Question | Refusal]:
        segments = cut_segments(file, segmenter, sampling_rate=predictor.sampling_rate, heard=heard)
        for segment in with_words(segments, cut.kind, cues) if cues else segments:
            spans.append(Segment(segment.start, segment.end, segment.samples[:0]))
            yield _question(predictor, recording.id, segment, recogniser)

    with readable(path) as file:
        asked = answered(questions(file), predictor.answers, batch_size=batch_size)
        moments = _smoothed(predictor, recording.id, spans, asked, cut.stay_seconds)
        before = next(moments, None)
        if before is None:
            raise AudioError(
                f"{path}: expected speech, found none that stands out from the background; cut it "
                "into windows instead (--segments fixed)"
            )
        for moment in moments:
            yield before
            before = moment
        yield replace(before, last=True)


def pauses_of(predictor: Predictor) -> tuple[float, float]:
    """Seconds that are kept before and after speech: as in the model's training, where its folder
    says, but no less than what finding speech may miss, and at most a quarter of what it takes."""
    before, after = predictor.model.config.pauses or (MARGIN, MARGIN)
    most = predictor.max_seconds / 4
    return min(max(before, MARGIN), most), min(max(after, MARGIN), most)


def _accept_sound_alone(predictor: Predictor) -> None:
    try:
        predictor.accept(has_audio=predictor.hears, has_text=False)
    except CrosstoneError as error:
        raise CrosstoneError(
            f"{error}; the words of a timeline are those of a .srt or .vtt beside the recording, "
            "or of --asr"
        ) from None


def _question(
    predictor: Predictor, identity: str, segment: Segment, recogniser: Recogniser | None
) -> Question | Refusal:
    peak = float(np.abs(segment.samples).max(initial=0.0))
    if len(segment.samples) < SHORTEST_SECONDS * predictor.sampling_rate:
        return Refusal(identity, "too short, or beyond the end of the recording")
    if peak < 10 ** (SILENCE_DBFS / 20):
        return Refusal(identity, "silent")
    asked = Recording(
        id=identity,
        audio=segment.samples,
        sampling_rate=predictor.sampling_rate,
        text=segment.text,
        text_source=None if segment.text is None else "sidecar",
    )
    try:
        question = predictor.question(asked, recogniser)
    except CrosstoneError as error:
        return Refusal(identity, str(error))
    return replace(question, start=segment.start, end=segment.end)


def _smoothed(
    predictor: Predictor,
    identity: str,
    spans: deque[Segment],
    answers: Iterator[Prediction | Refusal],
    stay_seconds: float,
) -> Iterator[Moment]:
    labels = predictor.spec.labels
    by_class = ClassPath(labels, stay_seconds=stay_seconds) if labels else None
    by_value = ValuePath(stay_seconds=stay_seconds)
    waiting: deque[Moment] = deque()
    before: str | None = None

    def decided(path: Sequence[str]) -> Iterator[Moment]:
        nonlocal before
        for label in path:
            moment = waiting.popleft()
            turn = before is not None and label != before
            before = label
            yield replace(moment, smoothed=label, turn=turn)

    for number, answer in enumerate(answers):
        span = spans.popleft()
        prediction = answer if isinstance(answer, Prediction) else None
        at = (span.start + span.end) / 2
        moment = Moment(
            id=identity,
            segment=number,
            start=span.start,
            end=span.end,
            prediction=prediction,
            unanswered=answer.reason if isinstance(answer, Refusal) else None,
            smoothed=None,
            turn=False,
        )
        if by_class is not None:
            waiting.append(moment)
            probabilities = None if prediction is None else prediction.probabilities
            yield from decided(by_class.push(probabilities, at))
        else:
            value, turn = by_value.push(None if prediction is None else prediction.value, at)
            yield replace(moment, smoothed=value, turn=turn)
    if by_class is not None:
        yield from decided(by_class.finish())
