"""The API in front of a real Kafka: accepted is appended, refused is said, and both come into the lake."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from confluent_kafka import Producer

from deploy.local.kafka import broker
from deploy.local.service import NotInstalled, Running
from tests.e2e.test_serve import environment, served
from tests.fakes import foreign
from warehouse.events import PLAYS
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_DEADLETTERS, RAW_PLAYS

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("kafka")]


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Running]:
    """A Kafka whose topics are the real ones, and which a test may kill."""
    try:
        with broker(tmp_path / "kafka") as running:
            yield running
    except NotInstalled as error:
        pytest.skip(str(error))


def listens(*names: str) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    common = {"track_id": "t", "started_ms": now_ms - 200_000, "played_ms": 180_000}
    return {"listens": [{"play_id": name, "listener_id": name, **common} for name in names]}


def told(home: Path, log: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", "backbeat", *arguments, "--json"]
    done = subprocess.run(
        command, cwd=home, env=environment(home, BACKBEAT_LOG=log), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


def post(client: httpx.Client, *names: str) -> int:
    answer = client.post("/v1/listens", json=listens(*names))
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1"
    return answer.status_code


def test_what_the_api_accepts_is_on_kafka_and_lands_once_with_what_is_dead_apart(
    tmp_path: Path, own_kafka: Running
) -> None:
    home, log = tmp_path / "home", f"kafka://{own_kafka.address}"
    home.mkdir()
    accepted, refused = set(), 0
    with served(home, BACKBEAT_LOG=log) as client:
        assert post(client, "ada", "bob", "eve") == 202
        accepted |= {"ada", "bob", "eve"}
        own_kafka.kill()
        began = time.monotonic()
        assert (post(client, "late"), client.get("/readyz").status_code) == (503, 503)
        assert time.monotonic() - began < 15
        with broker(tmp_path / "kafka", own_kafka.port):
            while post(client, f"again-{refused}") != 202:
                refused += 1
            accepted.add(f"again-{refused}")
            stranger = Producer({"bootstrap.servers": own_kafka.address})
            stranger.produce(PLAYS.name, foreign.frame({"listener_id": "eve"}), partition=1)
            stranger.produce(PLAYS.name, b"{}", partition=2)
            assert stranger.flush(10) == 0
            for _ in range(2):
                told(home, log, "run", "tables", "--only", "land_events")
            assert len(told(home, log, "deadletters")["dead_letters"]) == 2
            assert told(home, log, "deadletters", "replay")["appended"] == 0
    lake = Lake(str(home / "lake"))
    landed = lake.read(RAW_PLAYS)["play_id"].to_pylist()
    assert len(landed) == len(set(landed))
    assert accepted <= set(landed)  # what was answered 503 may have been appended all the same
    assert lake.count(RAW_DEADLETTERS) == 2
