"""`backbeat parity`: whether what the stream says equals what the batch says, row by row, at the same offsets."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from deltalake.exceptions import CommitFailedError

from backbeat.output import FAILED, BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake, open_log, open_rows, spark_settings
from jobs.parity import batch_accounts, batch_outcomes, batch_trends
from jobs.serving_rows import published_from
from jobs.session import spark_session
from streaming import parity as streamed
from streaming.features import FEATURES
from streaming.replaying import replay
from streaming.standing import behind, last_told
from warehouse.events import TOPICS
from warehouse.feature_parity import OUTCOMES, TRENDS, Hour, HourAccount, OutcomesAccount, hold_outcomes, hold_trends
from warehouse.parity import SHOWN, Account, Comparison, Difference, Tally, stream_account
from warehouse.stores.cut import NO_TRACKS, Cut, CutRefused, cut
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land, landed_offsets
from warehouse.stores.lock import LakeLock
from warehouse.stores.log import Log
from warehouse.stores.memory_rows import MemoryRows
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.stores.tastes import Tastes, put_names
from warehouse.tables import RAW_PLAYS
from warehouse.tail import topic_partition

TRIES = 5  # at reading the live rows while nothing is told
TASTE = FEATURES["taste"]
PATIENCE_SECONDS = 60.0  # for the rows to have seen what was told, and for others that land
_WAIT_SECONDS = 0.2
Accounts = dict[str, Account]


@dataclass
class ComparedSides:
    """What a comparison rests on: what the stream says, the cut to hold against it, and remarks for people."""

    stream: Accounts
    trends: dict[Hour, HourAccount]
    outcomes: dict[str, OutcomesAccount]
    cut: Cut
    now_ms: int
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Compared:
    """Each feature of the stream, held against the batch."""

    taste: Comparison = field(default_factory=Comparison)
    trending: Tally = field(default_factory=lambda: Tally(TRENDS))
    outcomes: Tally = field(default_factory=lambda: Tally(OUTCOMES))

    @property
    def features(self) -> dict[str, Tally]:
        """By the feature's name."""
        return {"taste": self.taste, "trending": self.trending, "outcomes": self.outcomes}

    @property
    def mismatches(self) -> int:
        """Rows that differ."""
        return sum(tally.mismatches for tally in self.features.values())

    @property
    def rows(self) -> dict[str, int]:
        """How many rows of each kind were compared."""
        return {kind: rows for tally in self.features.values() for kind, rows in tally.compared.items()}

    @property
    def first(self) -> list[Difference]:
        """The first rows that differ."""
        return [difference for tally in self.features.values() for difference in tally.first][:SHOWN]


def parity(*, at: str | None = None, now: Flag = False, json: Flag = False) -> None:
    """Compare what the stream says with what the batch says: every listener's taste, trends, and outcomes.

    Args:
        at: Up to these offsets: a JSON object of topic/partition to offset; by default all that has landed.
        now: Compare the live rows of taste, after landing what the log holds, rather than a replay of the log.
        json: One JSON document on one line.
    """
    if now and at is not None:
        raise BadUsage("--now compares what the rows say at this moment; leave --at out")
    settings = Settings.from_environment()
    lake = open_lake(settings)
    try:
        with closing(open_log(settings)) as log, tempfile.TemporaryDirectory(prefix="backbeat-parity-") as scratch:
            folder = Path(scratch)
            sides = _live(settings, lake, log, folder) if now else _replayed(lake, log, _offsets(at, lake), folder)
            compared = _compared(settings, sides)
    except (CutRefused, RowsUnavailable) as error:
        raise CommandFailed(f"cannot compare: {error}") from error
    _tell(compared, sides, json=json)
    if compared.mismatches:
        sys.exit(FAILED)


def _offsets(at: str | None, lake: Lake) -> dict[str, int]:
    """Those asked for, of what has landed. Raises `BadUsage`."""
    places = {topic_partition(topic.name, part) for topic in TOPICS for part in range(topic.partitions)}
    landed = {place: offset for place, offset in landed_offsets(lake).items() if place in places}
    if at is None:
        return landed
    try:
        asked = msgspec.json.decode(at, type=dict[str, int])
    except msgspec.DecodeError as error:
        raise BadUsage(f"--at {at!r}: {error}; wanted a JSON object of topic/partition to offset") from error
    for place, offset in asked.items():
        if place not in places:
            raise BadUsage(f"--at {place!r}: no such place; there are {', '.join(sorted(places))}")
        if offset > landed.get(place, -1):
            raise BadUsage(f"--at {place} {offset}: only {landed.get(place, -1)} has landed (`backbeat run tables`)")
    return asked


def _replayed(lake: Lake, log: Log, offsets: Mapping[str, int], folder: Path) -> ComparedSides:
    made = cut(lake, log, offsets, folder)
    rows = MemoryRows()
    put_names(rows, made.names())
    replay(TASTE, rows, streamed.told_up_to(TASTE, log, made, imports=True))
    return _sides(_said(Tastes(rows)), log, made, _trimmed(made))


def _sides(stream: Accounts, log: Log, made: Cut, remarks: list[str]) -> ComparedSides:
    """With trends and outcomes, which are replayed."""
    now_ms = made.newest_ms()
    return ComparedSides(
        stream, streamed.trends(log, made), streamed.outcomes(log, made, now_ms), made, now_ms, remarks
    )


def _trimmed(made: Cut) -> list[str]:
    if not made.trimmed:
        return []
    begins = ", ".join(f"{place} at {first}" for place, first in sorted(made.trimmed.items()))
    return [f"The log begins later than it did ({begins}): what went before was taken from the lake."]


def _said(tastes: Tastes) -> Accounts:
    return {who: stream_account(tastes.now(who)) for who in tastes.listeners()}


def _live(settings: Settings, lake: Lake, log: Log, folder: Path) -> ComparedSides:
    """What the live rows say at a moment when they have seen all of the log. Raises `CommandFailed`."""
    with closing(open_rows(settings)) as rows:
        stream, ends = _still(rows, log)
        known = published_from(lake, rows)
    with LakeLock(settings.home.lock, "land for a comparison"):
        bring_in(lake, log)
    tracks = NO_TRACKS if known.tracks_version is None else known.tracks_version
    made = cut(lake, log, ends, folder, imports=known.imports, tracks=tracks)
    remarks = []
    if left := known.imports_since:
        remarks.append(f"Left out, as the rows do not know of them before the next `backbeat run`: {left} imports.")
    return _sides(stream, log, made, remarks)


def bring_in(lake: Lake, log: Log, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Land all of the log beside whoever lands it too. Raises `CommandFailed` where others are faster for so long."""
    until = time.monotonic() + patience_seconds
    for landing in LANDINGS:
        try:
            land(lake, log, landing, until=until)
        except CommitFailedError as error:
            found = f"others that do were always faster: {error}"
            raise CommandFailed(f"could not land {landing.topic.name}: {found}; try again, or use --at") from error


def _still(rows: Rows, log: Log) -> tuple[Accounts, dict[str, int]]:
    """The accounts at a moment between two looks at the log's end that found the same, and that end."""
    tastes = Tastes(rows)
    for _ in range(TRIES):
        ends = _ends(log)
        _await_seen(tastes, log, ends)
        stream = _said(tastes)
        if _ends(log) == ends:
            return stream, ends
    raise CommandFailed(f"the log moved on while its rows were read, {TRIES} times: stop what is told, or use --at")


def _ends(log: Log) -> dict[str, int]:
    ends = ((topic, partition, end) for topic in TOPICS for partition, end in log.end(topic).items())
    return {topic_partition(topic.name, partition): end for topic, partition, end in ends if end >= 0}


def _await_seen(tastes: Tastes, log: Log, ends: Mapping[str, int]) -> None:
    last = last_told(log, TASTE.topics, ends)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting := behind(tastes, last):
        if time.monotonic() > deadline:
            some = f"{len(waiting)} listeners, {min(waiting)} among them"
            raise CommandFailed(f"the rows of {some} have not seen all of the log: do `backbeat serve` or stream run?")
        last = {who: last[who] for who in waiting}
        time.sleep(_WAIT_SECONDS)


def _compared(settings: Settings, sides: ComparedSides) -> Compared:
    compared, left, shown = Compared(), dict(sides.stream), dict(sides.outcomes)
    with _spark(settings, open_lake(settings)) as spark:
        for who, batch in batch_accounts(spark, sides.cut):
            compared.taste.add(who, left.pop(who, Account()), batch)
        hold_trends(compared.trending, sides.trends, batch_trends(spark, sides.cut))
        for who, slots in batch_outcomes(spark, sides.cut, sides.now_ms):
            hold_outcomes(compared.outcomes, who, shown.pop(who, OutcomesAccount()), slots)
    for who, stream in left.items():
        compared.taste.add(who, stream, Account())
    for who, outcomes in shown.items():
        hold_outcomes(compared.outcomes, who, outcomes, {})
    return compared


@contextmanager
def _spark(settings: Settings, lake: Lake) -> Iterator[Any]:
    with spark_session(spark_settings(settings, lake.count(RAW_PLAYS))) as spark:
        yield spark


def _tell(compared: Compared, sides: ComparedSides, *, json: bool) -> None:
    taste = compared.taste
    if json:
        document = {
            "compared": sum(compared.rows.values()),
            "rows": compared.rows,
            "features": {
                name: {"compared": sum(tally.compared.values()), "mismatches": tally.mismatches}
                for name, tally in compared.features.items()
            },
            "listeners": taste.listeners,
            "mismatches": compared.mismatches,
            "listeners_that_differ": taste.differing,
            "offsets": sides.cut.offsets,
            "differences": [difference._asdict() for difference in compared.first],
            "remarks": sides.remarks,
        }
        emit(document)
        return
    for remark in sides.remarks:
        notice(remark)
    title = f"stream and batch, {taste.listeners:,} listeners"
    console().print(table(title, ["what", "rows compared"], list(compared.rows.items())))
    for difference in compared.first:
        console().print(f"{difference.listener_id}: {difference.kind} {difference.key}", markup=False)
        console().print(f"  stream {difference.stream}\n  batch  {difference.batch}", markup=False)
    console().print(f"{compared.mismatches:,} mismatches; the tastes of {taste.differing:,} listeners differ.")
