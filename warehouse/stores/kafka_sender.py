"""What Kafka is sent: callers that meet within a moment share a frame a partition, and wait for its acknowledgement."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from warehouse.events import Topic
from warehouse.frames import decoded, encoded
from warehouse.stores.log import MAX_FRAME_BYTES, Framed, LogUnavailable, Record

POLL_SECONDS = 0.2
_log = logging.getLogger("backbeat.kafka")
Delivered = Callable[[KafkaError | None, Message], None]


class Producer(Protocol):
    """What is used of confluent_kafka's Producer."""

    def produce(self, topic: str, *, value: bytes, partition: int, timestamp: int, on_delivery: Delivered) -> None: ...

    def poll(self, timeout: float) -> int: ...

    def flush(self, timeout: float) -> int: ...


@dataclass
class _Call:
    """One caller's frames, and the places that they are known to be at."""

    topic: Topic
    frames: Sequence[Framed]
    missing: int
    records: dict[tuple[int, int], Record] = field(default_factory=dict)
    done: Future[None] = field(default_factory=Future)


@dataclass
class _Shared:
    """Frames of one topic and partition that become one record."""

    topic: Topic
    partition: int
    parts: list[tuple[_Call, Framed]] = field(default_factory=list)
    size: int = 0

    def takes(self, frame: Framed) -> bool:
        return self.size + len(frame.frame) <= MAX_FRAME_BYTES

    def add(self, call: _Call, frame: Framed) -> None:
        self.parts.append((call, frame))
        self.size += len(frame.frame)

    @property
    def frame(self) -> bytes:
        if len(self.parts) == 1:
            return self.parts[0][1].frame
        return encoded([event for _, frame in self.parts for event in frame.events])

    def fail(self, failure: LogUnavailable) -> None:
        for call, _ in self.parts:
            with suppress(InvalidStateError):  # another of its records failed before
                call.done.set_exception(failure)

    def place(self, record: Record) -> None:
        for call, _ in self.parts:
            call.records[record.partition, record.offset] = record
            call.missing -= 1
            if not call.missing:
                call.done.set_result(None)


class Sender:
    """Sends frames through a producer of `made()`; where that is beyond repair, it makes another.

    Whoever comes first waits `linger_seconds` for others, then sends for all of them: no thread a caller, and no more
    records than moments.
    """

    def __init__(
        self, made: Callable[[], Producer], clock: Callable[[], int], *, linger_seconds: float, prefix: str = ""
    ) -> None:
        self._made = made
        self._clock = clock
        self._linger_seconds = linger_seconds
        self._prefix = prefix
        self._queue = threading.Lock()
        self._waiting: list[_Call] = []
        self._sending = threading.Lock()  # records follow each other as their callers came
        self._producer = made()
        self._spoiled = False
        self._closed = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="kafka-deliveries", daemon=True)
        self._poller.start()

    def send(self, topic: Topic, frames: Sequence[Framed], seconds: float) -> list[Record]:
        """Where they are, once they are acknowledged. Raises `LogUnavailable`, after so many seconds at the latest."""
        deadline = time.monotonic() + seconds
        call = _Call(topic, frames, len(frames))
        with self._queue:
            if self._closed.is_set():
                raise LogUnavailable("the log was closed")
            leads = not self._waiting
            self._waiting.append(call)
        if leads:
            try:
                time.sleep(self._linger_seconds)
            finally:
                self._send_waiting()
        try:
            call.done.result(deadline - time.monotonic())
        except TimeoutError as error:
            raise LogUnavailable(f"no answer in {seconds:.1f} s; whether it was appended is not known") from error
        return [call.records[place] for place in sorted(call.records)]

    def close(self, seconds: float) -> None:
        """Send what is on its way, for so many seconds at most; a second call does nothing."""
        with self._queue:
            if self._closed.is_set():
                return
            self._closed.set()
        self._poller.join()
        if left := self._producer.flush(seconds):
            _log.error("closing the log: %d records were not acknowledged", left)

    def _send_waiting(self) -> None:
        with self._sending:
            with self._queue:
                calls, self._waiting = self._waiting, []
            for shared in _shared(calls):
                self._produce(shared)

    def _produce(self, shared: _Shared) -> None:
        appended_ms = self._clock()
        frame = shared.frame

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._spoiled = self._spoiled or error.fatal()
                shared.fail(_failure(error))
                return
            offset: Any = message.offset()
            shared.place(Record(shared.partition, offset, appended_ms, *decoded(shared.topic, frame)))

        try:
            if self._spoiled:
                self._producer, self._spoiled = self._made(), False
            self._producer.produce(
                self._prefix + shared.topic.name,
                value=frame,
                partition=shared.partition,
                timestamp=appended_ms,
                on_delivery=delivered,
            )
        except (BufferError, KafkaException) as error:
            self._spoiled = self._spoiled or _is_fatal(error)
            shared.fail(_failure(error))

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(POLL_SECONDS)


def _shared(calls: Sequence[_Call]) -> list[_Shared]:
    """The frames of all calls, those of one partition together while they fit in a record; each in its turn."""
    open_now: dict[tuple[str, int], _Shared] = {}
    made: list[_Shared] = []
    for call in calls:
        for frame in call.frames:
            place = (call.topic.name, frame.partition)
            if place not in open_now or not open_now[place].takes(frame):
                open_now[place] = _Shared(call.topic, frame.partition)
                made.append(open_now[place])
            open_now[place].add(call, frame)
    return made


def _failure(error: BaseException | KafkaError) -> LogUnavailable:
    return LogUnavailable(reason_of(error))


def reason_of(error: BaseException | KafkaError) -> str:
    """What an error of librdkafka's says."""
    found = error.args[0] if isinstance(error, KafkaException) and error.args else error
    return found.str() if isinstance(found, KafkaError) else str(found)


def _is_fatal(error: Exception) -> bool:
    return isinstance(error, KafkaException) and isinstance(error.args[0], KafkaError) and error.args[0].fatal()
