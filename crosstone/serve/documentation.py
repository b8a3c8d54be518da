"""What the OpenAPI page says of bodies and refusals."""

from typing import Any

from crosstone.serve.limits import Limits

_AUDIO = {"type": "string", "format": "binary", "description": "WAV, FLAC, Ogg, MP3 or AIFF."}
_TEXT = {"type": "string", "description": "What is said."}


def _body(fields: dict[str, Any], *, takes_json: bool) -> dict[str, Any]:
    form = {"type": "object", "properties": {"audio": _AUDIO, **fields}}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    content["audio/*"] = {"schema": _AUDIO}
    if takes_json:
        content["application/json"] = {"schema": {"type": "object", "properties": fields}}
    in_query = [{"name": n, "in": "query", "schema": s} for n, s in fields.items()]
    return {"requestBody": {"content": content}, "parameters": in_query}


PREDICT = _body({"text": _TEXT}, takes_json=True)
"""Of /v1/predict."""


def timeline_body(limits: Limits) -> dict[str, Any]:
    """Of /v1/timeline, with what is taken."""
    bounds = (
        f"At most {limits.segments} segments of one recording, which last at most "
        f"{limits.heard_seconds:g} s together where they overlap: else 422."
    )
    return _body(
        {
            "segments": {
                "type": "string",
                "enum": ["vad", "fixed", "transcript"],
                "default": "vad",
                "description": bounds,
            },
            "window": {"type": "number", "description": "Seconds of a fixed window."},
            "hop": {
                "type": "number",
                "description": f"Seconds from one window to the next. {bounds}",
            },
            "margin": {"type": "number", "description": "Seconds left around speech (vad)."},
            "smooth": {"type": "number", "description": "Seconds that a class is taken to last."},
            "srt": {"type": "string", "description": "What is said and when, as SubRip."},
            "vtt": {"type": "string", "description": "The same as WebVTT."},
        },
        takes_json=False,
    )


_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}

_SAID = {
    401: "The server's token is missing or another.",
    403: "A page of another host asks.",
    408: "The upload stalled, or was too slow.",
    413: "More bytes than the server takes.",
    415: "A body of another kind.",
    421: "Called by a name that is not this server's.",
    422: "A recording that cannot be heard or is too long, too many segments or too much sound in "
    "them, or words or fields that do not fit.",
    429: "More requests a minute, or in hand, than one client may have; of timelines, one in hand.",
    503: "As many requests in hand as the server takes, or it stops.",
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {"application/json": {"schema": _ERROR}}}
    for status, said in _SAID.items()
}
"""By status."""
