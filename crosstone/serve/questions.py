"""An upload as it is put to the model, and what is said of it where it cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crosstone.data.audio import AudioFault, Header, read_header
from crosstone.errors import CrosstoneError
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording, check_rate
from crosstone.inference.windows import Question
from crosstone.serve.uploads import Upload
from crosstone.serve.wording import IN_PREDICT, worded

MOST_CHANNELS = 16
"""Of a recording that is uploaded."""

CUE_FIELDS = ("srt", "vtt")
"""Fields of a request that stand as files beside its recording."""


def header_of(audio: Path) -> Header:
    """Raises AudioFault for a header that promises more than a recording of people has: a few
    bytes of it could decode to gigabytes."""
    header = read_header(audio)
    check_rate(audio, header)
    if header.num_channels > MOST_CHANNELS:
        raise AudioFault(
            f"{audio}: expected at most {MOST_CHANNELS} channels, found {header.num_channels}; "
            "convert it, for example with `ffmpeg -i IN -ac 1 OUT.wav`"
        )
    return header


def question_of(predictor: Predictor, upload: Upload, most_seconds: float) -> Question:
    """The upload as it is put to the model; sentences call its file by the client's name."""
    with called(upload, predictor, IN_PREDICT):
        if upload.audio is not None:
            # what libsndfile does not open goes to no other program
            seconds = header_of(upload.audio).seconds
            heard = min(seconds, predictor.hear_seconds or seconds)
            if predictor.hears and heard > most_seconds:
                raise AudioFault(
                    f"{upload.audio}: lasts {seconds:.1f} s, expected at most {most_seconds:g} s; "
                    "cut it into parts, or send it to /v1/timeline",
                    "long",
                )
        return predictor.question(
            Recording(
                id=upload.name,
                audio=upload.audio,
                text=upload.fields.get("text"),
                text_source="given",
            )
        )


@contextmanager
def called(upload: Upload, predictor: Predictor, words: str) -> Iterator[None]:
    """Errors that name the upload's temporary file name it as the client does, and the fields of
    its request; words: those that would have brought words."""
    try:
        yield
    except CrosstoneError as error:
        sentence = str(error)
        if upload.audio is not None:
            sentence = sentence.replace(str(upload.audio), upload.name)
            for name in CUE_FIELDS:
                sentence = sentence.replace(str(upload.audio.with_suffix(f".{name}")), name)
        sentence = worded(sentence, predictor.name, words)
        if isinstance(error, AudioFault):
            raise AudioFault(sentence, error.kind) from None
        raise type(error)(sentence) from None
