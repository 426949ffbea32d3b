"""The peer of bench/serving: the same server and framework answering a fixed document of 50 items, and raw ASGI."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from litestar import Litestar, get

from serving.answers import Cite, Item, Recommendations


def document() -> Recommendations:
    """An answer like the API's."""
    cites = tuple(Cite("p" * 12, f"30music:{n}", f"Title {n}", f"Artist {n}", 1_400_000_000_000) for n in range(3))
    reason = "Because you played Title of 30music:1234 by Artist of 30music:1234, 12 times since May 2014."
    items = tuple(
        Item(f"30music:{n}", f"Title {n}", f"Artist {n}", "Album", 0.5, "als", "v" * 23, "i" * 32, n, reason, cites)
        for n in range(50)
    )
    return Recommendations("ada", "discover", "v" * 23, "i" * 32, items, None, "c" * 150)


def framework() -> Any:
    """Litestar, encoding the document anew each time."""
    fixed = document()

    @get("/", sync_to_thread=False)
    def static() -> Recommendations:
        return fixed

    return Litestar([static], openapi_config=None)


def raw() -> Any:
    """ASGI alone, with the bytes ready."""
    body = msgspec.json.encode(document())
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 (ASGI's signature)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


async def serve(kind: str, port: int) -> None:
    """Until killed."""
    app, interface = (framework(), Interfaces.ASGI) if kind == "framework" else (raw(), Interfaces.ASGINL)
    server = Server(
        app, port=port, interface=interface, http=HTTPModes.http1, websockets=False, log_enabled=False, backlog=1_024
    )
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
