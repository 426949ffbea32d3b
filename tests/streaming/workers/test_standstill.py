from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from streaming.features import FEATURES
from streaming.workers.standstill import Standstill, progress, still_seconds
from tests.fakes.memory_rows import MemoryRows
from warehouse.events import ERASURES, PLAYS, Topic
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import RowsUnavailable
from warehouse.tail import topic_partition

ENDS = {"plays/0": 9, "plays/1": 4}
DONE = {"plays/0": 9, "plays/1": 4}
BEHIND = {"plays/0": 9, "plays/1": 3}


def seconds_still(looks: Sequence[Mapping[str, int]]) -> float:
    """After a look each ten seconds, the log's ends being the same."""
    now = 0.0
    standstill = Standstill(lambda: now)
    still = 0.0
    for done in looks:
        still = standstill.seconds(done, ENDS)
        now += 10
    return still


@pytest.mark.parametrize(
    ("looks", "still"),
    [
        ([BEHIND], 0.0),
        ([BEHIND, BEHIND, BEHIND], 20.0),
        ([DONE, DONE, DONE], 0.0),
        ([{}, {}, {}], 20.0),
        ([BEHIND, BEHIND, {"plays/0": 9, "plays/1": -1}, BEHIND], 0.0),
        ([BEHIND, BEHIND, DONE, BEHIND, BEHIND], 10.0),
        ([{"plays/0": 7, "plays/1": 3}, {"plays/0": 8, "plays/1": 3}, {"plays/0": 9, "plays/1": 3}], 0.0),
    ],
)
def test_a_group_stands_still_while_it_is_behind_and_nothing_of_it_moves(
    looks: Sequence[Mapping[str, int]], still: float
) -> None:
    assert seconds_still(looks) == still


class Forgetful:
    """A log of which everybody's erasures were forgotten long ago, and of whose plays the first ten were."""

    def acknowledged(self, group: str, topics: Sequence[Topic]) -> dict[str, int]:  # noqa: ARG002
        places = [topic_partition(topic.name, part) for topic in topics for part in range(topic.partitions)]
        return dict.fromkeys(places, -1) | {topic_partition(PLAYS.name, 0): 12}

    def begin(self, topic: Topic) -> dict[int, int]:
        return dict.fromkeys(range(topic.partitions), {ERASURES: 5, PLAYS: 10}.get(topic, 0))

    def end(self, topic: Topic) -> dict[int, int]:
        return dict.fromkeys(range(topic.partitions), {ERASURES: 4, PLAYS: 12}.get(topic, -1))


def test_what_the_log_has_forgotten_keeps_no_group_behind() -> None:
    done, ends = progress(FEATURES["taste"], Forgetful())
    late = {place for place, end in ends.items() if done[place] < end}
    assert late == {topic_partition(PLAYS.name, partition) for partition in (1, 2, 3)}
    assert done[topic_partition(PLAYS.name, 0)] == 12


class Flickering(Forgetful, MemoryRows):
    """A log and rows, either of which may be away."""

    fault: Exception | None = None

    def version_of(self, table: str, key: str) -> int | None:
        if isinstance(self.fault, RowsUnavailable):
            raise self.fault
        return super().version_of(table, key)

    def end(self, topic: Topic) -> dict[int, int]:
        if isinstance(self.fault, LogUnavailable):
            raise self.fault
        return super().end(topic)


@pytest.mark.parametrize("fault", [RowsUnavailable("away"), LogUnavailable("away")])
def test_a_worker_that_waits_for_a_store_does_not_stand_still(fault: Exception) -> None:
    now, stores = 0.0, Flickering()
    standstill = Standstill(lambda: now)

    def look() -> float:
        nonlocal now
        now += 10
        return still_seconds(standstill, FEATURES["taste"], stores, stores)

    assert [look(), look(), look()] == [0, 10, 20]
    stores.fault = fault
    assert [look(), look(), look()] == [0, 0, 0]
    stores.fault = None
    assert [look(), look()] == [0, 10]
