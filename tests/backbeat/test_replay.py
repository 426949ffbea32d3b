"""A file told through the API lands like the same file imported."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backbeat.cli import main
from serving.service.telling import Teller, read_listens
from serving.tokens import verify
from tests.streaming.tastes import NOON
from warehouse.events import PLAYS, Play
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land
from warehouse.stores.log import LogStream, partition_of
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS

SECRET = "a secret of thirty-two bytes or more"


class Players(ThreadingHTTPServer):
    """The API's own reading and telling of listens behind a plain server, which is away as often as a test says."""

    def __init__(self, log: SqliteLog) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.teller = Teller(LogStream(log), clock=lambda: NOON, new_id=lambda: "id")
        self.away = 0
        self.posts: list[int] = []
        self.tokens: list[tuple[str, set[str]]] = []


class _Answer(BaseHTTPRequestHandler):
    server: Players
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.away > 0:
            self.server.away -= 1
            self._answer(503, {"Retry-After": "0"})
            return
        told = read_listens(body, NOON)
        if token := self.headers.get("Authorization"):
            self.server.tokens.append((token, {listen.listener_id for listen in told}))
        self.server.teller.listens(told)
        self.server.posts.append(len(told))
        self._answer(202, {})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def players(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Players]:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "told"))
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    monkeypatch.delenv("BACKBEAT_SECRET", raising=False)
    with closing(SqliteLog(tmp_path / "told" / "log.db")) as log, Players(log) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Plays by two listeners, one told twice, and a row without a time."""
    path = tmp_path / "plays.csv"
    lines = [f"{who},Song {n},Band,{NOON - n * 200_000},{n * 1_000}" for n in range(1, 40) for who in ("ada", "bob")]
    rows = "\n".join([*lines, lines[0], "ada,Song 1,Band,,5"])
    path.write_text(f"listener_id,title,artist,started_ms,played_ms\n{rows}\n")
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def url(players: Players) -> str:
    return f"http://127.0.0.1:{players.server_port}"


def landed(home: Path) -> Lake:
    lake = Lake(str(home / "lake"))
    with closing(SqliteLog(home / "log.db")) as log:
        for landing in LANDINGS:
            land(lake, log, landing)
    return lake


def test_a_file_told_through_the_api_lands_as_if_imported(
    players: Players, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = told(capsys, "replay", str(file), "--url", url(players), "--batch", "30")
    assert (tally["plays"], tally["posts"], tally["tracks"], tally["quarantined"]) == (79, 3, 39, 1)
    assert players.posts == [30, 30, 19]
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "imported"))
    told(capsys, "import", str(file))
    lakes = [landed(tmp_path / home) for home in ("told", "imported")]
    for table in (RAW_PLAYS, RAW_TRACKS, RAW_QUARANTINE):
        assert lakes[0].content_hash(table) == lakes[1].content_hash(table), table.name
    assert lakes[0].count(RAW_PLAYS) == 78


def test_an_api_that_is_away_is_asked_again(players: Players, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    players.away = 3
    tally = told(capsys, "replay", str(file), "--url", url(players))
    assert (tally["plays"], tally["retries"]) == (79, 3)


def test_at_a_speed_plays_are_told_in_order_of_time(
    players: Players, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "replay", str(file), "--url", url(players), "--speed", "5000")
    assert sum(players.posts) == 79
    assert len(players.posts) > 5
    with closing(SqliteLog(tmp_path / "told" / "log.db")) as log:
        records = log.read(PLAYS, partition_of("ada", PLAYS.partitions))
    starts = [event.started_ms for record in records for event in record.events if isinstance(event, Play)]
    assert starts == sorted(starts)


def test_with_a_secret_each_post_is_of_one_listener_with_their_token(
    players: Players, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKBEAT_SECRET", SECRET)
    told(capsys, "replay", str(file), "--url", url(players))
    assert [listeners for _, listeners in players.tokens] == [{"ada"}, {"bob"}]
    for token, (listener,) in players.tokens:
        assert verify(token.removeprefix("Bearer "), SECRET, now_ms=NOON) == listener


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--speed", "fast"], ["--batch", "1001"], ["--url", "nowhere"]])
def test_what_cannot_be_done_is_refused_before_anything_is_told(
    players: Players, file: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(file), *wrong])
    assert ended.value.code == 2
    assert "wanted" in capsys.readouterr().err
    assert players.posts == []
