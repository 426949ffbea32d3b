"""Reading a request's body within bounds: of time, so that no connection is held for nothing, and of memory in all."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from litestar.types import Receive, ReceiveMessage

from serving.problems import RETRY_SECONDS, Fault, Refused, invalid

SECONDS = 10.0
BYTES_A_SECOND = 64 << 10  # 8 MiB may take 138 s
BYTES_AT_ONCE = 512 << 20  # of all bodies that are being read or answered
_CLOSE = {"Connection": "close"}  # what is left of the body would be taken for the next request


class Bodies:
    """The bodies of all requests that are under way.

    Each has `seconds` and, as it comes in, another for every `BYTES_A_SECOND` of it: the rule of Apache's
    mod_reqtimeout (`body=10,MinRate=65536`). Together they hold `bytes_at_once` at most.
    """

    def __init__(self, seconds: float = SECONDS, bytes_at_once: int = BYTES_AT_ONCE) -> None:
        self.seconds = seconds
        self._left = bytes_at_once

    def take(self, size: int) -> None:
        """Make room for so many bytes. Raises `Refused` (503) where there is none."""
        if size > self._left:
            detail = "Too many large bodies are being read at once. Nothing was changed; try again."
            headers = {"Retry-After": RETRY_SECONDS, **_CLOSE}
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers=headers)
        self._left -= size

    def give_back(self, size: int) -> None:
        """They are held no longer."""
        self._left += size


class Body:
    """The ASGI `receive` of one request; `close` it once the request is answered.

    Raises `Refused`: 408 where the body does not come in time, 400 where it breaks off, 503 where there is no room.
    """

    def __init__(self, bodies: Bodies, receive: Receive) -> None:
        self._bodies = bodies
        self._receive = receive
        self._deadline: float | None = None
        self._size = 0
        self._whole = False

    async def __call__(self) -> ReceiveMessage:
        """The next message. Once the body is whole, as long as it takes: only the end of the connection is left."""
        if self._whole:
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._bodies.seconds
        try:
            async with asyncio.timeout_at(self._deadline + self._size / BYTES_A_SECOND):
                message = await self._receive()
        except TimeoutError as error:
            raise _too_slow(self._size) from error
        if message["type"] != "http.request":
            raise _broken_off(self._size)
        self._bodies.take(len(message["body"]))
        self._size += len(message["body"])
        self._whole = not message["more_body"]
        return message

    def close(self) -> None:
        """Let go of the room that it took."""
        self._bodies.give_back(self._size)
        self._size = 0


def _too_slow(size: int) -> Refused:
    detail = f"The body did not come in time: {size} bytes of it did. Send it again, faster or in parts."
    return Refused(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail, headers=_CLOSE)


def _broken_off(size: int) -> Refused:
    """The server tells a connection that ended and a chunk that is none (RFC 9112 7.1) in the same way."""
    refused = invalid(Fault(f"the body broke off after {size} bytes: the connection ended, or a chunk is malformed"))
    refused.headers.update(_CLOSE)
    return refused
