"""Recordings of every bad kind, made here in their true format, and the sentence each gets."""

import io
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from crosstone.data.audio import (
    AudioFault,
    audio_blocks,
    count_samples,
    measure_durations,
    read_audio,
    read_header,
)

RATE = 16000


def tone(seconds: float = 1.0, rate: int = RATE, hertz: float = 220.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def save(path: Path, samples: np.ndarray, rate: int = RATE, **format) -> Path:
    soundfile.write(path, samples, rate, **format)
    return path


def check_audio(path: Path, **options) -> float:
    """The seconds that are decoded, one block held at a time."""
    with audio_blocks(path, **options) as (header, blocks):
        return sum(len(block) for block in blocks) / header.sampling_rate


def fault(path: Path, **options) -> AudioFault:
    """The fault of a recording, the same whether it is read or only checked."""
    with pytest.raises(AudioFault) as checked:
        check_audio(path, **options)
    with pytest.raises(AudioFault) as read:
        read_audio(path, **options)
    assert str(read.value) == str(checked.value)
    assert str(read.value).startswith(f"{path}: ")
    return read.value


def test_a_recording_is_mono_float32_at_16_khz(tmp_path):
    path = save(tmp_path / "a.wav", tone(), subtype="FLOAT")
    samples = read_audio(path)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, tone())
    assert check_audio(path) == 1.0
    header = read_header(path)
    assert (header.num_samples, header.sampling_rate, header.num_channels) == (RATE, RATE, 1)


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([tone(), np.zeros_like(tone())], axis=1)
    path = save(tmp_path / "a.wav", stereo, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), tone() / 2, atol=1e-7)


@pytest.mark.parametrize("num_channels", [2, 3])
def test_the_mean_of_channels_is_numpys_to_the_last_bit(tmp_path, num_channels):
    many = np.random.default_rng(0).uniform(-1, 1, (RATE, num_channels)).astype(np.float32)
    path = save(tmp_path / "a.wav", many, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path), many.mean(axis=1))


def test_samples_are_the_same_read_at_once_or_in_blocks(tmp_path):
    path = save(tmp_path / "a.flac", tone(2.0))
    with audio_blocks(path, start=0.1, block_seconds=0.3) as (_, blocks):
        joined = list(blocks)
    assert len(joined) == 7
    np.testing.assert_array_equal(np.concatenate(joined), read_audio(path, start=0.1))


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_any_rate_is_resampled(tmp_path, rate):
    path = save(tmp_path / "a.wav", tone(rate=rate), rate, subtype="FLOAT")
    samples = read_audio(path)
    assert len(samples) == RATE
    np.testing.assert_allclose(samples[800:-800], tone()[800:-800], atol=1e-3)
    expected = soxr.resample(tone(rate=rate), rate, 22050)
    np.testing.assert_array_equal(read_audio(path, sampling_rate=22050), expected)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.opus"])
def test_a_stretch_is_what_lies_between_start_and_end(tmp_path, name):
    samples = np.concatenate([tone(hertz=200), tone(hertz=400), tone(hertz=800)])
    form = {"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}
    path = save(tmp_path / name, samples, **form)
    whole = read_audio(path)
    stretch = read_audio(path, start=1.25, end=1.75)
    assert len(stretch) == RATE // 2
    spectrum = np.abs(np.fft.rfft(stretch))
    assert abs(np.argmax(spectrum) * 2 - 400) < 10
    np.testing.assert_allclose(stretch[500:-500], whole[20500:27500], atol=0.02)
    assert len(read_audio(path, start=2.5)) == pytest.approx(RATE // 2, abs=1)
    assert len(read_audio(path, end=3.05)) == len(whole)  # rounded by its corpus


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_samples_are_counted_by_the_header(tmp_path, rate):
    path = save(tmp_path / "a.wav", tone(), rate)
    seconds = RATE / rate
    for stretch in ({}, {"start": 0.123}, {"start": 0.1, "end": 0.4567 * seconds}):
        for wanted in (16000, 22050):
            found = count_samples(path, **stretch, sampling_rate=wanted)
            assert found == len(read_audio(path, **stretch, sampling_rate=wanted))


def test_overshoot_is_clipped_and_another_scale_refused(tmp_path):
    loud = read_audio(save(tmp_path / "a.wav", 3 * tone(), subtype="FLOAT"))
    assert (loud.min(), loud.max()) == (-1, 1)
    found = fault(save(tmp_path / "b.wav", 32768 * tone(), subtype="FLOAT"))
    assert found.kind == "out-of-scale"
    assert "expected samples within [-1, 1], found a peak of 1.638e+04" in str(found)


def test_a_missing_file(tmp_path):
    found = fault(tmp_path / "a.wav")
    assert found.kind == "missing"
    assert str(found).endswith("no such file; is the corpus complete and its root right?")


def test_an_empty_file(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    assert fault(path).kind == "empty-file"
    assert str(fault(path)).endswith("the file is empty (0 bytes); fetch it again")


def test_a_folder_a_device_and_a_name_that_cannot_be(tmp_path):
    path = tmp_path / "a.wav"
    path.mkdir()
    assert fault(path).kind == "not-audio"
    assert str(fault(path)).endswith("expected an audio file, found a folder")
    assert fault(tmp_path / "a\0b").kind == "unreadable"
    assert "cannot be read (embedded null byte)" in str(fault(tmp_path / "a\0b"))
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe.wav")  # opening it would wait for ever
        assert "found something that is not a file" in str(fault(tmp_path / "pipe.wav"))


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.raw", "a.flac"])
def test_a_text_file_under_another_name(tmp_path, name):
    path = tmp_path / name
    path.write_text("Kids are talking by the door\n" * 50)
    assert fault(path).kind == "not-audio"
    assert "expected audio (WAV, FLAC, Ogg, MP3 or AIFF), found something else" in str(fault(path))
    assert "ffmpeg" in str(fault(path))


@pytest.mark.parametrize("share", [0.94, 0.5, 0.05])
@pytest.mark.parametrize(
    "form",
    ["WAV", "WAVEX", "RF64", "AIFF", "FLAC", "OGG/VORBIS", "OGG/OPUS", "MP3"],
)
def test_a_truncated_file(tmp_path, form, share):
    form, _, subtype = form.partition("/")
    noise = np.random.default_rng(0).normal(0, 0.1, 6 * RATE).astype(np.float32)
    path = save(tmp_path / "a", noise, format=form, subtype=subtype or None)
    assert check_audio(path) == pytest.approx(6.0, abs=0.1)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert fault(path).kind == "truncated"
    assert "truncated" in str(fault(path))
    assert "fetch it again" in str(fault(path))


def test_a_truncated_wav_says_how_much_is_there(tmp_path):
    path = save(tmp_path / "a.wav", tone(2.0), subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: 44 + RATE])
    assert "its header promises 2.00 s, the file holds 0.50 s" in str(fault(path))
    path.write_bytes(content[:30])
    assert "truncated: it ends before its samples begin" in str(fault(path))


def test_a_truncated_big_endian_wav_and_aiff(tmp_path):
    path = save(tmp_path / "a.wav", tone(), endian="BIG")
    assert path.read_bytes()[:4] == b"RIFX"
    path.write_bytes(path.read_bytes()[:-RATE])
    assert "its header promises 1.00 s, the file holds 0.50 s" in str(fault(path))
    path = save(tmp_path / "a.aiff", tone())
    path.write_bytes(path.read_bytes()[:-RATE])
    assert "bytes of samples, the file holds" in str(fault(path))


def test_an_ogg_cut_between_two_pages(tmp_path):
    path = save(tmp_path / "a.ogg", tone(20.0), format="OGG", subtype="VORBIS")
    content = path.read_bytes()
    path.write_bytes(content[: content.rfind(b"OggS")])
    assert "truncated: it ends without its closing page" in str(fault(path))


def test_a_wav_written_to_a_pipe_has_no_length_and_is_whole(tmp_path):
    path = save(tmp_path / "a.wav", tone(), subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert check_audio(path) == 1.0


def test_a_wav_with_an_odd_chunk_before_its_samples(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(), RATE, format="WAV", subtype="PCM_16")
    content = buffer.getvalue()
    chunk = b"LIST" + struct.pack("<I", 5) + b"note!\0"
    path = tmp_path / "a.wav"
    path.write_bytes(content[:36] + chunk + content[36:])
    assert check_audio(path) == 1.0
    path.write_bytes(path.read_bytes()[:-100])
    assert fault(path).kind == "truncated"


def test_a_header_without_samples_and_a_blink(tmp_path):
    none = fault(save(tmp_path / "a.wav", tone(0.0)))
    assert none.kind == "no-samples"
    assert str(none).endswith("holds a header and no samples; fetch it again")
    blink = fault(save(tmp_path / "b.wav", tone(0.01)))
    assert blink.kind == "short"
    assert "lasts 0.0100 s, expected at least 0.05 s" in str(blink)


def test_silence(tmp_path):
    digital = fault(save(tmp_path / "a.wav", np.zeros(RATE)))
    assert digital.kind == "silent"
    assert "silent (peak below -90 dBFS); record it again or leave it out" in str(digital)
    rng = np.random.default_rng(0)
    dither = rng.integers(-1, 2, RATE).astype(np.int16)
    assert fault(save(tmp_path / "b.wav", dither)).kind == "silent"
    assert len(read_audio(save(tmp_path / "c.wav", 3 * dither))) == RATE
    opposite = np.stack([tone(), -tone()], axis=1)
    assert "silent once its 2 channels, in opposite phase, are averaged" in str(
        fault(save(tmp_path / "d.wav", opposite))
    )
    half = save(tmp_path / "e.wav", np.concatenate([np.zeros(RATE), tone()]))
    assert fault(half, end=0.9).kind == "silent"
    assert check_audio(half) == 2.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity(tmp_path, bad):
    samples = tone()
    samples[100:103] = bad
    found = fault(save(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert found.kind == "nan"
    assert "3 of 16000 samples are NaN or infinite" in str(found)


@pytest.mark.parametrize("start, end", [(-1, None), (0.5, 0.5), (1.0, None), (0.5, 1.2), (3, 4)])
def test_a_stretch_outside_the_file(tmp_path, start, end):
    found = fault(save(tmp_path / "a.wav", tone()), start=start, end=end)
    assert found.kind == "stretch"
    assert "expected 0 <= start < end <= 1.00 s, the file's length, found start" in str(found)


def test_three_hours_are_refused_by_the_header_and_checked_in_little_memory(tmp_path):
    path = tmp_path / "a.flac"
    block = (tone(60.0, 8000) * 32767).astype(np.int16)
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC", compression_level=0.0) as file:
        for _ in range(180):
            file.write(block)
    found = fault(path, max_seconds=60)
    assert found.kind == "long"
    assert "lasts 10800.0 s, expected at most 60 s; cut it into utterances" in str(found)
    assert len(read_audio(path, start=10000, end=10001, max_seconds=60)) == RATE
    tracemalloc.start()
    try:
        assert check_audio(path) == 10800.0
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_name_in_any_script(tmp_path):
    path = save(tmp_path / "голос 声 😀.wav", tone())
    assert check_audio(path) == 1.0


def test_durations_are_measured_by_header(tmp_path):
    paths = [save(tmp_path / f"{i}.wav", tone(i)) for i in (1, 2)] + [tmp_path / "none.wav"]
    seen = []
    durations = measure_durations(paths, progress=lambda *done: seen.append(done))
    assert durations == [1.0, 2.0, None]
    assert seen == [(1, 3), (2, 3), (3, 3)]
