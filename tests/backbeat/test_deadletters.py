from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backbeat.cli import main
from tests.fakes import foreign
from tests.streaming.tastes import NOON, play
from warehouse.events import PLAYS
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_DEADLETTERS

GOOD = msgspec.to_builtins(play("good"))
OLD = {**GOOD, "started_ms": str(NOON)}  # as another producer might tell it


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake with one dead letter that cannot be read, and one that now can be."""
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    lake = Lake(str(tmp_path / "lake"))
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        for told in (OLD, "no play"):
            foreign.put(tmp_path / "log.db", PLAYS, 0, foreign.frame(told), NOON)
        for landing in LANDINGS:
            land(lake, log, landing)
    return lake


def mend(lake: Lake) -> None:
    """As a version would that reads what the last one did not."""
    content = msgspec.msgpack.encode(GOOD)
    values = {"content": f"'{b64encode(content).decode()}'", "content_bytes": str(len(content))}
    assert lake.update(RAW_DEADLETTERS, "log_offset = 0", values) == 1


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    main(["deadletters", *arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_letters_are_listed_with_their_place_and_their_reason(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    listed = told(capsys)["dead_letters"]
    assert [(one["topic"], one["partition"], one["log_offset"], one["position"]) for one in listed] == [
        (PLAYS.name, 0, 0, 0),
        (PLAYS.name, 0, 1, 0),
    ]
    assert listed[1]["reason"] == "Expected `object`, got `str`; wanted a valid Play"
    assert msgspec.msgpack.decode(b64decode(listed[0]["content"])) == OLD
    main(["deadletters"])
    assert "wanted a valid Play" in capsys.readouterr().out
    assert lake.count(RAW_DEADLETTERS) == 2


def test_a_replay_says_what_went_and_what_is_left(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mend(lake)
    first, second = told(capsys, "replay"), told(capsys, "replay")
    assert (first["appended"], second["appended"]) == (1, 0)
    assert [one["log_offset"] for one in first["left"]] == [one["log_offset"] for one in second["left"]] == [1]
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        events = [event for partition in range(4) for record in log.read(PLAYS, partition) for event in record.events]
    assert events == [play("good")]
    assert len(told(capsys)["dead_letters"]) == 1
    assert [one["replayed_ms"] is None for one in told(capsys, "--all")["dead_letters"]] == [False, True]
    main(["deadletters", "replay"])
    assert "0 appended again, 1 left." in capsys.readouterr().err


def test_without_letters_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    main(["deadletters"])
    assert capsys.readouterr().out == "No dead letters.\n"
