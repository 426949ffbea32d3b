from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.log import LogContract, all_of, play
from warehouse.events import PLAYS, TOPICS
from warehouse.stores.log import Log, LogUnavailable, partition_of
from warehouse.stores.sqlite_log import SqliteLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = SqliteLog(tmp_path / "log.db")
    yield log
    log.close()


class TestSqliteLog(LogContract):
    pass


_APPENDS_FOREVER = """
import sys
from pathlib import Path
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


class TestTrim:
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[SqliteLog]:
        log = SqliteLog(tmp_path / "log.db", clock=iter(range(100, 1_000, 100)).__next__)
        for number in range(4):  # appended at 100, 200, 300, 400
            log.append(PLAYS, [play("ada", number)])
        yield log
        log.close()

    def test_forgets_what_was_appended_before(self, log: SqliteLog) -> None:
        assert log.trim(PLAYS, before_ms=300) == 2
        assert [(record.offset, record.appended_ms) for record in all_of(log, PLAYS)] == [(2, 300), (3, 400)]

    def test_leaves_the_offsets_to_go_on(self, log: SqliteLog) -> None:
        assert log.trim(PLAYS, before_ms=10**6) == 4
        assert log.end(PLAYS)[partition_of("ada", PLAYS.partitions)] == 3
        assert log.append(PLAYS, [play("ada", 9)])[0].offset == 4

    def test_of_an_empty_topic_forgets_nothing(self, tmp_path: Path) -> None:
        log = SqliteLog(tmp_path / "empty.db")
        assert log.trim(PLAYS, before_ms=10**15) == 0
        log.close()


def test_a_closed_log_accepts_nothing(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.close()
    with pytest.raises(LogUnavailable, match=r"log\.db: could not append 1 records.*closed"):
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
