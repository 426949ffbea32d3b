from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.log import MADE_MS, Clock, LogContract, Put, all_of, play
from tests.fakes import foreign
from tests.fakes.locked import locked
from warehouse.events import PLAYS, TOPICS, Topic
from warehouse.stores.log import Log, LogUnavailable, partition_of
from warehouse.stores.sqlite_log import TRIMMED_AT_ONCE, SqliteLog


class TestSqliteLog(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path, clock: Clock) -> Iterator[Log]:
        with closing(SqliteLog(tmp_path / "log.db", clock)) as log:
            yield log

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        def written(topic: Topic, partition: int, content: bytes) -> None:
            foreign.put(tmp_path / "log.db", topic, partition, content, MADE_MS)

        return written


_APPENDS_FOREVER = """
import sys
from pathlib import Path
from tests.fakes.locked import locked
from tests.contracts.log import play
from warehouse.events import PLAYS
from warehouse.stores.sqlite_log import SqliteLog

log = SqliteLog(Path(sys.argv[1]))
number = 0
while True:
    log.append(PLAYS, [play("ada", number), play("bob", number)])
    print(number, flush=True)
    number += 1
"""


def test_what_was_accepted_outlives_a_sigkill(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _APPENDS_FOREVER, str(tmp_path / "log.db")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert child.stdout is not None
    accepted = [int(child.stdout.readline()) for _ in range(30)][-1]
    child.send_signal(signal.SIGKILL)
    accepted = max([accepted, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    log = SqliteLog(tmp_path / "log.db")
    kept = {event for record in all_of(log, PLAYS) for event in record.events}
    assert kept >= {play(listener, n) for listener in ("ada", "bob") for n in range(accepted + 1)}
    (more,) = log.append(PLAYS, [play("ada", 10**6)])
    assert log.read(PLAYS, more.partition, after=more.offset - 1) == [more]
    log.close()


def test_two_logs_on_one_file_number_their_records_together(tmp_path: Path) -> None:
    logs = [SqliteLog(tmp_path / "log.db") for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: logs[n % 2].append(PLAYS, [play("ada", n)]), range(40)))
    mine = partition_of("ada", PLAYS.partitions)
    assert [record.offset for record in logs[0].read(PLAYS, mine)] == list(range(40))
    for log in logs:
        log.close()


def test_a_closed_log_accepts_nothing(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.close()
    with pytest.raises(LogUnavailable, match=r"log\.db: could not append to playback.*closed"):
        log.append(PLAYS, [play("ada")])


@pytest.mark.parametrize(  # the vectors of Kafka's own UtilsTest.testMurmur2, signed 32 bit
    ("key", "murmur2"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
@pytest.mark.parametrize("partitions", [1, 4, 2**31])
def test_a_listener_is_where_kafka_would_put_it(key: str, murmur2: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_a_check_writes_and_no_reader_sees_it(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        log.check()
        log.check()
        assert all(set(log.end(topic).values()) == {-1} for topic in TOPICS)
    with pytest.raises(LogUnavailable, match="could not check"):
        log.check()


def test_callers_that_meet_a_locked_file_fail_together_and_soon(tmp_path: Path) -> None:
    def refused_after(number: int) -> float:
        time.sleep(0.01 * number)
        began = time.monotonic()
        with pytest.raises(LogUnavailable, match="locked"):
            log.append(PLAYS, [play("ada", number)])
        return time.monotonic() - began

    with closing(SqliteLog(tmp_path / "log.db", patience_seconds=0.5)) as log, ThreadPoolExecutor(20) as pool:
        with locked(tmp_path / "log.db"):
            assert max(pool.map(refused_after, range(20))) < 1.5  # one after another they would have taken ten seconds
        assert all_of(log, PLAYS) == []
        assert log.append(PLAYS, [play("ada")])[0].offset == 0


def test_a_check_of_a_locked_file_ends_soon(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log.db", patience_seconds=0.2)) as log, locked(tmp_path / "log.db"):
        began = time.monotonic()
        with pytest.raises(LogUnavailable, match="could not check that it takes a write"):
            log.check()
        assert time.monotonic() - began < 2


def test_a_trim_of_more_than_goes_at_once_forgets_all_of_it(tmp_path: Path) -> None:
    clock = Clock(100)
    with closing(SqliteLog(tmp_path / "log.db", clock)) as log:
        written = [(PLAYS.name, 0, offset, 100, b"\x90") for offset in range(TRIMMED_AT_ONCE + 10)]
        with closing(sqlite3.connect(tmp_path / "log.db")) as file, file:
            file.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", written)
            file.execute("INSERT INTO ends VALUES (?, 0, ?)", (PLAYS.name, len(written) - 1))
        assert log.trim(PLAYS, before_ms=101) == len(written)
        assert log.begin(PLAYS)[0] == len(written)
