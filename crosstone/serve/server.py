"""The server process: where it listens, who may call it, how it stops."""

import ipaddress
from collections.abc import Callable

import uvicorn

from crosstone.errors import ConfigError
from crosstone.inference.predictor import Predictor
from crosstone.serve.app import create_app
from crosstone.serve.limits import Limits

KEEP_SECONDS = 75
"""How long a connection without a request stays open: longer than clients keep theirs (5 to 60 s),
or one of them sends its next request into the end of it."""

STOP_SECONDS = 30
"""How long requests in hand may take to their end once the server is asked to stop."""

SHORTEST_TOKEN = 8
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Whether a host is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str | None) -> None:
    """Raise ConfigError for a host that others reach without a token, and for a token too short."""
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"serve --host {host}: others reach it there, so it expects --token (or "
            "CROSSTONE_TOKEN), found none; give one, or listen on 127.0.0.1"
        )
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        raise ConfigError(
            f"serve --token: expected at least {SHORTEST_TOKEN} ASCII characters, found "
            f"{len(token)} that are{'' if token.isascii() else ' not'}; make one with `python -c "
            "'import secrets; print(secrets.token_urlsafe())'`"
        )


def serve(
    predictor: Predictor,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    limits: Limits | None = None,
    started: Callable[[str], None] | None = None,
    kind: type["Server"] | None = None,
) -> None:
    """Answer until SIGINT or SIGTERM, then finish what is in hand.

    started: called with the address once it answers. kind: the server's class, where another than
    ours keeps hold of it. Raises ConfigError for a host that others
    reach without a token, and where the address is taken.
    """
    check_token(host, token)
    hosts = (*dict.fromkeys((host, *LOOPBACK)),) if token is None else None
    app = create_app(predictor, limits=limits, token=token, hosts=hosts)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        proxy_headers=False,  # a client could call itself otherwise, and have its own rate
        server_header=False,
        timeout_keep_alive=KEEP_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = (kind or Server)(config, started)
    try:
        server.run()
    except SystemExit as stop:  # uvicorn's, where it cannot listen; its log says why
        raise ConfigError(
            f"serve: cannot listen on {host}:{port}; is it taken? choose another --port"
        ) from stop


class Server(uvicorn.Server):
    """uvicorn's, which says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and self._started is not None:
            port = self.servers[0].sockets[0].getsockname()[1]
            name = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            self._started(f"http://{name}:{port}/")
