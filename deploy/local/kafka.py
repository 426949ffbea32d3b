"""Kafka on this machine: one node, broker and controller in one process, from its own published jars.

What it has acknowledged survives the death of any process. It is written to disk when the system likes, and there is
no second replica, so a power cut may take the last seconds.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.local.service import Running, Service, ServiceFailed, answers, free_port, running
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


class KafkaMissing(Exception):
    """Kafka's jars, or a Java to run them, are not here; says what installs them."""


def installed() -> bool:
    """Whether all its jars are here with the bytes that were locked."""
    return all(sound(JARS / jar.filename, jar) for jar in locked_jars(LOCK))


def install() -> None:
    """Fetch what is missing of its jars. Raises `KafkaMissing`."""
    if installed():
        return
    from deploy.bootstrap import jars  # its resolver takes half a second to load

    sys.stderr.write("Fetching Kafka's jars (44 MB)\n")
    try:
        jars.install(JARS, LOCK)
    except jars.FetchFailed as error:
        raise KafkaMissing(f"{error}; what arrived whole is kept, and the next try goes on from there") from error


@contextmanager
def broker(folder: Path, port: int | None = None) -> Iterator[Running]:
    """A Kafka with its data and its log in `folder`, new or as it was left there, until the block ends.

    Raises `KafkaMissing`, and `ServiceFailed` with the log's end.
    """
    with running(service(folder), folder, port) as kafka:
        yield kafka


def service(folder: Path) -> Service:
    """How to start the Kafka whose data is in `folder`, which is formatted where it is new. Raises `KafkaMissing`."""
    if not all((JARS / jar.filename).is_file() for jar in locked_jars(LOCK)):
        raise KafkaMissing(f"no Kafka in {JARS}: `make servers` installs it")
    try:
        java = find_java().home / "bin" / "java"
    except JavaMissing as error:
        raise KafkaMissing(str(error)) from error
    program: list[str | Path] = [
        java,
        *JVM,
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        f"{JARS}/*",
    ]
    return Service("kafka", lambda port: _command(program, folder, port), _leads, ready_seconds=120, stop_seconds=30)


def _command(program: list[str | Path], folder: Path, port: int) -> list[str | Path]:
    """Write what it reads, format its data where there are none, and say how it starts."""
    (folder / "log4j2.properties").write_text(LOGGING)
    data = folder / "data"
    if not data.exists():
        _format(program, folder, data)
    return [*program, "kafka.Kafka", _settings(folder / "server.properties", port, data)]


def _settings(path: Path, port: int, data: Path) -> Path:
    path.write_text(SETTINGS.format(port=port, controller_port=free_port(), data=data))
    return path


def _format(program: list[str | Path], folder: Path, data: Path) -> None:
    """Make empty data of a new cluster, whole or not at all. Raises `ServiceFailed` with what the tool said."""
    fresh = folder / "data.new"
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    settings = _settings(folder / "format.properties", free_port(), fresh)
    tool: list[str | Path] = [
        "kafka.tools.StorageTool",
        "format",
        "--ignore-formatted",
        "-c",
        settings,
        f"--cluster-id={cluster}",
    ]
    ran = subprocess.run([*program, *tool], capture_output=True, text=True, check=False, env=os.environ)
    settings.unlink()
    if ran.returncode:
        raise ServiceFailed(f"formatting {fresh} for Kafka: {ran.stdout}{ran.stderr}")
    fresh.rename(data)


def _leads(port: int) -> bool:
    """Whether each partition that there is has its leader back: the port answers a second before."""
    if not answers(port):
        return False
    client = Consumer({"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "is-it-ready", "log_level": 0})
    try:
        for name, topic in client.list_topics(timeout=ASK_SECONDS).topics.items():
            for number in topic.partitions:
                client.get_watermark_offsets(TopicPartition(name, number), timeout=ASK_SECONDS)
    except KafkaException:
        return False
    finally:
        client.close()
    return True
