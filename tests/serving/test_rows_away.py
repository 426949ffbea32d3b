"""What is told while the log takes it and the rows are away: it is accepted, and will show when they are back.

And impressions that the log does not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from serving.app import MeteredStream
from serving.meters import Meters
from serving.service.accepts import Accepts
from serving.service.impressions import BATCH, ImpressionLog
from tests.streaming.tastes import NOON, play
from warehouse.events import IMPRESSIONS, PLAYS, Event, Impression, Topic
from warehouse.stores.log import EventRefused, LogStream, LogUnavailable
from warehouse.stores.rows import RowsUnavailable
from warehouse.stores.sqlite_log import SqliteLog


class LogWithoutRows:
    """Takes what it is told, and cannot fold it."""

    def __init__(self) -> None:
        self.taken: list[Event] = []

    def accept(self, topic: Topic, events: Sequence[Event]) -> None:
        self.taken += events
        raise RowsUnavailable(f"{topic.name}: the rows are away")

    def check(self) -> None: ...


def impression(number: int) -> Impression:
    return Impression(
        listener_id="ada",
        received_ms=NOON,
        impression_id=f"i{number}",
        shelf="discover",
        model_version="m",
        track_ids=["t"],
        sources=["als"],
    )


def test_impressions_are_logged_once_and_in_order_and_none_is_left_waiting() -> None:
    stream, lost = LogWithoutRows(), list[int]()
    impressions = ImpressionLog(stream, lost.append)
    told = [impression(number) for number in range(2 * BATCH + 1)]
    for one in told:
        impressions.shown(one)
    impressions.flush()
    impressions.flush()
    assert (stream.taken, lost) == (told, [])


def refused(number: int) -> Impression:
    """A chance of 0 is none that the log takes."""
    return msgspec.structs.replace(impression(number), propensities=[0.0])


def test_an_impression_that_the_log_refuses_takes_no_other_with_it_and_is_counted_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, lost = SqliteLog(tmp_path / "log.db"), list[int]()
    impressions = ImpressionLog(LogStream(log), lost.append)
    for number in range(BATCH):
        impressions.shown(refused(number) if number in {3, 9} else impression(number))
    impressions.flush()
    impressions.flush()
    records = [record for partition in range(IMPRESSIONS.partitions) for record in log.read(IMPRESSIONS, partition)]
    log.close()
    told = [event.impression_id for record in records for event in record.events if isinstance(event, Impression)]
    assert told == [f"i{number}" for number in range(BATCH) if number not in {3, 9}]
    assert lost == [1, 1]
    assert [line.split(":")[0] for line in caplog.messages] == ["an impression is lost"] * 2


class LogAwayAfter:
    """Refuses what is told together, and is away once it has taken so many alone."""

    def __init__(self, count: int) -> None:
        self.count, self.taken = count, list[Event]()

    def accept(self, topic: Topic, events: Sequence[Event]) -> None:
        if len(events) > 1:
            raise EventRefused(f"cannot append to {topic.name}: one of them is none")
        if len(self.taken) == self.count:
            raise LogUnavailable("the log is away")
        self.taken += events

    def check(self) -> None: ...


def test_a_log_that_goes_away_amid_a_refused_batch_is_told_the_rest_later() -> None:
    stream, lost = LogAwayAfter(2), list[int]()
    impressions = ImpressionLog(stream, lost.append)
    told = [impression(number) for number in range(5)]
    for one in told:
        impressions.shown(one)
    impressions.flush()
    assert stream.taken == told[:2]
    stream.count = BATCH
    impressions.flush()
    assert (stream.taken, lost) == (told, [])


@pytest.mark.parametrize(("topic", "event"), [(PLAYS, play("p1")), (IMPRESSIONS, impression(1))])
def test_events_that_the_log_has_are_counted_as_appended(topic: Topic, event: Event) -> None:
    meters = Meters()
    metered = MeteredStream(LogWithoutRows(), meters, Accepts(lambda: NOON))
    with pytest.raises(RowsUnavailable):
        metered.accept(topic, [event])
    told = meters.registry.get_sample_value("backbeat_log_events_total", {"topic": topic.name, "outcome": "appended"})
    assert told == 1
