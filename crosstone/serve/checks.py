"""Who may ask: the name a server is called by, the page that asks, the token."""

import hmac
import re

from fastapi import Request

from crosstone.serve.limits import Refused

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::\d*)?")
"""What Host may be: an address or a name, and a port."""


def check_host(request: Request, hosts: tuple[str, ...] | None) -> None:
    """Raises Refused where the server is called by a name that is none of its own."""
    named = _HOST.fullmatch(request.headers.get("host", ""))
    name = (named[1] or named[2]).lower() if named else ""
    if hosts is not None and name not in hosts:
        raise Refused(
            421,
            "other_host",
            f"expected to be called as {' or '.join(hosts)}, found '{name}'; start with --host and "
            "--token to be called otherwise",
        )


def check_origin(request: Request) -> None:
    """Raises Refused for a page of another host: it may show its person's browser a form, and
    never post it here."""
    origin = request.headers.get("origin")
    if request.method != "POST" or origin is None:
        return
    host = request.headers.get("host", "")
    if origin.partition("://")[2].lower() != host.lower():
        raise Refused(
            403,
            "other_origin",
            f"expected a request of a page of {host or 'this server'}, found one of {origin}; ask "
            "from the server's own page, or from a program",
        )


def check_token(request: Request, token: str | None) -> None:
    """Raises Refused where a request does not carry the token that is asked for."""
    if token is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
        raise Refused(
            401,
            "no_token",
            "expected the server's token (Authorization: Bearer …), found "
            f"{'another' if given else 'none'}",
            {"WWW-Authenticate": "Bearer"},
        )
