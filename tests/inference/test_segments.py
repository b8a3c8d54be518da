"""Recordings cut as they are read."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosstone.errors import AudioError, CrosstoneError
from crosstone.inference.segments import (
    CueTimes,
    FixedWindows,
    Tape,
    cut_segments,
    segmenter_of,
)
from crosstone.inference.transcripts import Cue

RATE = 16_000


def windows(
    seconds: float, window: float, hop: float, block: int = 999, most: float = 60
) -> list[tuple[float, ...]]:
    cutter = FixedWindows(1000, window=window, hop=hop, max_seconds=most)
    samples = np.zeros(round(1000 * seconds), np.float32)
    found = []
    for at in range(0, len(samples), block):
        found += list(cutter.feed(samples[at : at + block]))
    return [(a / 1000, b / 1000) for a, b in [*found, *cutter.finish()]]


def test_windows_by_hand() -> None:
    assert windows(10, 4, 4) == [(0, 4), (4, 8), (8, 10)]
    assert windows(8.4, 4, 4) == [(0, 4), (4, 8.4)]
    assert windows(8, 4, 4) == [(0, 4), (4, 8)]
    assert windows(0.3, 4, 4) == [(0, 0.3)]
    assert windows(7, 4, 2) == [(0, 4), (2, 6), (4, 7)]
    for block in (1, 100_000):
        assert windows(9.7, 4, 2, block) == windows(9.7, 4, 2)


def test_no_window_is_longer_than_the_model_takes() -> None:
    assert windows(8.4, 4, 4, most=4.4) == [(0, 4), (4, 8.4)]
    assert windows(8.4, 4, 4, most=4.3) == [(0, 4), (4, 8), (8, 8.4)]
    assert windows(8.4, 4, 2, most=4) == [(0, 4), (2, 6), (4, 8), (6, 8.4)]
    assert windows(4, 1.9996, 1.9996, most=1.9996) == [(0, 1.999), (1.999, 3.998), (3.998, 4)]


def test_a_tape_forgets() -> None:
    tape = Tape()
    tape.append(np.arange(5, dtype=np.float32))
    tape.forget(3)
    tape.append(np.arange(5, 8, dtype=np.float32))
    assert len(tape) == 5
    assert tape.cut(4, 7).tolist() == [4, 5, 6]
    assert tape.cut(0, 4).tolist() == [3]
    tape.forget(1)
    assert len(tape) == 5


def ramp(path: Path, seconds: float, rate: int) -> Path:
    """Samples that say where they are: from 0 at the beginning to 1 at the end."""
    soundfile.write(path, np.linspace(0, 1, round(seconds * rate)), rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_segments_hold_what_lies_there(tmp_path: Path, rate: int) -> None:
    path = ramp(tmp_path / "a.wav", 34.0, rate)
    cutter = FixedWindows(RATE, window=5, hop=5, max_seconds=60)
    told: list[tuple[int, int]] = []
    found = list(
        cut_segments(
            path,
            cutter,
            sampling_rate=RATE,
            heard=lambda block, at, header: told.append((at, header.num_samples)),
        )
    )
    assert [(s.start, round(s.end, 2)) for s in found][:-1] == [
        (5.0 * i, 5.0 * i + 5) for i in range(6)
    ]
    assert found[-1].end == pytest.approx(34.0, abs=0.01)
    for segment in found:
        assert segment.samples[len(segment.samples) // 2] == pytest.approx(
            (segment.start + segment.end) / 68, abs=0.002
        )
    assert told == [(10 * rate * i, 34 * rate) for i in range(4)]


def test_an_hour_is_never_held(tmp_path: Path) -> None:
    """Of a recording of any length no more than 40 s lie on the tape."""
    path = tmp_path / "hour.flac"
    second = (0.1 * np.sin(np.arange(8000) / 5) * (np.arange(8000) < 6000)).astype(np.float32)
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.tile(second, 60))
    most = 0
    append = Tape.append

    def watched(tape: Tape, samples: np.ndarray) -> None:
        nonlocal most
        append(tape, samples)
        most = max(most, len(tape))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tape, "append", watched)
        for kind in ("vad", "fixed"):
            cutter = segmenter_of(
                kind,  # type: ignore[arg-type]
                8000,
                cues=None,
                window=5,
                hop=5,
                max_seconds=60,
                pauses=(5.0, 5.0),
            )
            number = sum(1 for _ in cut_segments(path, cutter, sampling_rate=8000))
            assert number >= 240
    assert most <= 40 * 8000


def test_cues_are_cut_as_they_say(tmp_path: Path) -> None:
    path = ramp(tmp_path / "a.wav", 30.0, RATE)
    cues = [Cue(1.0, 4.0, "one"), Cue(3.0, 5.0, "two"), Cue(29.0, 31.0, "x"), Cue(40, 41, "y")]
    found = list(cut_segments(path, CueTimes(RATE, cues, max_seconds=60), sampling_rate=RATE))
    assert [(s.start, s.end) for s in found] == [(c.start, c.end) for c in cues]
    assert [len(s.samples) / RATE for s in found] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    "kind,settings,said",
    [
        ("fixed", {"hop": 6}, r"expected 0\.05 <= hop <= window, found hop 6 and window 5"),
        ("fixed", {"hop": 0}, "found hop 0"),
        ("fixed", {"hop": 1e-9}, "found hop 1e-09"),
        ("fixed", {"hop": float("nan")}, "found hop nan"),
        ("fixed", {"window": 0.04, "hop": 0.04}, r"and window 0\.04 s; give longer ones"),
        ("fixed", {"window": 90}, "--window: expected at most 60 s"),
        ("vad", {"pauses": (20.0, 0.1)}, "--margin: expected 0 to 15 s, a quarter .* found 20"),
        ("vad", {"pauses": (-1.0, -1.0)}, "found -1"),
        ("vad", {"pauses": (float("nan"), 0.1)}, "found nan"),
        ("transcript", {}, "expected a .srt or .vtt beside the recording, found none"),
        ("transcript", {"cues": [Cue(3, 80, "x")]}, "found one of 77.0 s at 3.0 s; use --segments"),
    ],
)
def test_cuts_that_do_not_fit(kind: str, settings: dict[str, object], said: str) -> None:
    given = {"cues": None, "window": 5, "hop": 5, "max_seconds": 60, **settings}
    with pytest.raises(CrosstoneError, match=said):
        segmenter_of(kind, RATE, **given)  # type: ignore[arg-type]


def test_nan_is_said_at_once(tmp_path: Path) -> None:
    samples = np.full(30 * RATE, 0.1, np.float32)
    samples[15 * RATE] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    cutter = FixedWindows(RATE, window=5, hop=5, max_seconds=60)
    segments = cut_segments(tmp_path / "a.wav", cutter, sampling_rate=RATE)
    assert next(segments).end == 5.0
    with pytest.raises(AudioError, match=r"NaN or infinite samples after 10\.0 s"):
        next(segments)
