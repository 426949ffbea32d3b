"""HEAD wherever GET is: the same answer without its body (RFC 9110 9.3.2)."""

from __future__ import annotations

from litestar.types import HTTPResponseStartEvent, Message, Send

_ALLOW_STATUSES = (204, 405)  # what answers OPTIONS, and a method that the path does not take


def bodiless(send: Send) -> Send:
    """Sends what it is given but the bytes of the body; the headers, Content-Length too, stay as they are."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


def name_head(message: HTTPResponseStartEvent) -> None:
    """Let the `Allow` header of an answer's start name HEAD beside GET."""
    if message["status"] in _ALLOW_STATUSES:
        message["headers"] = [
            (name, _with_head(value) if name.lower() == b"allow" else value) for name, value in message["headers"]
        ]


def _with_head(allowed: bytes) -> bytes:
    methods = {method.strip() for method in allowed.split(b",")}
    return b", ".join(sorted(methods | {b"HEAD"} if b"GET" in methods else methods))
