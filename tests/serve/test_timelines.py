"""A timeline asks its model no more once it is told to stop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event, Timer
from typing import Any

import httpx
import numpy as np
import pytest
from listening import Listening
from sounds import file_of, tone

from crosstone.inference import Predictor
from crosstone.serve import Limits, create_app, server
from crosstone.serve.limits import Refused
from crosstone.serve.timelines import BATCH_SIZE, timeline_of
from crosstone.serve.uploads import Upload
from crosstone.serve.waiting import NobodyWaits

CUT = {"segments": "fixed", "window": "1", "hop": "0.5"}
"""19 segments of 10 s: three batches."""


@pytest.fixture
def batches(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """`batches(first)` counts those that the model is asked from now on, and calls `first` in the
    first of them."""

    def watch(first: Callable[[], Any]) -> list[int]:
        sizes: list[int] = []
        forward = predictor.model.forward

        def counted(*given: Any, **named: Any) -> Any:
            output = forward(*given, **named)
            sizes.append(len(output.logits["mood"]))
            if len(sizes) == 1:
                first()
            return output

        monkeypatch.setattr(predictor.model, "forward", counted)
        return sizes

    return watch


def test_it_ends_between_blocks_and_between_batches(
    predictor: Predictor, batches: Callable[..., list[int]], tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(tone(10))
    upload, stop = Upload(audio=tmp_path / "a.wav", fields=CUT), Event()
    asked = batches(lambda: None)
    assert len(timeline_of(predictor, upload, Limits(), stop)["segments"]) == sum(asked) == 19
    asked = batches(stop.set)
    with pytest.raises(NobodyWaits):
        timeline_of(predictor, upload, Limits(), stop)
    assert asked == [BATCH_SIZE]
    (tmp_path / "a.wav").write_bytes(file_of(np.zeros(160_000)))
    with pytest.raises(NobodyWaits):  # though the model would be asked about nothing
        timeline_of(predictor, upload, Limits(), stop)


def test_windows_that_come_to_too_much_are_refused_before_one_is_asked_about(
    predictor: Predictor, batches: Callable[..., list[int]], tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(tone(10))
    upload, asked = Upload(audio=tmp_path / "a.wav", fields=CUT), batches(lambda: None)
    with pytest.raises(Refused, match="that last at most 18 s together"):
        timeline_of(predictor, upload, Limits(timeline_seconds=12, timeline_passes=1.5), Event())
    assert not asked


def request_of(address: str) -> tuple[tuple[str, int], bytes]:
    """Where a server listens, and a request for a timeline as it goes over the wire."""
    url = httpx.URL(address)
    request = httpx.Request(
        "POST",
        f"{address}v1/timeline",
        params=CUT,
        content=tone(10),
        headers={"Content-Type": "audio/wav"},
    )
    lines = [f"POST {request.url.raw_path.decode()} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return (url.host, url.port or 80), "\r\n".join([*lines, "", ""]).encode() + request.content


def test_a_client_that_hangs_up_gives_its_place_back(
    predictor: Predictor, batches: Callable[..., list[int]], places: Path
) -> None:
    begun, go_on = Event(), Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    with Listening(predictor) as listening:
        where, request = request_of(listening.address)
        asked = batches(wait)
        with socket.create_connection(where) as client:
            client.sendall(request)
            assert begun.wait(30)
        for _ in range(3):  # by then the server has seen that the connection is closed
            assert httpx.get(f"{listening.address}health").json()["in_hand"] == 1
        go_on.set()
        while httpx.get(f"{listening.address}health").json()["in_hand"]:
            pass
        assert asked == [BATCH_SIZE]
        assert not list(places.iterdir())


def test_a_stop_ends_a_timeline_that_takes_too_long(
    predictor: Predictor,
    batches: Callable[..., list[int]],
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = Event(), Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    monkeypatch.setattr(server, "STOP_SECONDS", 0)
    with Listening(predictor) as listening:
        where, request = request_of(listening.address)
        asked = batches(wait)
        with socket.create_connection(where) as client:
            client.sendall(request)
            assert begun.wait(30)
            listening.stop()
            Timer(1, go_on.set).start()  # a batch is not broken off
            listening.thread.join(30)
            said = client.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b'"stopping","message":"the server stops and did not come to the end of it' in said
    assert asked == [BATCH_SIZE]
    assert not list(places.iterdir())


def test_a_server_that_only_says_that_it_stops_ends_it_too(
    predictor: Predictor, batches: Callable[..., list[int]], places: Path
) -> None:
    begun, go_on = Event(), Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    async def run() -> httpx.Response:
        app = create_app(predictor)
        lifespan = app.router.lifespan_context(app)
        await lifespan.__aenter__()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            wav = {"Content-Type": "audio/wav"}
            asking = asyncio.ensure_future(
                client.post("/v1/timeline", params=CUT, content=tone(10), headers=wav)
            )
            assert await asyncio.to_thread(begun.wait, 30)
            asyncio.get_running_loop().call_later(0.2, go_on.set)
            await lifespan.__aexit__(None, None, None)
            return await asking

    asked = batches(wait)
    response = asyncio.run(run())
    assert (response.status_code, response.json()["error"]["code"]) == (503, "stopping")
    assert asked == [BATCH_SIZE]
    assert not list(places.iterdir())


def test_an_upload_takes_no_timelines_place(predictor: Predictor, places: Path) -> None:
    inside: list[int] = []

    async def run() -> httpx.Response:
        app = create_app(predictor)

        async def in_parts() -> AsyncIterator[bytes]:
            yield tone(10)[:9000]
            inside.extend((app.state.gate.inside, app.state.timelines.inside))
            yield tone(10)[9000:]

        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://here") as client,
        ):
            wav = {"Content-Type": "audio/wav"}
            return await client.post("/v1/timeline", params=CUT, content=in_parts(), headers=wav)

    assert asyncio.run(run()).status_code == 200
    assert inside == [1, 0]
