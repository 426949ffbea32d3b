"""The books after a fault: nothing that was accepted is lost, nothing counts twice, and rows, log and lake agree."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from drills.crowd import Accepted
from drills.house import ROOT, House, HouseBroken, await_true
from streaming.features import FEATURES, Feature, group_of
from streaming.mover import RecordEvents
from warehouse.events import PLAYS, TOPICS, Play, Topic
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.landing import landed_offsets
from warehouse.stores.log import Log, every_record
from warehouse.stores.memory_rows import MemoryRows
from warehouse.stores.rows import Rows
from warehouse.stores.tastes import Tastes
from warehouse.tables import RAW_PLAYS
from warehouse.tail import topic_partition
from warehouse.taste import TAIL

SHOWN = 3  # differences that a finding names


@dataclass(frozen=True)
class Books:
    """What was compared, and every finding; none where the books are right."""

    accepted: int
    logged: int
    landed: int
    listeners: int
    rows: int
    compared: int  # plays, tastes, opinions and sessions held against Spark's
    findings: tuple[str, ...]


def checked(house: House, accepted: Accepted) -> Books:
    """Wait until workers and sink have caught up, then compare. Raises `HouseBroken` where they never do."""
    with house.log() as log, house.rows() as rows:
        await_caught_up(house, log)
        played = [event for told in records(log, PLAYS) for event in told.events if isinstance(event, Play)]
        on_the_log = {(play.listener_id, play.play_id) for play in played}
        lost = accepted.plays - on_the_log
        rows_there = house.lake.read(RAW_PLAYS)
        landed = Counter(zip(rows_there["listener_id"].to_pylist(), rows_there["play_id"].to_pylist(), strict=True))
        again = replayed(log)
        findings = [
            *_named("accepted, and not on the log", lost),
            *_named("on the log, and not in raw.plays", on_the_log - landed.keys()),
            *_named("in raw.plays, and not on the log", landed.keys() - on_the_log),
            *_named("more than once in raw.plays", {play for play, times in landed.items() if times > 1}),
        ]
        listeners = {play.listener_id for play in played}
        findings += _named("tastes that differ from a replay", different_tastes(listeners, rows, again))
        compared = 0
        for feature in FEATURES.values():
            differ, count = different_rows(feature, rows, again)
            compared += count
            findings += _named(f"rows of {feature.name} that differ from a replay", differ)
    told = _asked(house, "ledger")
    if told["difference"]:
        findings.append(f"the ledger's difference is {told['difference']}: {told['total']}")
    parity = _asked(house, "parity", "--now")
    if parity["mismatches"]:
        findings.append(f"{parity['mismatches']} mismatches between rows and Spark: {parity['differences'][:SHOWN]}")
    return Books(
        accepted=len(accepted.plays),
        logged=len(on_the_log),
        landed=sum(landed.values()),
        listeners=len(listeners),
        rows=compared,
        compared=parity["compared"],
        findings=tuple(findings),
    )


def _asked(house: House, *command: str) -> Any:
    """What a command of Backbeat says, as its users would ask it. Raises `HouseBroken` where it says nothing."""
    asked = [sys.executable, "-m", "backbeat", *command, "--json"]
    done = subprocess.run(asked, env=house.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise HouseBroken(f"`backbeat {' '.join(command)}` ended with status {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def await_caught_up(house: House, log: KafkaLog) -> None:
    """Until every worker has acknowledged all of the log, and the sink has landed it. Raises `HouseBroken`."""
    left: list[str] = []

    def caught_up() -> bool:
        nonlocal left
        house.tend()
        left = behind(house, log)
        return not left

    await_true(caught_up, lambda: f"the workers and the sink to catch up; behind are {', '.join(left)}")


def behind(house: House, log: KafkaLog) -> list[str]:
    """Who has not seen which place of the log to its end, and how far they are."""
    ends = {topic_partition(t.name, p): end for t in TOPICS for p, end in log.end(t).items() if end >= 0}
    landed = landed_offsets(house.lake)
    late = [
        f"sink {place} {landed.get(place, -1)} of {end}" for place, end in ends.items() if landed.get(place, -1) < end
    ]
    for feature in FEATURES.values():
        done = log.acknowledged(group_of(feature), feature.topics)
        late += [
            f"{feature.name} {at} {offset} of {ends[at]}" for at, offset in done.items() if offset < ends.get(at, -1)
        ]
    return late


def records(log: Log, topic: Topic) -> Iterator[RecordEvents]:
    """All of a topic, partition after partition."""
    for partition in range(topic.partitions):
        place = topic_partition(topic.name, partition)
        for record in every_record(log, topic, partition):
            yield RecordEvents(place, record.offset, record.events)


def replayed(log: Log) -> MemoryRows:
    """The rows that the folds make of the whole log when nothing ever goes wrong."""
    rows = MemoryRows()
    for feature in FEATURES.values():
        mover = feature.mover(rows, 1_000_000)
        for topic in feature.topics:
            mover.advance(records(log, topic))
    return rows


def different_tastes(listeners: set[str], live: Rows, again: Rows) -> set[str]:
    """Listeners whose taste reads otherwise: a tail may have been settled at another moment, and must say the same."""
    return {who for who in listeners if Tastes(live).now(who) != Tastes(again).now(who)}


def different_rows(feature: Feature, live: Rows, again: MemoryRows) -> tuple[set[str], int]:
    """Keys of the feature's rows that do not say the same, and how many there are; tails are read, not compared.

    In which order topics were heard, and so which comes first in a row, is of no account.
    """
    table = feature.mover(again, 0).table
    if table == TAIL:
        return set(), 0
    mine, theirs = ({key: msgspec.msgpack.decode(row) for key, row in rows.scan(table)} for rows in (live, again))
    return {key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}, len(theirs)


def _named(what: str, found: Any) -> Sequence[str]:
    some = sorted(found)
    return [f"{len(some)} {what}: {', '.join(map(str, some[:SHOWN]))}"] if some else []
