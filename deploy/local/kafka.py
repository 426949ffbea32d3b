"""Kafka on this machine: one node, broker and controller in one process, from its own published jars.

What it has acknowledged survives the death of any process. It is written to disk when the system likes, and there is
no second replica, so a power cut may take the last seconds.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from deploy.local.service import NotInstalled, Running, Service, ServiceFailed, answers, free_port, running
from jobs.java import JAR_LOCK, JavaMissing, find_java, locked_jars, sound

CHECKOUT = Path(__file__).resolve().parents[2]
JARS = CHECKOUT / ".cache" / "servers" / "kafka"
LOCK = JAR_LOCK.with_name("jars-kafka.txt")
JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
ASK_SECONDS = 5.0
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
# topics are made on purpose, as warehouse.events declares them
auto.create.topics.enable=false
# one node holds all
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# half of the heap otherwise
log.cleaner.dedupe.buffer.size=16777216
# back at once after a crash, and groups work from the first member on
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=200
group.initial.rebalance.delay.ms=0
"""
LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
"""


def broker(folder: Path, port: int | None = None) -> AbstractContextManager[Running]:
    """A Kafka with its data and its log in `folder`, new or as it was left there. Raises as `running` does."""
    return running(KAFKA, folder, port)


def installed() -> bool:
    """Whether all its jars are here with the bytes that were locked."""
    return all(sound(JARS / jar.filename, jar) for jar in locked_jars(LOCK))


def install() -> None:
    """Fetch what is missing of its jars. Raises `NotInstalled`."""
    if installed():
        return
    from deploy.bootstrap import jars  # its resolver takes half a second to load

    sys.stderr.write("Fetching Kafka's jars (44 MB)\n")
    try:
        jars.install(JARS, LOCK)
    except jars.FetchFailed as error:
        raise NotInstalled(f"{error}; what arrived whole is kept, and the next try goes on from there") from error


def _command(folder: Path, port: int) -> list[str | Path]:
    """Write what it reads, format its data where there are none, and say how it starts."""
    try:
        java = find_java().home / "bin" / "java"
    except JavaMissing as error:
        raise NotInstalled(f"starting Kafka: {error}") from error
    logging = folder / "log4j2.properties"
    logging.write_text(LOGGING)
    program: list[str | Path] = [java, *JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{JARS}/*"]
    data = folder / "data"
    if not data.exists():
        _format(program, folder, data)
    return [*program, "kafka.Kafka", _settings(folder / "server.properties", port, data)]


def _settings(path: Path, port: int, data: Path) -> Path:
    controller_port = next(other for other in iter(free_port, None) if other != port)  # that one may be free as yet
    path.write_text(SETTINGS.format(port=port, controller_port=controller_port, data=data))
    return path


def _format(program: Sequence[str | Path], folder: Path, data: Path) -> None:
    """Make empty data of a new cluster, whole or not at all. Raises `ServiceFailed` with what the tool said."""
    fresh = folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)  # what an interrupted start left
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    settings = _settings(folder / "format.properties", free_port(), fresh)
    tool = ["kafka.tools.StorageTool", "format", "-c", str(settings), f"--cluster-id={cluster}"]
    ran = subprocess.run([*program, *tool], capture_output=True, text=True, check=False, env=os.environ)
    settings.unlink()
    if ran.returncode:
        raise ServiceFailed(f"formatting {fresh} for Kafka: {ran.stdout}{ran.stderr}")
    fresh.rename(data)


def _leads(port: int) -> bool:
    """Whether each partition that there is has its leader back: the port answers a second before."""
    if not answers(port):
        return False
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    try:
        topics = admin.list_topics(timeout=ASK_SECONDS).topics
        newest = {
            TopicPartition(name, number): OffsetSpec.latest()
            for name, topic in topics.items()
            for number in topic.partitions
        }
        for told in admin.list_offsets(newest, request_timeout=ASK_SECONDS).values() if newest else ():
            told.result()
    except KafkaException:
        return False
    return True


KAFKA = Service(
    "kafka",
    _command,
    _leads,
    ready_seconds=120,
    stop_seconds=30,
    installed=installed,
    install=install,
    default_port=9092,
    settings=lambda address: {"BACKBEAT_LOG": f"kafka://{address}"},
)
