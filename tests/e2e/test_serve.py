"""The real server, started as a user starts it and killed as a machine kills it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from models.registry import Registry
from serving.tokens import sign
from tests.serving.house import SECRET, TRACKS, artifact, card, track
from warehouse.events import IMPRESSIONS, Impression
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.taste import CATALOG

pytestmark = pytest.mark.servers
ROOT = Path(__file__).parents[2]


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKBEAT_")}
    return {**kept, "BACKBEAT_HOME": str(home), "PYTHONPATH": str(ROOT), **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    home: Path, *, kill: bool = False, files: tuple[int, int] | None = None, **more: str
) -> Iterator[httpx.Client]:
    """A client of a server in this folder, which may open so many `files` (soft and hard limit)."""
    port = free_port()
    command = [sys.executable, "-m", "backbeat", "serve", "--port", str(port)]
    if files:
        command = ["sh", "-c", 'ulimit -Sn $0 && ulimit -Hn $1 && shift && exec "$@"', *map(str, files), *command]
    process = subprocess.Popen(command, cwd=home, env=environment(home, **more), stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            _wait_until_ready(client, process)
            yield client
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        assert process.wait(20) == (-signal.SIGKILL if kill else 0)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
    assert f"http://127.0.0.1:{port}/docs" in said
    assert kill or "Backbeat has stopped" in said
    assert "Traceback" not in said


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not become ready; its exit code is {process.poll()}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a published model and its catalog."""
    Registry(tmp_path / "models").publish(artifact())
    rows = SqliteRows(tmp_path / "rows.db")
    rows.put_many(CATALOG, {name: msgspec.msgpack.encode(card(name)) for name in TRACKS}, version=1)
    rows.close()
    return tmp_path


def listen(name: str) -> dict[str, object]:
    now_ms = time.time_ns() // 1_000_000
    return {"listener_id": "ada", "track_id": name, "started_ms": now_ms - 200_000, "played_ms": 180_000}


def test_plays_become_recommendations_in_the_next_answer(home: Path) -> None:
    with served(home) as client:
        before = client.get("/v1/listeners/ada/recommendations").json()
        assert {item["source"] for item in before["items"]} == {"popularity"}
        (play_id,) = client.post("/v1/listens", json={"listens": [listen(track(2, 4))]}).json()["play_ids"]
        first = client.get("/v1/listeners/ada/recommendations?limit=1").json()["items"][0]
        assert first["track_id"].startswith("t:2/")
        assert [cite["play_id"] for cite in first["cites"]] == [play_id]
        following = client.get("/v1/listeners/ada/recommendations?shelf=next&limit=1").json()["items"][0]
        assert following["track_id"] == track(2, 5)


def test_a_play_that_was_accepted_outlives_the_death_of_the_server(home: Path) -> None:
    with served(home, kill=True) as client:
        answer = client.post("/v1/listens", json={"listens": [listen(track(2, 4))]})
        assert answer.status_code == 202
    with served(home) as client:
        plays = client.get("/v1/listeners/ada/plays").json()["plays"]
        assert [play["play_id"] for play in plays] == answer.json()["play_ids"]
        first = client.get("/v1/listeners/ada/recommendations?limit=1").json()["items"][0]
        assert first["track_id"].startswith("t:2/")


def test_what_was_shown_is_on_the_log_when_the_server_has_stopped(home: Path) -> None:
    with served(home) as client:
        answer = client.get("/v1/listeners/ada/recommendations").json()
    log = SqliteLog(home / "log.db")
    records = [record for partition in range(IMPRESSIONS.partitions) for record in log.read(IMPRESSIONS, partition)]
    log.close()
    shown = [event for record in records for event in record.events if isinstance(event, Impression)]
    assert [impression.impression_id for impression in shown] == [answer["impression_id"]]


@contextmanager
def connected(client: httpx.Client, sent: bytes) -> Iterator[socket.socket]:
    """A connection of its own, on which this was sent and nothing more is."""
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=30) as connection:
        connection.sendall(sent)
        yield connection


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server closes it."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


POST = b"POST /v1/listens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_connection_that_falls_silent_is_closed_within_seconds(home: Path) -> None:
    halves = {
        "nothing": b"",
        "headers": b"GET /healthz HTTP/1.1\r\nHost: local",
        "a body": POST + b"Content-Length: 1000\r\n\r\n{",
        "a body that nobody reads": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
        "the next request": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    }
    with served(home) as client, ExitStack() as open_:
        connections = {half: open_.enter_context(connected(client, sent)) for half, sent in halves.items()}
        began = time.monotonic()
        said = {half: all_of(connection) for half, connection in connections.items()}
        assert time.monotonic() - began < 15
    assert said["a body"].startswith(b"HTTP/1.1 408 ")
    assert said["the next request"].startswith(b"HTTP/1.1 200 ")


def test_a_chunk_that_is_none_is_a_400(home: Path) -> None:
    with served(home) as client:
        with connected(client, POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n") as connection:
            assert all_of(connection).startswith(b"HTTP/1.1 400 ")
        assert 'status="500"' not in client.get("/metrics").text


def test_head_tells_the_length_of_what_get_sends(home: Path) -> None:
    with served(home) as client:
        got, head = client.get("/docs"), client.head("/docs")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content))
        assert client.get("/healthz").status_code == 200  # on the same connection


def test_the_server_asks_for_as_many_files_as_its_connections_need(home: Path) -> None:
    with served(home, files=(256, 1_024)) as client, ExitStack() as open_:
        for _ in range(300):
            open_.enter_context(connected(client, b""))
        assert httpx.get(f"{client.base_url}/healthz", timeout=5).status_code == 200


def test_with_a_secret_the_server_asks_for_tokens(home: Path) -> None:
    with served(home, BACKBEAT_SECRET=SECRET) as client:
        assert client.get("/v1/listeners/ada/taste").status_code == 401
        token = sign("ada", SECRET, now_ms=time.time_ns() // 1_000_000, seconds=60)
        assert client.get("/v1/listeners/ada/taste", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backbeat", *arguments]
    return subprocess.run(command, cwd=home, env=environment(home), capture_output=True, text=True, check=False)


def test_another_address_without_a_secret_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--host", "0.0.0.0")  # noqa: S104 (it must be refused)
    assert done.returncode == 2
    assert "BACKBEAT_SECRET" in done.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_that_there_is_not_is_refused(tmp_path: Path, port: str) -> None:
    done = run(tmp_path, "serve", f"--port={port}")
    assert (done.returncode, done.stderr) == (2, f"backbeat: --port is {port}; wanted a whole number from 0 to 65535\n")


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "Address already in use" in done.stderr


def test_the_command_line_answers_as_the_api_does(home: Path) -> None:
    done = run(home, "recommend", "ada", "--shelf", "popular", "-n", "3", "--json")
    assert done.returncode == 0, done.stderr
    answer = msgspec.json.decode(done.stdout)
    assert [item["track_id"] for item in answer["items"]] == list(TRACKS[:3])
    assert "Song 1" in run(home, "recommend", "ada").stdout
    assert run(home, "recommend", "ada", "--shelf", "attic").returncode == 2
    assert msgspec.json.decode(run(home, "similar", track(1, 1), "-n", "2", "--json").stdout)["items"]
    assert run(home, "similar", "nobody:knows").returncode == 1


def test_models_are_listed_compared_and_rolled_back(home: Path) -> None:
    registry = Registry(home / "models")
    first, second = registry.published(), registry.publish(artifact(seed=1))
    assert first is not None
    listed = msgspec.json.decode(run(home, "models", "list", "--json").stdout)
    assert [(model["version"], model["served"]) for model in listed["models"]] == [(first, False), (second, True)]
    differing = msgspec.json.decode(run(home, "models", "diff", first, second, "--json").stdout)
    assert (differing["tracks_added"], differing["popular_shared"]) == (0, 1.0)
    assert differing["similar_shared"] < 1
    assert run(home, "models", "rollback").returncode == 0
    assert registry.published() == first
    assert run(home, "models", "rollback", "never-published").returncode == 1


def test_the_apis_process_loads_neither_spark_nor_faust_nor_a_trainer() -> None:
    code = (
        "import sys, backbeat.serve; print([m for m in ('pyspark', 'faust', 'implicit', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
