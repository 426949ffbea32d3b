"""HTTP load from one process: open loop at a rate, so that a slow answer delays no other request, or closed loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np


@dataclass(frozen=True)
class Load:
    """Latencies in ms, from when a request was due; `seconds` is how long it all took."""

    latencies_ms: np.ndarray[tuple[int], np.dtype[np.float64]]
    seconds: float
    failures: int

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """In ms."""
        return float(np.percentile(self.latencies_ms, share))


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way; answers carry a Content-Length."""

    def __init__(self, free: Callable[[_Connection], None], done: Callable[[float, bool], None]) -> None:
        self._free = free
        self._done = done
        self._due: float | None = None  # of the request under way
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no common base with asyncio's
        self._free(self)

    def ask(self, path: str, due: float) -> None:
        """Send a GET."""
        self._due = due
        if self._transport is not None:
            self._transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        else:
            asyncio.get_running_loop().call_soon(self._finished, False)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        headers = bytes(self._buffer[:head]).lower()
        at = headers.index(b"content-length:") + 15
        length = int(headers[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) - head - 4 >= length:
            self._buffer.clear()
            self._finished(b" 200 " in headers[:20])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._transport = None
        self._finished(False)

    def _finished(self, well: bool) -> None:
        if self._due is not None:
            due, self._due = self._due, None
            self._done(time.perf_counter() - due, well)
            self._free(self)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class _Run:
    def __init__(self) -> None:
        self.free: deque[_Connection] = deque()
        self.waiting: deque[tuple[str, float]] = deque()
        self.latencies: list[float] = []
        self.failures = 0

    def freed(self, connection: _Connection) -> None:
        if self.waiting:
            connection.ask(*self.waiting.popleft())
        else:
            self.free.append(connection)

    def done(self, seconds: float, well: bool) -> None:
        self.latencies.append(seconds * 1_000)
        self.failures += not well

    def ask(self, path: str, due: float) -> None:
        if self.free:
            self.free.popleft().ask(path, due)
        else:
            self.waiting.append((path, due))

    async def connect(self, port: int, count: int) -> list[_Connection]:
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(self.freed, self.done), "127.0.0.1", port)
            for _ in range(count)
        ]
        return [connection for _, connection in made]


async def open_loop(port: int, paths: Iterator[str], *, rate: float, seconds: float, connections: int = 64) -> Load:
    """A request every 1/rate seconds, whether earlier ones are answered or not."""
    run = _Run()
    opened = await run.connect(port, connections)
    total = int(rate * seconds)
    began = time.perf_counter() + 0.05
    for number in range(total):
        due = began + number / rate
        while (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left if left > 0.002 else 0)
        run.ask(next(paths), due)
    while len(run.latencies) < total:
        await asyncio.sleep(0.001)
    return _finished(run, opened, time.perf_counter() - began)


async def closed_loop(port: int, paths: Iterator[str], *, seconds: float, connections: int = 8) -> Load:
    """Each connection asks again as soon as it is answered: what the server can do at most."""
    run = _Run()
    began = time.perf_counter()

    def again(connection: _Connection) -> None:
        if time.perf_counter() - began < seconds:
            connection.ask(next(paths), time.perf_counter())

    run.freed = again  # type: ignore[method-assign]  # the other way to go on with a free connection
    opened = await run.connect(port, connections)
    await asyncio.sleep(seconds + 0.2)
    return _finished(run, opened, seconds)


def _finished(run: _Run, opened: Sequence[_Connection], seconds: float) -> Load:
    for connection in opened:
        connection.close()
    return Load(np.array(run.latencies), seconds, run.failures)
