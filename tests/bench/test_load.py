"""The load generator: what a server that hangs up makes of its requests."""

from __future__ import annotations

import asyncio
from itertools import repeat

import pytest

from bench.load import Load, open_loop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def loaded(answered: int) -> Load:
    """Ten requests over two connections, each of which the server closes after it has answered so many."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(answered):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await asyncio.wait_for(open_loop(port, repeat("/"), rate=1000, seconds=0.01, connections=2), 20)


@pytest.mark.parametrize(("answered", "failures"), [(0, 10), (2, 6), (10, 0)])
def test_requests_of_a_lost_connection_are_failures_and_the_load_ends(answered: int, failures: int) -> None:
    load = asyncio.run(loaded(answered))
    assert (len(load.latencies_ms), load.failures) == (10, failures)
