"""Samples, times and words that are given directly, each bad one with its sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from calls import mood_listener

from crosstone.errors import CrosstoneError
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording, Refusal, read_recording

RATE = 16_000
GOOD = (0.3 * np.sin(np.arange(RATE) / 9)).astype(np.float32)
BAD: list[tuple[Any, str]] = [
    ({"audio": np.zeros(RATE)}, "samples: silent (peak below -90 dBFS)"),
    ({"audio": GOOD[:700]}, "samples: last 0.0437 s, expected at least 0.05 s"),
    ({"audio": GOOD * 32768}, "found a peak of 9830; scale them"),
    ({"audio": GOOD * np.nan}, "found shape (16000,) with NaN or infinity"),
    ({"audio": np.full(RATE, 128, np.uint8)}, "or int16, found uint8"),
    ({"audio": np.full(RATE, 128, np.int32)}, "or int16, found int32"),
    ({"audio": [[0.1], [0.1, 0.2]]}, "expected numbers of shape (N,)"),
    ({"audio": {"array": GOOD}}, "found object"),
    ({"audio": {"array": GOOD}, "start": 0.1}, "found object"),
    ({"audio": np.stack([GOOD, GOOD], 1), "end": 0.1}, "found shape (16000, 2); give one channel"),
    ({"audio": GOOD[:0]}, "found shape (0,)"),
    ({"sampling_rate": 0}, "above 0 and at most 384000 Hz, found 0;"),
    ({"sampling_rate": -8000}, "found -8000;"),
    ({"sampling_rate": float("nan")}, "found nan;"),
    ({"sampling_rate": "16 kHz"}, "found '16 kHz';"),
    ({"sampling_rate": 10**7}, "found 10000000;"),
    ({"start": "0:01"}, "start: expected seconds, found '0:01'; give a number"),
    ({"end": [1]}, "end: expected seconds, found [1]"),
    (
        {"start": 1.5},
        "expected 0 <= start < end <= 1.00 s, their length, found start 1.5 and end 1",
    ),
    ({"start": 0.5, "end": 0.4}, "found start 0.5 and end 0.4; correct them"),
    ({"end": 1.2}, "found start 0 and end 1.2"),
    ({"start": -0.1}, "found start -0.1"),
    ({"end": float("nan")}, "and end nan"),
    ({"start": 0.98}, "samples: last 0.0200 s"),
    ({"text": "\ud800"}, "utterance-2: the text is not Unicode text (lone surrogates)"),
    ({"text": 3}, "text: expected what is said as a string, found int"),
    ({3: "three"}, "expected the keys id, audio"),
    (GOOD, "question 2: expected a path, a Recording or a mapping"),
    (None, "found NoneType"),
]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(mood_listener())


@pytest.mark.parametrize("bad,sentence", BAD, ids=[sentence for _, sentence in BAD])
def test_a_bad_one_is_refused_and_stops_none(predictor: Predictor, bad: Any, sentence: str) -> None:
    good = {"audio": GOOD, "sampling_rate": RATE}
    first, refused, last = predictor.predict_many(
        [good, good | bad if isinstance(bad, dict) else bad, good]
    )
    assert isinstance(first, Prediction)
    assert isinstance(last, Prediction)
    assert isinstance(refused, Refusal)
    assert sentence in refused.reason


def test_one_alone_is_an_error(predictor: Predictor) -> None:
    with pytest.raises(CrosstoneError, match="samples: silent"):
        predictor.predict(np.zeros(RATE), sampling_rate=RATE)


def test_sixteen_bits_are_scaled() -> None:
    samples = np.tile(np.array([16384, -32768], np.int16), 800)
    asked = Recording(id="a", audio=samples, sampling_rate=RATE)
    read = read_recording(asked, sampling_rate=RATE, max_seconds=1)
    assert read.dtype == np.float32
    assert read[:2].tolist() == [0.5, -1.0]


@pytest.mark.parametrize("rate", [RATE, 8_000])
def test_a_stretch_of_samples_is_that_of_a_file(
    predictor: Predictor, tmp_path: Path, rate: int
) -> None:
    """Also where what lies outside it could not be heard."""
    samples = np.concatenate([GOOD, 9 * GOOD, GOOD[::-1]])
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    times = {"start": 0.2 * RATE / rate, "end": 0.7 * RATE / rate}
    given = {"audio": samples, "sampling_rate": rate, **times}
    of_file = {"audio": tmp_path / "a.wav", **times}
    found, expected = predictor.predict_many([given, of_file], batch_size=1)
    assert isinstance(found, Prediction)
    assert isinstance(expected, Prediction)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert (found.start, found.end) == (expected.start, expected.end) == tuple(times.values())
    whole = read_recording(
        Recording(id="a", audio=GOOD, sampling_rate=RATE, end=1.05),
        sampling_rate=RATE,
        max_seconds=1,
    )
    np.testing.assert_array_equal(whole, GOOD)
