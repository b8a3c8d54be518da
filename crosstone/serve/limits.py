"""What one request, one client and all of them together may ask for."""

import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crosstone.errors import ConfigError

MAX_CLIENTS = 10_000
"""Clients whose rate is remembered; the one that was silent longest is forgotten first."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server takes before it refuses."""

    max_mib: float = 32.0
    """Of one upload."""

    max_seconds: float = 60.0
    """Of a recording that is answered as a whole; never more than the model takes."""

    timeline_seconds: float = 4 * 3600.0
    """Of a recording that becomes a timeline."""

    segments: int = 20_000
    """Of one timeline."""

    timeline_passes: float = 4.0
    """How often the segments of one timeline, which may overlap, put timeline_seconds to the model
    at most; a shorter recording may be put oftener."""

    per_minute: int = 600
    """Requests of one client."""

    waiting: int = 128
    """Requests in hand at once, from their first byte to their answer; a quarter of one client."""

    timelines: int = 2
    """Of these, timelines that are being drawn; one of one client."""

    stall_seconds: float = 20.0
    """An upload that brings no byte for so long is given up."""

    upload_seconds: float = 60.0
    """An upload is given up after this and a second more for every 64 KiB that came."""

    @property
    def heard_seconds(self) -> float:
        """What the segments of one timeline may last together."""
        return self.timeline_passes * self.timeline_seconds


class Refused(Exception):
    """A request that is not answered: its status, a word for programs and a sentence for people."""

    def __init__(
        self, status: int, code: str, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.code, self.headers = status, code, headers or {}


class Rates:
    """Requests of each client, over a minute that moves on.

    A client may use its whole minute at once; what it used comes back evenly. Raises ConfigError
    for less than one a minute.
    """

    def __init__(self, per_minute: int) -> None:
        if per_minute < 1:
            raise ConfigError(
                f"serve: expected at least 1 request a minute of each client, found {per_minute}; "
                "allow more (--per-minute)"
            )
        self._most, self._per_second = float(per_minute), per_minute / 60
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request; raises Refused (429) where the client has none left."""
        now = time.monotonic()
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        self._left[client] = (max(0.0, left - 1), now) if left >= 1 else (left, now)
        while len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            seconds = max(1, round((1 - left) / self._per_second))
            raise Refused(
                429,
                "too_many_requests",
                f"expected at most {self._most:g} requests a minute, found more; wait {seconds} s",
                {"Retry-After": str(seconds)},
            )


class Gate:
    """How many requests are in hand; of_one: how many of them may be one client's, if bounded."""

    def __init__(self, limit: int, what: str, of_one: int | None = None) -> None:
        self.inside = 0
        self._limit, self._what, self._of_one = limit, what, of_one
        self._clients: Counter[str] = Counter()

    def refuse(self, client: str) -> None:
        """Raise Refused where as many as may be are inside: 503, or 429 where they are this
        client's."""
        again = {"Retry-After": "1"}
        if self.inside >= self._limit:
            raise Refused(
                503,
                "busy",
                f"{self.inside} {self._what} are in hand, as many as this server takes; try again "
                "in a second",
                again,
            )
        if self._of_one is not None and self._clients[client] >= self._of_one:
            raise Refused(
                429,
                "too_many_in_hand",
                f"expected one client to have at most {self._of_one} of the {self._what} in hand, "
                "found more; try again in a second",
                again,
            )

    @contextmanager
    def pass_through(self, client: str = "") -> Iterator[None]:
        """Be counted meanwhile; raises as `refuse` does."""
        self.refuse(client)
        self.inside += 1
        self._clients[client] += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
