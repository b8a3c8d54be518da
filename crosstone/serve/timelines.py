"""An upload as a timeline, for as long as somebody waits for it."""

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any, cast

from crosstone.data.audio import AudioFault, Header
from crosstone.data.batch import Item
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording
from crosstone.inference.timeline import Cut, Samples, Waveform, timeline
from crosstone.serve.limits import Limits, Refused
from crosstone.serve.questions import CUE_FIELDS, called, header_of
from crosstone.serve.uploads import Upload
from crosstone.serve.waiting import NobodyWaits
from crosstone.serve.wording import IN_TIMELINE, worded

BATCH_SIZE = 8
"""Segments that are answered at a time; between two such batches it may end."""

_CUT_FIELDS = {"window": "window", "hop": "hop", "margin": "margin", "smooth": "stay_seconds"}
"""Fields of a request that are seconds of a Cut."""

FIELDS = ("segments", *_CUT_FIELDS, *CUE_FIELDS)
"""What a request for a timeline may bring beside its recording."""


def timeline_of(
    predictor: Predictor, upload: Upload, limits: Limits, stop: Event
) -> dict[str, Any]:
    """The answer to a request for a timeline.

    stop: ends it before its next block or batch, by NobodyWaits. Raises Refused and CrosstoneError
    for what cannot be drawn; sentences call the file by the client's name.
    """
    if upload.audio is None:
        raise Refused(422, "no_audio", "expected a recording as 'audio', found none")
    for suffix in CUE_FIELDS:
        if suffix in upload.fields:
            cues = upload.audio.with_suffix(f".{suffix}")
            cues.write_text(upload.fields[suffix], encoding="utf-8")
    waveform = Waveform()

    def hear(block: Samples, at: int, header: Header) -> None:
        if stop.is_set():
            raise NobodyWaits
        waveform.hear(block, at, header)

    with called(upload, predictor, IN_TIMELINE):
        seconds = header_of(upload.audio).seconds
        if seconds > limits.timeline_seconds:
            raise AudioFault(
                f"{upload.audio}: lasts {seconds:.0f} s, expected at most "
                f"{limits.timeline_seconds:g} s; cut it into parts",
                "long",
            )
        cut = _cut_of(upload)
        _refuse_many(cut, seconds, limits)
        moments = timeline(
            cast(Predictor, _Watched(predictor, limits, stop)),
            Recording(id=upload.name, audio=upload.audio),
            cut,
            batch_size=BATCH_SIZE,
            heard=hear,
        )
        segments: list[dict[str, Any]] = []
        for moment in moments:
            if len(segments) == limits.segments:
                raise _too_many_segments(limits)
            segment = moment.as_dict()
            if moment.unanswered is not None:
                segment["unanswered"] = worded(moment.unanswered, predictor.name, IN_TIMELINE)
            segments.append(segment)
    return {
        "id": upload.name,
        "seconds": round(seconds, 3),
        "segments": segments,
        "waveform": [round(float(peak), 4) for peak in waveform.peaks],
    }


class _Watched:
    """A predictor that answers while somebody waits, and no more sound than one timeline may put
    to it."""

    def __init__(self, predictor: Predictor, limits: Limits, stop: Event) -> None:
        self._predictor, self._limits, self._stop = predictor, limits, stop
        self._seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def answers(self, items: Sequence[Item]) -> Iterator[Prediction]:
        """As the predictor's; raises NobodyWaits, and Refused (422) for too much sound."""
        if self._stop.is_set():
            raise NobodyWaits
        samples = sum(len(item.audio) for item in items if item.audio is not None)
        self._seconds += samples / self._predictor.sampling_rate
        if self._seconds > self._limits.heard_seconds:
            raise _too_much_sound(self._limits)
        return self._predictor.answers(items)


def _refuse_many(cut: Cut, seconds: float, limits: Limits) -> None:
    """Raises Refused for more windows, or longer ones, than are taken, before one is asked about.

    What the other kinds of segments come to is known only as they come.
    """
    hop = cut.window if cut.hop is None else cut.hop
    if cut.kind != "fixed" or not hop:
        return
    if seconds > limits.segments * hop:
        raise _too_many_segments(limits)
    windows = 1 + max(0.0, seconds - cut.window) / hop
    if windows * min(cut.window, seconds) > limits.heard_seconds:
        raise _too_much_sound(limits)


def _too_many_segments(limits: Limits) -> Refused:
    return Refused(
        422,
        "too_many_segments",
        f"expected at most {limits.segments} segments of one recording, found more; give a longer "
        "hop, or cut the recording into parts",
    )


def _too_much_sound(limits: Limits) -> Refused:
    return Refused(
        422,
        "too_much_sound",
        f"expected segments of one recording that last at most {limits.heard_seconds:g} s together,"
        " found more, since they overlap; give a longer hop or a shorter window, or cut the "
        "recording into parts",
    )


def _cut_of(upload: Upload) -> Cut:
    fields = upload.fields
    kind = fields.get("segments", "vad")
    if kind not in ("vad", "fixed", "transcript"):
        raise Refused(
            422, "bad_field", f"segments: expected vad, fixed or transcript, found '{kind}'"
        )
    numbers: dict[str, float] = {}
    for name, field in _CUT_FIELDS.items():
        if name in fields:
            try:
                numbers[field] = float(fields[name])
            except ValueError:
                raise Refused(
                    422, "bad_field", f"{name}: expected seconds, found '{fields[name]}'"
                ) from None
            if not 0 <= numbers[field] < 1e6:
                raise Refused(422, "bad_field", f"{name}: expected seconds, found {fields[name]}")
    return Cut(kind=kind, **numbers)  # type: ignore[arg-type]
