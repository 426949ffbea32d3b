from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from deploy.local.kafka import broker
from deploy.local.service import NotInstalled, Running
from tests.contracts.log import Clock, LogContract, Put, all_of, play
from warehouse.events import ERASURES, PLAYS, TOPICS, Event, Topic
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.log import Log, LogUnavailable, partition_of

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("kafka")]
NOBODY = "127.0.0.1:1"
CALLS = ("append", "read", "begin", "end", "check", "trim")
SOON = 1.0  # patience, in seconds, of tests that run out of it


@pytest.fixture
def prefix() -> str:
    """Topics of this test's own: a topic that is deleted goes when it likes."""
    return f"{uuid4().hex}."


@pytest.fixture
def log(kafka: str, prefix: str) -> Iterator[KafkaLog]:
    with closing(KafkaLog(kafka, prefix=prefix)) as log:
        yield log


@contextmanager
def own_broker(folder: Path, port: int | None = None) -> Iterator[Running]:
    """A Kafka that a test may harm."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(broker(folder, port))
        except NotInstalled as error:
            pytest.skip(str(error))
        yield running


class TestKafkaLog(LogContract):
    @pytest.fixture
    def log(self, kafka: str, prefix: str, clock: Clock) -> Iterator[KafkaLog]:
        with closing(KafkaLog(kafka, clock, prefix=prefix)) as log:
            yield log

    @pytest.fixture
    def put(self, kafka: str, prefix: str, log: KafkaLog) -> Put:
        def produced(topic: Topic, partition: int, content: bytes) -> None:
            log.make([topic])
            foreign = Producer({"bootstrap.servers": kafka})
            foreign.produce(prefix + topic.name, content, partition=partition)
            assert foreign.flush(10) == 0

        return produced


def test_callers_that_meet_share_records(kafka: str, prefix: str) -> None:
    with closing(KafkaLog(kafka, prefix=prefix, linger_seconds=0.2)) as log, ThreadPoolExecutor(16) as pool:
        log.make([PLAYS])
        told = list(pool.map(lambda n: log.append(PLAYS, [play("ada", n)]), range(16)))
        records = all_of(log, PLAYS)
    assert len(records) < 16
    assert all(mine in records for (mine,) in told)
    assert sum(len(record.events) for record in records) == 16


def test_two_logs_number_their_records_together_and_make_the_topic_once(kafka: str, prefix: str) -> None:
    logs = [KafkaLog(kafka, prefix=prefix) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: logs[n % 2].append(PLAYS, [play("ada", n)]), range(40)))
    read = logs[0].read(PLAYS, partition_of("ada", PLAYS.partitions))
    assert [record.offset for record in read] == list(range(len(read)))
    assert sum(len(record.events) for record in read) == 40
    for log in logs:
        log.close()


def test_a_topic_keeps_what_its_declaration_promises(kafka: str, prefix: str, log: KafkaLog) -> None:
    log.make([ERASURES])
    admin = AdminClient({"bootstrap.servers": kafka})
    asked = ConfigResource(ConfigResource.Type.TOPIC, prefix + ERASURES.name)
    (told,) = admin.describe_configs([asked]).values()
    assert told.result(10)["retention.ms"].value == str(ERASURES.retention_days * DAY_MS)


def test_a_topic_of_other_partitions_is_refused(kafka: str, prefix: str, log: KafkaLog) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    (made,) = admin.create_topics([NewTopic(prefix + PLAYS.name, 6)]).values()
    made.result(10)
    with pytest.raises(LogUnavailable, match="has 6 partitions; wanted 4"):
        log.append(PLAYS, [play("ada")])


def test_pages_of_a_long_topic_follow_each_other(log: KafkaLog) -> None:
    for number in range(30):
        log.append(PLAYS, [play("ada", number)])
    mine = partition_of("ada", PLAYS.partitions)
    pages, after = [], -1
    while page := log.read(PLAYS, mine, after=after, limit=7):
        pages.append([record.offset for record in page])
        after = page[-1].offset
    assert [offset for page in pages for offset in page] == list(range(30))
    assert [len(page) for page in pages] == [7, 7, 7, 7, 2]
    (more,) = log.append(PLAYS, [play("ada", 30)])
    assert log.read(PLAYS, mine, after=29) == [more]


def asking(log: Log) -> dict[str, Callable[[], object]]:
    return {
        "append": lambda: log.append(PLAYS, [play("ada")]),
        "read": lambda: log.read(PLAYS, 0),
        "begin": lambda: log.begin(PLAYS),
        "end": lambda: log.end(PLAYS),
        "check": log.check,
        "trim": lambda: log.trim(PLAYS, 10**13),
    }


def seconds_until_refused(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(LogUnavailable):
        ask()
    return time.monotonic() - began


@pytest.mark.parametrize("call", CALLS)
def test_every_call_to_a_broker_that_is_not_there_ends_in_time(call: str) -> None:
    with closing(KafkaLog(NOBODY, patience_seconds=SOON)) as log:
        assert seconds_until_refused(asking(log)[call]) < SOON + 1


def test_callers_that_meet_no_broker_fail_together() -> None:
    with closing(KafkaLog(NOBODY, patience_seconds=SOON)) as log, ThreadPoolExecutor(30) as pool:
        waits = list(pool.map(lambda _: seconds_until_refused(asking(log)["append"]), range(30)))
    assert max(waits) < SOON + 1


def test_a_closed_log_accepts_nothing() -> None:
    log = KafkaLog(NOBODY)
    log.close()
    with pytest.raises(LogUnavailable, match=r"Kafka at 127\.0\.0\.1:1: could not append to playback.*closed"):
        log.append(PLAYS, [play("ada")])


_APPENDS_FOREVER = """
import sys
from tests.contracts.log import play
from warehouse.events import PLAYS
from warehouse.stores.kafka_log import KafkaLog

log = KafkaLog(sys.argv[1], prefix=sys.argv[2])
number = 0
while True:
    log.append(PLAYS, [play("ada", number), play("bob", number)])
    print(number, flush=True)
    number += 1
"""


def test_what_was_accepted_outlives_the_death_of_who_accepted_it(kafka: str, prefix: str, log: KafkaLog) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _APPENDS_FOREVER, kafka, prefix],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert child.stdout is not None
    accepted = [int(child.stdout.readline()) for _ in range(30)][-1]
    child.send_signal(signal.SIGKILL)
    accepted = max([accepted, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    kept = {event for record in all_of(log, PLAYS) for event in record.events}
    assert kept >= {play(listener, n) for listener in ("ada", "bob") for n in range(accepted + 1)}


def test_a_broker_that_says_nothing_is_unavailable_and_never_an_empty_log(tmp_path: Path) -> None:
    with own_broker(tmp_path) as running, closing(KafkaLog(running.address, patience_seconds=SOON)) as log:
        log.make(TOPICS)
        log.append(PLAYS, [play("ada")])
        os.kill(running.pid, signal.SIGSTOP)
        try:
            waits = {name: seconds_until_refused(ask) for name, ask in asking(log).items()}
        finally:
            os.kill(running.pid, signal.SIGCONT)
        assert max(waits.values()) < SOON + 1, waits
    assert tuple(waits) == CALLS


def test_what_was_accepted_outlives_the_broker_and_callers_wait_until_it_is_back(tmp_path: Path) -> None:
    told: list[Event] = [play("ada", n) for n in range(20)]
    with own_broker(tmp_path) as running:
        log = KafkaLog(running.address, patience_seconds=60)
        for event in told[:-1]:
            log.append(PLAYS, [event])
        running.kill()
    with closing(log), ThreadPoolExecutor(1) as pool:
        late = pool.submit(log.append, PLAYS, told[-1:])
        with own_broker(tmp_path, running.port):
            (record,) = late.result(60)
            read = all_of(log, PLAYS)
    assert [event for one in read for event in one.events] == told
    assert record == read[-1]
