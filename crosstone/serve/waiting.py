"""Work on threads that ends where nobody waits for it any more."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")


class NobodyWaits(Exception):
    """What was being made is for a client that is gone, or for a server that stops."""


class Threads:
    """As many threads as there are pieces of long work at a time."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(max(1, count), thread_name_prefix="crosstone-timeline")
        self._stops: set[Event] = set()

    async def work(self, request: Request, work: Callable[[Event], T]) -> T:
        """What the work gives for a request whose body was read.

        Its event is set once the client is gone, the request is cancelled or the server stops; then
        it is waited for, since what it reads goes with the request. Raises ClientDisconnect for a
        client that is gone.
        """
        stop = Event()
        self._stops.add(stop)
        working = asyncio.get_running_loop().run_in_executor(self._threads, work, stop)
        leaving = asyncio.ensure_future(_leave(request))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ClientDisconnect
            return working.result()
        finally:
            stop.set()
            leaving.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)
            self._stops.discard(stop)

    async def close(self) -> None:
        """End what is at work, then the threads."""
        for stop in self._stops:
            stop.set()
        await asyncio.to_thread(self._threads.shutdown)


async def _leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
