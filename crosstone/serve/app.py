"""The routes: predict, timeline, health, and the page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from crosstone import __version__
from crosstone.data.audio import AudioFault, Header, read_header
from crosstone.errors import AudioError, CorpusError, CrosstoneError
from crosstone.inference.predictor import Predictor
from crosstone.inference.recording import Recording, check_rate
from crosstone.inference.timeline import Cut, Waveform, timeline
from crosstone.inference.windows import Question
from crosstone.serve.batching import Batcher
from crosstone.serve.checks import check_host, check_origin, check_token
from crosstone.serve.documentation import PREDICT, REFUSALS, TIMELINE
from crosstone.serve.limits import Gate, Limits, Rates, Refused
from crosstone.serve.uploads import Upload, received
from crosstone.serve.wording import IN_PREDICT, IN_TIMELINE, worded

READERS = 2
"""Recordings that are decoded at a time: more would only take the model's turn."""

MOST_CHANNELS = 16
"""Of a recording that is uploaded."""

PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {"": "index.html", "page.css": "page.css", "page.js": "page.js", "wav.js": "wav.js"}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; media-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_CUE_FIELDS = ("srt", "vtt")
_CUT_FIELDS = {"window": "window", "hop": "hop", "margin": "margin", "smooth": "stay_seconds"}
"""Fields of a request that are seconds of a Cut."""


def create_app(
    predictor: Predictor,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    hosts: tuple[str, ...] | None = None,
) -> FastAPI:
    """The application that serves one model.

    token: what every request to /v1 has to carry (Authorization: Bearer). hosts: the names under
    which it may be called, so that no page elsewhere reaches it by a name of its own; None for any.
    """
    limits = limits or Limits()
    most_seconds = min(predictor.max_seconds, limits.max_seconds)
    batcher = Batcher(predictor)
    readers = ThreadPoolExecutor(READERS, thread_name_prefix="crosstone-reader")
    rates = Rates(limits.per_minute)
    gate = Gate(limits.waiting, "requests", max(1, limits.waiting // 4))
    timelines = Gate(limits.timelines, "timelines")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()
        readers.shutdown()

    app = FastAPI(
        title="crosstone",
        version=__version__,
        description="A trained audio–text model: what a recording and its words express.",
        lifespan=lifespan,
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.batcher, app.state.gate = batcher, gate

    def check(request: Request) -> None:
        path = request.scope["path"]  # which is routed; the address of request.url has Host in it
        check_host(request, hosts)
        check_origin(request)
        if path.startswith("/v1/"):
            check_token(request, token)
        if path in ("/v1/predict", "/v1/timeline"):
            rates.take(_client_of(request))

    app.add_middleware(_Guard, check=check)

    @app.exception_handler(Refused)
    async def refuse(_: Request, refused: Refused) -> Response:
        return _refusal(refused.status, refused.code, str(refused), refused.headers)

    @app.exception_handler(CrosstoneError)
    async def cannot(_: Request, error: CrosstoneError) -> Response:
        return _refusal(422, _code_of(error), str(error))

    @app.exception_handler(HTTPException)
    async def elsewhere(_: Request, error: HTTPException) -> Response:
        return _refusal(error.status_code, "no_such_route", str(error.detail), error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return _refusal(499, "gone", "the client went away")

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _refusal(500, "failed", "the server failed; its log says why")

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the server answers, and how many requests it has in hand."""
        return {"status": "ok", "version": __version__, "in_hand": gate.inside}

    @app.get("/v1/model", responses=REFUSALS)
    async def model() -> dict[str, Any]:
        """What the model takes and answers, and what one request may bring."""
        return {
            "head": predictor.head,
            "labels": list(predictor.spec.labels),
            "takes": list(predictor.model.config.heard or []),
            "sampling_rate": predictor.sampling_rate,
            "max_seconds": most_seconds,
            "max_mib": limits.max_mib,
            "timeline_seconds": limits.timeline_seconds,
        }

    @app.post("/v1/predict", openapi_extra=PREDICT, responses=REFUSALS)
    async def predict(request: Request) -> JSONResponse:
        """What the model says of one recording, of words, or of both."""
        with gate.pass_through(_client_of(request)):
            async with received(request, limits, ("text",)) as upload:
                loop = asyncio.get_running_loop()
                asked = (predictor, upload, most_seconds)
                question = await loop.run_in_executor(readers, _question, *asked)
            prediction = await batcher.ask(question)
        return JSONResponse(replace(prediction, id=upload.name).as_dict())

    @app.post("/v1/timeline", openapi_extra=TIMELINE, responses=REFUSALS)
    async def draw(request: Request) -> JSONResponse:
        """What the model says of each segment of a long recording, and its waveform."""
        known = ("segments", *_CUT_FIELDS, *_CUE_FIELDS)
        with gate.pass_through(_client_of(request)), timelines.pass_through():
            async with received(request, limits, known) as upload:
                return JSONResponse(await run_in_threadpool(_timeline, predictor, upload, limits))

    for path, file in _PAGE_FILES.items():
        app.add_api_route(
            f"/{path}",
            _file_of(PAGE / file),
            methods=["GET"],
            include_in_schema=False,
            response_class=FileResponse,
        )
    return app


class _Guard:
    """Refuses requests before anything of their body is read."""

    def __init__(self, app: ASGIApp, check: Callable[[Request], None]) -> None:
        self._app, self._check = app, check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            try:
                self._check(Request(scope))
            except Refused as refused:
                app = _refusal(refused.status, refused.code, str(refused), refused.headers)
        await app(scope, receive, send)


def _client_of(request: Request) -> str:
    return request.client.host if request.client else ""


def _file_of(path: Path) -> Callable[[], FileResponse]:
    return lambda: FileResponse(path, headers=_PAGE_HEADERS)


def _refusal(status: int, code: str, sentence: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": sentence}}, status, headers)


def _code_of(error: CrosstoneError) -> str:
    if isinstance(error, AudioFault) and error.kind == "long":
        return "too_long"
    if isinstance(error, AudioError):
        return "unreadable"
    return "bad_words" if isinstance(error, CorpusError) else "unanswerable"


def _header_of(audio: Path) -> Header:
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


def _question(predictor: Predictor, upload: Upload, most_seconds: float) -> Question:
    """The upload as it is put to the model; sentences call its file by the client's name."""
    with _called(upload, predictor, IN_PREDICT):
        if upload.audio is not None:
            # what libsndfile does not open goes to no other program
            seconds = _header_of(upload.audio).seconds
            if predictor.hears and seconds > most_seconds:
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


def _timeline(predictor: Predictor, upload: Upload, limits: Limits) -> dict[str, Any]:
    if upload.audio is None:
        raise Refused(422, "no_audio", "expected a recording as 'audio', found none")
    for suffix in _CUE_FIELDS:
        if suffix in upload.fields:
            cues = upload.audio.with_suffix(f".{suffix}")
            cues.write_text(upload.fields[suffix], encoding="utf-8")
    waveform = Waveform()
    with _called(upload, predictor, IN_TIMELINE):
        seconds = _header_of(upload.audio).seconds
        if seconds > limits.timeline_seconds:
            raise AudioFault(
                f"{upload.audio}: lasts {seconds:.0f} s, expected at most "
                f"{limits.timeline_seconds:g} s; cut it into parts",
                "long",
            )
        cut = _cut_of(upload)
        hop = cut.window if cut.hop is None else cut.hop
        if cut.kind == "fixed" and hop and seconds > limits.segments * hop:
            raise _too_many_segments(limits)  # before any of them is asked about
        moments = timeline(
            predictor,
            Recording(id=upload.name, audio=upload.audio),
            cut,
            heard=waveform.hear,
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


def _too_many_segments(limits: Limits) -> Refused:
    return Refused(
        422,
        "too_many_segments",
        f"expected at most {limits.segments} segments of one recording, found more; give a longer "
        "hop, or cut the recording into parts",
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


@contextmanager
def _called(upload: Upload, predictor: Predictor, words: str) -> Iterator[None]:
    """Errors that name the upload's temporary file name it as the client does, and the fields of
    its request; words: those that would have brought words."""
    try:
        yield
    except CrosstoneError as error:
        sentence = str(error)
        if upload.audio is not None:
            sentence = sentence.replace(str(upload.audio), upload.name)
            for name in _CUE_FIELDS:
                sentence = sentence.replace(str(upload.audio.with_suffix(f".{name}")), name)
        sentence = worded(sentence, predictor.name, words)
        if isinstance(error, AudioFault):
            raise AudioFault(sentence, error.kind) from None
        raise type(error)(sentence) from None
