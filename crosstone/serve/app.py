"""The routes: predict, timeline, health, and the page."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crosstone import __version__
from crosstone.data.audio import AudioFault
from crosstone.errors import AudioError, CorpusError, CrosstoneError
from crosstone.inference.predictor import Predictor
from crosstone.serve.batching import Batcher
from crosstone.serve.checks import check_host, check_origin, check_token
from crosstone.serve.documentation import PREDICT, REFUSALS, timeline_body
from crosstone.serve.limits import Gate, Limits, Rates, Refused
from crosstone.serve.questions import question_of
from crosstone.serve.timelines import FIELDS, timeline_of
from crosstone.serve.uploads import received
from crosstone.serve.waiting import NobodyWaits, Threads

READERS = 2
"""Recordings that are decoded at a time: more would only take the model's turn."""

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
    timelines = Gate(limits.timelines, "timelines", 1)
    drawers = Threads(limits.timelines)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await drawers.close()
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
    app.state.batcher, app.state.gate, app.state.timelines = batcher, gate, timelines

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
                question = await loop.run_in_executor(readers, question_of, *asked)
            prediction = await batcher.ask(question)
        return JSONResponse(replace(prediction, id=upload.name).as_dict())

    @app.post("/v1/timeline", openapi_extra=timeline_body(limits), responses=REFUSALS)
    async def draw(request: Request) -> JSONResponse:
        """What the model says of each segment of a long recording, and its waveform."""
        client = _client_of(request)
        with gate.pass_through(client):
            timelines.refuse(client)  # before its upload, during which it takes nobody's place
            async with received(request, limits, FIELDS) as upload:
                with timelines.pass_through(client):
                    asked = partial(timeline_of, predictor, upload, limits)
                    return JSONResponse(await drawers.work(request, asked))

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
    """Refuses requests before anything of their body is read, and those that a stop breaks off."""

    def __init__(self, app: ASGIApp, check: Callable[[Request], None]) -> None:
        self._app, self._check = app, check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            try:
                self._check(Request(scope))
            except Refused as refused:
                app = _refusal(refused.status, refused.code, str(refused), refused.headers)
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, receive, answer)
        except (asyncio.CancelledError, NobodyWaits):  # uvicorn would say 500, and log a traceback
            if begun:
                raise
            sentence = "the server stops and did not come to the end of it; ask again later"
            await _refusal(503, "stopping", sentence)(scope, receive, send)


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
