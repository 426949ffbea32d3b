from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from serving.bodies import Bodies, Body
from serving.problems import Refused
from tests.serving.house import House

HEADERS = [(b"host", b"localhost"), (b"content-type", b"application/json")]
DISCONNECT = {"type": "http.disconnect"}


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class Connection:
    """What a server hands an application: these messages, then nothing for ever; and what it is sent."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.waiting = list(messages)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if not self.waiting:
            await asyncio.Event().wait()
        return self.waiting.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def asks(self, house: House) -> tuple[int, dict[bytes, bytes], Any]:
        """Status, headers and document of the answer to a POST of listens."""
        scope: Any = {
            "type": "http",
            "method": "POST",
            "path": "/v1/listens",
            "raw_path": b"/v1/listens",
            "query_string": b"",
            "headers": HEADERS,
        }
        await house.api(scope, self.receive, self.send)
        started, body = self.sent
        return started["status"], dict(started["headers"]), msgspec.json.decode(body["body"])


@pytest.fixture
def hasty_house(house: House) -> House:
    """One that waits for a body a twentieth of a second."""
    house.api.bodies.seconds = 0.05
    return house


def test_a_body_that_does_not_come_is_a_408_that_closes_the_connection(hasty_house: House) -> None:
    status, headers, problem = asyncio.run(Connection(part(b"{")).asks(hasty_house))
    assert (status, headers[b"connection"]) == (408, b"close")
    assert problem["type"] == "/docs#problem-request-timeout"


def test_a_body_that_breaks_off_is_a_400_and_no_failure_of_ours(house: House) -> None:
    status, headers, problem = asyncio.run(Connection(part(b"{"), DISCONNECT).asks(house))
    assert (status, headers[b"connection"]) == (400, b"close")
    assert problem["type"] == "/docs#problem-invalid-request"
    assert 'status="500"' not in house.client.get("/metrics").text


def test_a_body_in_many_parts_is_read_whole(house: House) -> None:
    body = msgspec.json.encode(
        {"listens": [{"listener_id": "ada", "track_id": "t", "started_ms": house.now_ms, "played_ms": 1}]}
    )
    parts = [part(body[at : at + 7]) for at in range(0, len(body), 7)]
    status, _, answer = asyncio.run(Connection(*parts, part(b"", more=False)).asks(house))
    assert (status, len(answer["play_ids"])) == (202, 1)


def test_a_body_gains_time_as_it_comes_in() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0.03)
        return part(b" " * (64 << 10))

    async def read() -> None:
        body = Body(Bodies(seconds=0.05), receive)
        for _ in range(5):  # 150 ms, in which 320 KiB earn five seconds
            await body()

    asyncio.run(read())


def test_once_a_body_is_whole_its_connection_is_waited_for_without_end() -> None:
    async def read() -> None:
        connection = Connection(part(b"{}", more=False))
        body = Body(Bodies(seconds=0.01), connection.receive)
        await body()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(body(), 0.05)

    asyncio.run(read())


def test_bodies_beyond_the_room_for_all_are_refused_until_others_are_answered() -> None:
    async def read() -> None:
        bodies = Bodies(bytes_at_once=10)
        first, second = (Body(bodies, Connection(part(b"1234567")).receive) for _ in range(2))
        await first()
        with pytest.raises(Refused) as refused:
            await second()
        assert (refused.value.problem.status, refused.value.headers["Retry-After"]) == (503, "1")
        first.close()
        second.close()
        await Body(bodies, Connection(part(b"1234567890")).receive)()

    asyncio.run(read())
