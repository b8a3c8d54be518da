"""What the container of an audio file promises, against the bytes that are there.

libsndfile clips the promise to the file in silence (RIFF, AIFF) or takes the last whole page for
the end (Ogg), so a broken download reads as a shorter recording; here it is found out.
"""

import struct
from pathlib import Path
from typing import BinaryIO

STREAMED = 0x7FFFF000
"""Sizes from here on stand for "unknown": a program that wrote to a pipe could not go back."""
OGG_LAST_PAGE = 0x04
OGG_MAX_PAGE = 27 + 255 + 255 * 255


def missing_part(path: Path) -> str | None:
    """A clause that says what a truncated RIFF, RF64, AIFF or Ogg file lacks, None where whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(12)
        if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:12] == b"WAVE":
            return _missing_samples(file, size, order="<", fmt=b"fmt ", data=b"data")
        if magic[:4] == b"RIFX" and magic[8:12] == b"WAVE":
            return _missing_samples(file, size, order=">", fmt=b"fmt ", data=b"data")
        if magic[:4] == b"FORM" and magic[8:12] in (b"AIFF", b"AIFC"):
            return _missing_samples(file, size, order=">", fmt=b"COMM", data=b"SSND")
        if magic[:4] == b"OggS":
            return _missing_page(file, size)
    return None


def _missing_samples(
    file: BinaryIO, size: int, *, order: str, fmt: bytes, data: bytes
) -> str | None:
    """Walk the chunks to the samples; chunks are padded to even lengths, the last one often not."""
    long_size: int | None = None
    bytes_per_second = 0.0
    while True:
        head = file.read(8)
        if len(head) < 8:
            return "it ends before its samples begin"
        name = head[:4]
        (length,) = struct.unpack(order + "I", head[4:])
        if name == data:
            if length == 0xFFFFFFFF and long_size is not None:
                length = long_size
            elif length >= STREAMED:
                return None
            there = size - file.tell()
            if length <= there:
                return None
            if bytes_per_second > 0:
                promised, found = length / bytes_per_second, there / bytes_per_second
                return f"its header promises {promised:.2f} s, the file holds {found:.2f} s"
            return f"its header promises {length} bytes of samples, the file holds {there}"
        begin = file.tell()
        if name == b"ds64" and length >= 16:
            _, long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        elif name == fmt == b"fmt " and length >= 12:
            bytes_per_second = float(
                struct.unpack(order + "8xI", file.read(12).ljust(12, b"\0"))[0]
            )
        file.seek(begin + length + length % 2)


def _missing_page(file: BinaryIO, size: int) -> str | None:
    """Follow the Ogg pages at the end of the file; the last one carries the end-of-stream flag."""
    file.seek(max(0, size - 2 * OGG_MAX_PAGE))
    tail = file.read()
    at = tail.find(b"OggS")
    ended = False
    while 0 <= at < len(tail):
        if tail[at : at + 4] != b"OggS":
            at = tail.find(b"OggS", at)
            continue
        num_segments = tail[at + 26] if at + 27 <= len(tail) else 0
        lengths = tail[at + 27 : at + 27 + num_segments]
        following = at + 27 + num_segments + sum(lengths)
        if at + 27 > len(tail) or len(lengths) < num_segments or following > len(tail):
            return "its last page is cut off"
        ended = bool(tail[at + 5] & OGG_LAST_PAGE)
        at = following
    return None if ended else "it ends without its closing page"
