"""Kafka, Valkey and workers for the stream's benchmarks, for as long as they are measured, and what they use."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from deploy.local.kafka import broker
from deploy.local.service import Running
from deploy.local.valkey import server
from warehouse.events import PLAYS, Play, Topic, identity_of
from warehouse.frames import encoded
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.log import partition_of
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.stores.valkey_rows import ValkeyRows
from warehouse.tail import topic_partition
from warehouse.taste import TAIL, TasteTail

TRACKS = 100_000
BEGAN_MS = 1_790_000_000_000
_TICKS = os.sysconf("SC_CLK_TCK")
_tail = msgspec.msgpack.Decoder(TasteTail).decode


@dataclass(frozen=True)
class Rig:
    """Servers over `folder`."""

    folder: Path
    kafka: Running
    valkey: Running

    @property
    def log(self) -> KafkaLog:
        """A client of its own."""
        return KafkaLog(self.kafka.address)

    def rows(self, database: int = 0) -> ValkeyRows:
        """A client of its own, of one of the server's sixteen databases."""
        return ValkeyRows("127.0.0.1", self.valkey.port, database)

    def environment(self, database: int = 0) -> dict[str, str]:
        """What leads commands here."""
        return {
            **os.environ,
            "BACKBEAT_HOME": str(self.folder),
            "BACKBEAT_LOG": f"kafka://{self.kafka.address}",
            "BACKBEAT_ROWS": f"valkey://{self.valkey.address}/{database}",
            "BACKBEAT_SECRET": "",
        }

    def forget_group(self, group: str) -> None:
        """Let the group's next member begin where the topic begins; it may have members that are just gone."""
        admin = AdminClient({"bootstrap.servers": self.kafka.address, "log_level": 0})
        deadline = time.monotonic() + 30
        while True:
            try:
                admin.delete_consumer_groups([group])[group].result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """Kafka and Valkey, both new."""
    with broker(folder / "kafka") as kafka, server(folder / "valkey") as valkey:
        yield Rig(folder, kafka, valkey)


@contextmanager
def process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command of this interpreter, until the block ends."""
    started = subprocess.Popen([sys.executable, *command], env=environment)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def crowd(listeners: int, plays: int, seed: int = 4) -> Iterator[Play]:
    """Seeded plays of that many listeners, each as likely as the other."""
    chosen = random.Random(seed)  # noqa: S311 (a benchmark's crowd)
    for number in range(plays):
        yield played(f"listener-{chosen.randrange(listeners)}", chosen.randrange(TRACKS), number)


def played(listener_id: str, track: int, number: int) -> Play:
    """A play as the API makes them; numbers follow each other in time."""
    started_ms = BEGAN_MS + number * 10
    return Play(
        listener_id=listener_id,
        received_ms=started_ms + 200_000,
        play_id=identity_of(number, listener_id),
        track_id=f"isrc:ZZ{track:010d}",
        started_ms=started_ms,
        source="backbeat",
        played_ms=180_000,
        track_ms=200_000,
        country="IE",
    )


@dataclass(frozen=True)
class Filled:
    """What was put on a topic: its size, and a listener of the first and of the last frame of each partition."""

    frames: int
    plays: int
    frame_bytes: int
    first: Mapping[str, str]
    last: Mapping[str, tuple[int, str]]


def fill(rig: Rig, plays: Iterator[Play], frame: int, topic: Topic = PLAYS) -> Filled:
    """Put plays on an emptied topic, `frame` of them a record; what does not fill a last frame is left out."""
    log = rig.log
    log.make([topic])
    log.trim(topic, 1 << 53)
    ends = log.end(topic)
    log.close()
    producer = Producer({"bootstrap.servers": rig.kafka.address, "linger.ms": 20, "compression.type": "lz4"})
    waiting: dict[int, list[Play]] = {partition: [] for partition in range(topic.partitions)}
    places = {partition: topic_partition(topic.name, partition) for partition in waiting}
    first: dict[str, str] = {}
    last: dict[str, tuple[int, str]] = {}
    frames = size = 0
    for play in plays:
        partition = partition_of(play.listener_id, topic.partitions)
        waiting[partition].append(play)
        if len(waiting[partition]) < frame:
            continue
        value = encoded(waiting[partition])
        producer.produce(topic.name, value=value, partition=partition)
        frames, size = frames + 1, size + len(value)
        ends[partition] += 1
        first.setdefault(places[partition], waiting[partition][0].listener_id)
        last[places[partition]] = ends[partition], play.listener_id
        waiting[partition] = []
        if frames % 1_000 == 0:
            producer.flush()
    producer.flush()
    return Filled(frames, frames * frame, size // max(1, frames), first, last)


def await_first(rows: Rows, filled: Filled, seconds: float = 60.0) -> float:
    """When a first row was there, by `perf_counter`."""
    wanted = list(filled.first.values())
    return _awaited(lambda: bool(rows.get_many(TAIL, wanted)), seconds, "a first row")


def await_last(rows: Rows, filled: Filled, seconds: float) -> float:
    """When every partition's last record was in its row, by `perf_counter`."""

    def there() -> bool:
        found = rows.get_many(TAIL, [listener for _, listener in filled.last.values()])
        return all(
            listener in found and _tail(found[listener]).seen.get(place, -1) >= offset
            for place, (offset, listener) in filled.last.items()
        )

    return _awaited(there, seconds, "the last row")


def _awaited(there: Callable[[], bool], seconds: float, what: str) -> float:
    deadline = time.perf_counter() + seconds
    while True:
        try:
            if there():
                return time.perf_counter()
        except RowsUnavailable:
            if time.perf_counter() > deadline:
                raise
        if time.perf_counter() > deadline:
            raise TimeoutError(f"no sign of {what} after {seconds:g} s")
        time.sleep(0.005)


def cpu_seconds(pid: int) -> float:
    """What the process has used so far, its threads' and the system's work for it included, by Linux's account."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
