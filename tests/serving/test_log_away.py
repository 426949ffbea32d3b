"""While the log answers nobody, every caller hears so within seconds, and whoever needs no log is served."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.service.appends import Appends
from tests.fakes.locked import locked
from tests.serving.house import NOW_MS, House, track
from warehouse.stores.log import LogUnavailable

BODY = {"listens": [{"listener_id": "ada", "track_id": track(1, 0), "started_ms": NOW_MS - 600_000}]}


async def asked(client: httpx.AsyncClient, method: str, path: str) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = await client.request(method, path, json=BODY if method == "POST" else None)
    return answer, time.monotonic() - began


async def asked_together(house: House, *questions: tuple[str, str]) -> list[tuple[httpx.Response, float]]:
    api: Any = house.api  # httpx types an ASGI application more narrowly than Litestar
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as client:
        return await asyncio.gather(*(asked(client, method, path) for method, path in questions))


def test_a_log_that_is_locked_is_a_503_for_all_callers_within_seconds(house: House, tmp_path: Path) -> None:
    house.charts.add(date(2026, 5, 1), "t:0/0")
    posts = [("POST", "/v1/listens")] * 100
    others = [("DELETE", "/v1/listeners/ada"), ("GET", "/readyz"), ("GET", "/v1/charts"), ("GET", "/healthz")]
    with locked(tmp_path / "log.db"):
        *told, erased, ready, chart, alive = asyncio.run(asked_together(house, *posts, *others))
    for answer, seconds in (*told, erased):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert seconds < 8  # one after another they would have taken minutes
    assert (ready[0].status_code, ready[1] < 8) == (503, True)
    for answer, seconds in (chart, alive):
        assert answer.status_code == 200
        assert seconds < 1.5
    assert house.client.post("/v1/listens", json=BODY).status_code == 202


def test_what_found_no_thread_in_time_is_never_begun() -> None:
    held, begun = threading.Event(), []

    async def tried() -> None:
        appends = Appends(threads=1, patience_seconds=0.2)
        first = asyncio.create_task(appends.run(held.wait))
        await asyncio.sleep(0.05)
        with pytest.raises(LogUnavailable, match="did not answer in 0"):
            await appends.run(lambda: begun.append("late"))
        with pytest.raises(LogUnavailable):
            await first
        held.set()
        appends.close()

    asyncio.run(tried())
    assert begun == []
