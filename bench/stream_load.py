"""Listeners who play and look: posts at a steady rate, and how long after its 202 a play is in an answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, cast

import msgspec

from bench.stream_rig import TRACKS
from warehouse.events import identity_of

PAUSE_SECONDS = 0.002  # between an answer that does not reflect the play and the next question
GIVE_UP_SECONDS = 10.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class _Connection(asyncio.Protocol):
    """Keep-alive, one request at a time; answers carry a Content-Length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no common base with asyncio's

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None:
            raise ConnectionError("the server hung up")
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        headers = bytes(self._buffer[:head]).lower()
        at = headers.index(b"content-length:") + 15
        end = head + 4 + int(headers[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) >= end and self._answer is not None:
            answer = Answer(int(headers[9:12]), bytes(self._buffer[head + 4 : end]))
            self._buffer.clear()
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server hung up"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Client:
    """As many connections as are needed at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[_Connection] = deque()

    async def get(self, path: str) -> Answer:
        return await self._asked(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    async def post(self, path: str, body: bytes) -> Answer:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        return await self._asked(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _asked(self, request: bytes) -> Answer:
        if self._free:
            connection = self._free.popleft()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        answer = await connection.ask(request)
        self._free.append(connection)
        return answer

    def close(self) -> None:
        for connection in self._free:
            connection.close()


@dataclass
class Seen:
    """What happened: freshness in ms of each single play, how often it was asked for, and what was not accepted."""

    fresh_ms: list[float] = field(default_factory=list)
    accepted_ms: list[float] = field(default_factory=list)
    questions: int = 0
    refused: int = 0
    never: int = 0
    background: int = 0


@dataclass(frozen=True)
class Pace:
    """Plays a second posted one by one and watched, and plays a second posted `batch` at a time beside them."""

    singles: int = 100
    background: int = 5_000
    batch: int = 50
    seconds: float = 10.0


async def watched(port: int, listeners: Sequence[str], crowd: Sequence[str], pace: Pace, seed: int) -> Seen:
    """Singles are by `listeners`, the background by `crowd`. What is due is posted, answered or not."""
    client, seen = Client(port), Seen()
    posts = pace.background // pace.batch
    bodies = _bodies(crowd, pace.batch, seed)
    prepared = [next(bodies) for _ in range(int(posts * pace.seconds))]
    chosen = random.Random(seed)  # noqa: S311 (a benchmark's order)
    singles = [chosen.choice(listeners) for _ in range(int(pace.singles * pace.seconds))]
    due = [(number / pace.singles, number, True) for number in range(len(singles))]
    due += [((number + 0.5) / max(1, posts), number, False) for number in range(len(prepared))]
    tasks: list[asyncio.Task[None]] = []
    began = time.perf_counter() + 0.05
    for at, number, single in sorted(due):
        if (left := began + at - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        work = (
            _single(
                client,
                singles[number],
                _listen(singles[number], (seed + number) % TRACKS, f"single-{seed}-{number}"),
                seen,
            )
            if single
            else _batch(client, prepared[number], pace.batch, seen)
        )
        tasks.append(asyncio.create_task(work))
    await asyncio.gather(*tasks)
    client.close()
    return seen


async def _single(client: Client, listener: str, listen: dict[str, Any], seen: Seen) -> None:
    asked = time.perf_counter()
    answer = await client.post("/v1/listens", _body([listen]))
    accepted = time.perf_counter()
    if answer.status != 202:
        seen.refused += 1
        return
    seen.accepted_ms.append((accepted - asked) * 1_000)
    wanted = str(listen["play_id"]).encode()
    while time.perf_counter() < accepted + GIVE_UP_SECONDS:
        seen.questions += 1
        answer = await client.get(f"/v1/listeners/{listener}/plays?limit=10")
        if wanted in answer.body:
            seen.fresh_ms.append((time.perf_counter() - accepted) * 1_000)
            return
        await asyncio.sleep(PAUSE_SECONDS)
    seen.never += 1


async def _batch(client: Client, body: bytes, plays: int, seen: Seen) -> None:
    answer = await client.post("/v1/listens", body)
    if answer.status == 202:
        seen.background += plays
    else:
        seen.refused += 1


def _bodies(crowd: Sequence[str], batch: int, seed: int) -> Iterator[bytes]:
    chosen = random.Random(seed)  # noqa: S311 (a benchmark's crowd)
    numbers = count()
    while True:
        ids = (identity_of(seed, next(numbers)) for _ in range(batch))
        yield _body([_listen(chosen.choice(crowd), chosen.randrange(TRACKS), play_id) for play_id in ids])


def _listen(listener: str, track: int, play_id: str) -> dict[str, Any]:
    started_ms = time.time_ns() // 1_000_000
    return {
        "listener_id": listener,
        "track_id": f"isrc:ZZ{track:010d}",
        "started_ms": started_ms,
        "play_id": play_id,
        "played_ms": 180_000,
        "track_ms": 200_000,
        "country": "IE",
    }


def _body(listens: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"listens": listens})
