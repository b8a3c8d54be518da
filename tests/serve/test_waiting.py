"""Long work is told when nobody waits for it, and is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from crosstone.serve.waiting import NobodyWaits, Threads

Part = Callable[[Threads, "asyncio.Task[Any]"], Awaitable[None]]


async def staying() -> Any:
    await asyncio.Event().wait()


def ask(
    work: Callable[[Event], Any], receive: Callable[[], Awaitable[Any]], then: Part | None = None
) -> Any:
    """What a request for the work comes to; then: what happens while it is at work."""

    async def run() -> Any:
        threads = Threads(1)
        asking = asyncio.ensure_future(
            threads.work(Request({"type": "http"}, receive), work)  # type: ignore[arg-type]
        )
        await asyncio.sleep(0)
        if then is not None:
            await then(threads, asking)
        (found,) = await asyncio.gather(asking, return_exceptions=True)
        await threads.close()
        return found

    return asyncio.run(run())


def test_who_stays_has_the_answer_or_the_fault() -> None:
    def fail(_: Event) -> None:
        raise ValueError("no")

    assert ask(lambda stop: stop.is_set(), staying) is False
    assert isinstance(ask(fail, staying), ValueError)


async def leave() -> Any:
    return {"type": "http.disconnect"}


async def cancel(_: Threads, asking: "asyncio.Task[Any]") -> None:
    asking.cancel()


async def close(threads: Threads, _: "asyncio.Task[Any]") -> None:
    await threads.close()


@pytest.mark.parametrize(
    "receive,then,raised",
    [
        (leave, None, ClientDisconnect),
        (staying, cancel, asyncio.CancelledError),
        (staying, close, NobodyWaits),
    ],
)
def test_work_that_nobody_waits_for_is_told_so_and_has_ended(
    receive: Callable[[], Awaitable[Any]], then: Part | None, raised: type[BaseException]
) -> None:
    ended: list[bool] = []

    def work(stop: Event) -> None:
        ended.append(stop.wait(30))
        raise NobodyWaits

    assert isinstance(ask(work, receive, then), raised)
    assert ended == [True]
