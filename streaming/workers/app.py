"""A Faust worker that keeps one feature: it reads frames, moves the feature's rows, then lets Kafka know how far it is.

Rows carry the offsets that they have seen and change only from what was read, so neither Faust's tables nor its
transactions are needed: a record is acknowledged once its rows are in the store, and one that comes again changes
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust

from streaming.features import Feature, group_of
from streaming.mover import ROWS_KEPT, Mover, RecordEvents
from streaming.workers.meter import BEAT_SECONDS, Meter
from streaming.workers.sharing import DeclaredShares
from warehouse.events import TOPICS
from warehouse.frames import decoded
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.tail import topic_partition

TAKE, WITHIN_SECONDS = 500, 0.005  # frames folded together at most, and how long the first waits for others
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)  # the last again and again
CRASHED = 70  # exit code
_BY_NAME = {topic.name: topic for topic in TOPICS}
_log = logging.getLogger("backbeat.stream")


@dataclass(frozen=True)
class WorkerConfig:
    """`folder` is where Faust may keep files of its own; `worker` names this process among those of its feature."""

    bootstrap: str
    folder: Path
    worker: str
    metrics_port: int = 0
    take: int = TAKE
    within_seconds: float = WITHIN_SECONDS
    rows_kept: int = ROWS_KEPT


def feature_app(feature: Feature, rows: Rows, meter: Meter, config: WorkerConfig) -> faust.App:
    """The Faust app of one feature, over these rows."""
    app = _listening(feature, config)
    mover = feature.mover(rows, config.rows_kept)
    records = app.topic(
        *(topic.name for topic in feature.topics),
        key_type=bytes,
        key_serializer="raw",
        value_type=bytes,
        value_serializer="raw",
    )

    @app.agent(records, name=feature.name)
    async def keep(stream: faust.StreamT[bytes]) -> None:
        taking: Any = stream  # its declared type lacks the way to take without acknowledging
        under_way: asyncio.Task[None] | None = None
        async for events in taking.noack_take(config.take, within=config.within_seconds):
            told = list(_told(event.message for event in events))  # while the batch before it is being written
            if under_way is not None:
                await under_way
            under_way = asyncio.create_task(_kept(feature, mover, meter, events, told))

    async def forget(*_: Any, **__: Any) -> None:
        mover.forget()

    # Another worker writes those rows once they are revoked. A batch under way keeps rows after that, so that they are
    # forgotten again before the first record of partitions that come, or come back.
    app.on_partitions_revoked.connect(forget, weak=False)
    app.on_partitions_assigned.connect(forget, weak=False)

    @app.timer(BEAT_SECONDS)  # type: ignore[untyped-decorator]  # Faust leaves its timers untyped
    async def beat() -> None:
        meter.beat(feature.name)

    return app


def _listening(feature: Feature, config: WorkerConfig) -> faust.App:
    """An app that reads Kafka as the feature's group, keeps no table, and comes back soon after a death."""
    return faust.App(
        group_of(feature),
        broker=f"kafka://{config.bootstrap}",
        datadir=str(config.folder),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=1.0,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
        PartitionAssignor=DeclaredShares,
    )


async def _kept(
    feature: Feature,
    mover: Mover[Any],
    meter: Meter,
    events: Sequence[faust.EventT[bytes]],
    told: Sequence[RecordEvents],
) -> None:
    """Fold a batch, and acknowledge it once its rows are in the store; while that is away, the records wait."""
    attempt = 0
    while True:
        try:
            await asyncio.to_thread(mover.advance, told)  # it waits for the store, mostly
            break
        except RowsUnavailable as error:
            _log.error("%s; trying again", error)
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1
        except Exception:
            _log.exception("%s: a fold failed; nothing of its batch was acknowledged", feature.name)
            os._exit(CRASHED)  # whoever started this process starts it again: no record is left out
    meter.moved(told, oldest_ms=min(int(event.message.timestamp * 1_000) for event in events))
    for event in events:
        event.ack()


def _told(messages: Iterable[Any]) -> Iterable[RecordEvents]:
    """What of each record can be read; the rest is dead-lettered by the sink."""
    for message in messages:
        place = topic_partition(message.topic, message.partition)
        yield RecordEvents(place, message.offset, decoded(_BY_NAME[message.topic], message.value or b"").events)
