from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from streaming.workers.meter import Meter
from streaming.workers.sink import SINK, LakeSink
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.tastes import NOON, play
from warehouse.events import PLAYS
from warehouse.stores.lake import Lake
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_PLAYS
from warehouse.workers import WORKERS, WorkerStatus, worker_key


class Shore:
    """A log, a lake, and the sink between them."""

    def __init__(self, folder: Path, log: SqliteLog) -> None:
        self.folder, self.log, self.rows = folder / "lake", log, MemoryRows()
        self.sink = LakeSink(Lake(str(self.folder)), log, Meter(self.rows, "1", lambda: NOON), every_seconds=0.01)

    @property
    def landed(self) -> list[str]:
        return sorted(Lake(str(self.folder)).read(RAW_PLAYS)["play_id"].to_pylist())

    @property
    def said(self) -> WorkerStatus:
        return msgspec.msgpack.decode(self.rows.get(WORKERS, worker_key(SINK, "1")) or b"", type=WorkerStatus)


@pytest.fixture
def shore(tmp_path: Path) -> Iterator[Shore]:
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        yield Shore(tmp_path, log)


def test_it_lands_until_it_is_told_to_stop_and_says_how_far_it_is(shore: Shore) -> None:
    stop = threading.Event()
    (record,) = shore.log.append(PLAYS, [play("p1")])
    running = threading.Thread(target=shore.sink.run, args=[stop])
    running.start()
    while not shore.rows.get(WORKERS, worker_key(SINK, "1")):
        running.join(0.01)
    stop.set()
    running.join()
    assert shore.landed == ["p1"]
    assert shore.said.places == {f"{PLAYS.name}/{record.partition}": record.offset}


def test_rows_that_cannot_be_read_for_a_while_end_nothing(shore: Shore, caplog: pytest.LogCaptureFixture) -> None:
    shore.log.append(PLAYS, [play("p1")])
    assert shore.sink.land()
    shore.log.append(PLAYS, [play("p2")])
    (there,) = shore.folder.rglob("*.parquet")
    away = there.rename(there.with_suffix(".away"))
    assert not shore.sink.land()
    assert "trying again in 0.01 s" in caplog.text
    away.rename(there)
    assert shore.sink.land()
    assert shore.landed == ["p1", "p2"]
