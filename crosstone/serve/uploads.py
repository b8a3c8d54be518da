"""What a request brings: a recording in a file that goes with the request, words, settings."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from crosstone.data.text import is_unicode
from crosstone.inference.sources import READ
from crosstone.serve.limits import Limits, Refused

PREFIX = "crosstone-upload-"
"""Of the folders in which recordings stand until their request is answered."""

MAX_TEXT_BYTES = 1 << 20
"""Of a field of a form, and of a JSON body."""

SLOWEST = 1 << 16
"""Bytes a second: what an upload that takes its time has to bring."""

_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A request's recording and its fields."""

    audio: Path | None = None
    name: str = "recording"
    """What sentences and the answer call the recording: the file's own name."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """text, and what else the route knows."""


@asynccontextmanager
async def received(
    request: Request, limits: Limits, known: tuple[str, ...]
) -> AsyncIterator[Upload]:
    """The upload of a request while it is in hand; its file is gone afterwards, however it ends.

    A form (multipart/form-data) brings the file as `audio`, a body of audio/* or octet-stream is
    the file itself, JSON brings fields alone; fields may stand in the query too. known: the fields
    that are taken. Raises Refused: 413 for too many bytes, 408 for an upload that stalls, 415 for
    another kind of body, 422 for fields that cannot be read or are not known.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fields = _query(request)
    with TemporaryDirectory(prefix=PREFIX) as folder:
        audio, name = None, "recording"
        if kind == "multipart/form-data":
            audio, name, given = await _form(request, limits, Path(folder))
            fields |= given
        elif kind == "application/json":
            fields |= await _json(request, limits)
        elif kind.startswith("audio/") or kind == "application/octet-stream":
            audio = Path(folder) / "recording"
            with audio.open("wb") as file:
                async for chunk in _body(request, limits):
                    file.write(chunk)
        elif await _first(request, limits):
            raise Refused(
                415,
                "unknown_body",
                "expected multipart/form-data with a file 'audio', a body of audio/*, or "
                f"application/json with 'text', found {kind or 'no content type'}",
            )
        if not is_unicode("".join((name, *fields, *fields.values()))):
            raise Refused(
                422,
                "bad_words",
                "expected Unicode text, found lone surrogates; decode its source as UTF-8",
            )
        if unknown := sorted(set(fields) - set(known)):
            raise Refused(
                422,
                "unknown_field",
                f"expected the fields {', '.join(('audio', *known))}, found {', '.join(unknown)}",
            )
        yield Upload(audio=audio, name=name, fields=fields)


class _Form(MultiPartParser):
    """Starlette's, which would read a field that is no UTF-8 as Latin-1."""

    def on_part_end(self) -> None:
        """Take in a part; raises Refused for a field in another encoding."""
        if self._current_part.file is None:
            try:
                bytes(self._current_part.data).decode()
            except UnicodeDecodeError:
                raise _other_bytes(self._current_part.field_name) from None
        super().on_part_end()


def _other_bytes(where: str) -> Refused:
    return Refused(
        422, "bad_words", f"{where}: expected UTF-8, found other bytes; encode it as UTF-8"
    )


def _query(request: Request) -> dict[str, str]:
    query = request.scope["query_string"].decode("latin-1")
    try:
        return dict(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise _other_bytes("the query") from None
    except ValueError as error:
        raise Refused(422, "bad_form", f"the query cannot be read: {error}") from error


async def _body(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The chunks of a body; raises Refused (413, 408) as soon as it is known."""
    most = int(limits.max_mib * (1 << 20))
    too_large = Refused(
        413,
        "too_large",
        f"expected at most {limits.max_mib:g} MiB, found more; send FLAC or MP3, or a shorter "
        "recording",
    )
    promised = request.headers.get("content-length", "")
    if promised.isdecimal() and int(promised) > most:
        raise too_large
    stream = request.stream().__aiter__()
    so_far, begun = 0, time.monotonic()
    while True:
        allowed = limits.upload_seconds + so_far / SLOWEST
        left = allowed - (time.monotonic() - begun)
        try:
            chunk = await asyncio.wait_for(stream.__anext__(), min(limits.stall_seconds, left))
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            if left < limits.stall_seconds:
                raise Refused(
                    408,
                    "slow",
                    f"the upload was not there after {allowed:.3g} s; send it again by a faster "
                    "way, or a smaller one",
                ) from None
            raise Refused(
                408,
                "stalled",
                f"the upload brought nothing for {limits.stall_seconds:g} s; send it again",
            ) from None
        so_far += len(chunk)
        if so_far > most:
            raise too_large
        yield chunk


async def _first(request: Request, limits: Limits) -> bool:
    """Whether there is a body at all."""
    async for chunk in _body(request, limits):
        if chunk:
            return True
    return False


async def _form(
    request: Request, limits: Limits, folder: Path
) -> tuple[Path | None, str, dict[str, str]]:
    parser = _Form(
        request.headers,
        _body(request, limits),  # type: ignore[arg-type]
        max_files=1,
        max_fields=16,
        max_part_size=MAX_TEXT_BYTES,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise Refused(422, "bad_form", f"the form cannot be read: {reason}") from error
    audio, name = None, "recording"
    fields: dict[str, str] = {}
    try:
        for key, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[key] = value
                continue
            if key != "audio":
                raise Refused(
                    422, "unknown_field", f"expected a file as 'audio', found one as '{key}'"
                )
            name = PurePosixPath((value.filename or "").replace("\\", "/")).name or name
            suffix = PurePosixPath(name).suffix.lower()
            audio = folder / f"recording{suffix if suffix in READ else ''}"
            with audio.open("wb") as file:
                while chunk := await value.read(_CHUNK):
                    file.write(chunk)
    finally:
        await form.close()
    return audio, name, fields


async def _json(request: Request, limits: Limits) -> dict[str, str]:
    body = b""
    async for chunk in _body(request, limits):
        body += chunk
        if len(body) > MAX_TEXT_BYTES:
            raise Refused(413, "too_large", "expected at most 1 MiB of JSON, found more")
    try:
        fields = json.loads(body)
    except UnicodeDecodeError:
        raise _other_bytes("the body") from None
    except (ValueError, RecursionError) as error:
        raise Refused(422, "bad_json", f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
        raise Refused(
            422, "bad_json", 'expected a JSON object of strings, as in {"text": "what is said"}'
        )
    return fields
