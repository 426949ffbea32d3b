"""What is told while the log takes it and the rows are away: it is accepted, and will show when they are back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from serving.app import MeteredStream
from serving.meters import Meters
from serving.service.accepts import Accepts
from serving.service.impressions import BATCH, ImpressionLog
from tests.streaming.tastes import NOON, play
from warehouse.events import IMPRESSIONS, PLAYS, Event, Impression, Topic
from warehouse.stores.rows import RowsUnavailable


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


@pytest.mark.parametrize(("topic", "event"), [(PLAYS, play("p1")), (IMPRESSIONS, impression(1))])
def test_events_that_the_log_has_are_counted_as_appended(topic: Topic, event: Event) -> None:
    meters = Meters()
    metered = MeteredStream(LogWithoutRows(), meters, Accepts(lambda: NOON))
    with pytest.raises(RowsUnavailable):
        metered.accept(topic, [event])
    told = meters.registry.get_sample_value("backbeat_log_events_total", {"topic": topic.name, "outcome": "appended"})
    assert told == 1
