"""`backbeat ledger` and `backbeat parity` as they are typed; what runs here needs no Spark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake.exceptions import CommitFailedError

from backbeat.cli import main
from backbeat.output import CommandFailed
from backbeat.parity import TASTE, bring_in
from streaming.embedded import EmbeddedStream
from streaming.standing import behind, last_told
from tests.streaming.tastes import erasure, play
from warehouse.events import ERASURES, PLAYS
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LAND_TRIES, LANDINGS, land
from warehouse.stores.log import partition_of
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.stores.tastes import Tastes
from warehouse.tables import RAW_PLAYS
from warehouse.tail import topic_partition
from warehouse.workers import LAST, LEDGER, LastLedger

PLACE = topic_partition(PLAYS.name, partition_of("ada", PLAYS.partitions))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two plays told and folded, of which one has landed."""
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    with closing(SqliteLog(tmp_path / "log.db")) as log, closing(SqliteRows(tmp_path / "rows.db")) as rows:
        stream = EmbeddedStream(log, rows)
        stream.accept(PLAYS, [play("p1")])
        for landing in LANDINGS:
            land(Lake(str(tmp_path / "lake")), log, landing)
        stream.accept(PLAYS, [play("p2", "t2")])
        stream.close()
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], home: Path) -> Run:  # noqa: ARG001  # commands find it in the environment
    def command(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return command


def test_the_ledger_says_where_each_play_is(run: Run) -> None:
    code, out, _ = run("ledger", "--json")
    told = json.loads(out)
    assert (code, told["difference"]) == (0, 0)
    assert told["days"]["2024-10-04"] == told["total"]
    assert {name: told["total"][name] for name in ("accepted", "waiting", "in_rows")} == {
        "accepted": 2,
        "waiting": 2,
        "in_rows": 2,
    }
    assert told["behind"] == {"to_land": 1, "to_count": 1, "to_take_back": 0}
    assert told["rows"] == {"listeners": 1, "plays": 2}


def test_the_ledger_is_a_table_for_people(run: Run) -> None:
    _, out, err = run("ledger", "--no-rows")
    assert "2024-10-04" in out
    assert "Difference 0." in out
    assert "1 to land, 1 to count" in err


def test_the_live_page_hears_of_the_last_ledger_over_all_days_and_rows(run: Run, home: Path) -> None:
    with closing(SqliteRows(home / "rows.db")) as rows:
        for partial in (("--no-rows",), ("--since", "2024-10-04")):
            run("ledger", *partial)
            assert rows.get(LEDGER, LAST) is None, partial
        run("ledger")
        last = msgspec.msgpack.decode(rows.get(LEDGER, LAST) or b"", type=LastLedger)
    assert (last.days, last.accepted, last.counted, last.difference) == (1, 2, 2, 0)


def test_the_ledger_begins_where_it_is_told_to(run: Run) -> None:
    assert json.loads(run("ledger", "--json", "--since", "2024-10-05")[1])["days"] == {}
    assert run("ledger", "--since", "yesterday")[0] == 2


@pytest.mark.parametrize(
    ("at", "complaint"),
    [
        ("{", "wanted a JSON object"),
        ('{"playback.play.v1/9": 0}', "no such place"),
        (f'{{"{PLACE}": 1}}', "only 0 has landed"),
    ],
)
def test_parity_at_offsets_that_are_none_is_refused(run: Run, at: str, complaint: str) -> None:
    code, _, err = run("parity", "--at", at)
    assert (code, complaint in " ".join(err.split())) == (2, True)


def test_parity_now_takes_no_offsets(run: Run) -> None:
    assert run("parity", "--now", "--at", "{}")[0] == 2


@dataclass(frozen=True)
class BusyLake(Lake):
    """A lake where others are faster for so many commits."""

    left: list[None]

    def append(self, *arguments: Any, **more: Any) -> None:
        if self.left:
            self.left.pop()
            raise CommitFailedError("overtaken")
        super().append(*arguments, **more)


def test_landing_for_a_comparison_goes_on_where_others_are_faster_for_a_while(home: Path) -> None:
    lake = BusyLake(str(home / "lake"), [None] * (LAND_TRIES + 1))
    with closing(SqliteLog(home / "log.db")) as log:
        bring_in(lake, log)
    assert (lake.left, lake.count(RAW_PLAYS)) == ([], 2)


def test_where_others_are_always_faster_that_is_said_in_one_line(home: Path) -> None:
    lake = BusyLake(str(home / "lake"), [None] * 1_000)
    with (
        closing(SqliteLog(home / "log.db")) as log,
        pytest.raises(CommandFailed, match=r"could not land playback.play.v1: .* always faster: overtaken; try again"),
    ):
        bring_in(lake, log, patience_seconds=0)
    assert lake.count(RAW_PLAYS) == 1


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[SqliteLog, SqliteRows]]:
    with closing(SqliteLog(tmp_path / "log.db")) as log, closing(SqliteRows(tmp_path / "rows.db")) as rows:
        yield log, rows


def test_rows_are_behind_until_they_have_seen_all_that_is_about_their_listener(
    stores: tuple[SqliteLog, SqliteRows],
) -> None:
    log, rows = stores
    log.append(PLAYS, [play("p1")])
    log.append(ERASURES, [erasure("p0")])
    log.append(PLAYS, [play("p2", listener_id="bob")])
    ends = {topic_partition(topic.name, part): end for topic in TASTE.topics for part, end in log.end(topic).items()}
    last = last_told(log, TASTE.topics, ends)
    assert behind(Tastes(rows), last) == {"ada", "bob"}
    EmbeddedStream(log, rows).close()
    assert behind(Tastes(rows), last) == set()
