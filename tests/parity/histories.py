"""Seeded listening histories with everything that is hard: ties, skewed clocks, duplicates, late plays, erasures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, zip_longest
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa

from tests.streaming.tastes import DAY, MIN, NOON
from warehouse.events import TOPICS, Erasure, Event, Play, Signal, SignalKind
from warehouse.sources import SOURCES
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land
from warehouse.stores.log import Log
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import CORE_TRACKS

MIDNIGHT = NOON + DAY // 2
TOPIC_OF = {topic.event: topic for topic in TOPICS}
NAMES = {f"{source}:{n}": f"isrc:{n}" for source in ("spotify", "lastfm") for n in range(3)}
TRACKS = (*NAMES, *NAMES.values(), "file:unknown", "backbeat:own")
TELLERS = (*SOURCES, "a source of another time")
LENGTHS = (None, 0, 4_000, 29_999, 30_000, 3 * MIN, 20 * MIN)
STEP_MS = 1_000


class Stores:
    """A log and a lake, told the same, with the tracks behind `NAMES`."""

    def __init__(self, folder: Path) -> None:
        ticks = count(1_000)
        self.folder = folder
        self.log = SqliteLog(folder / "log.db", clock=lambda: next(ticks))
        self.lake = Lake(str(folder / "lake"))
        tracks = {"source_track_id": list(NAMES), "track_id": list(NAMES.values())}
        self.lake.replace(CORE_TRACKS, pa.table(tracks, CORE_TRACKS.schema))

    def land(self) -> None:
        for landing in LANDINGS:
            land(self.lake, self.log, landing)


class History(NamedTuple):
    """One listener's events in order of arrival; the first `imported` of them came with an import."""

    listener_id: str
    events: tuple[Event, ...]
    imported: int


def histories(seed: int, count: int) -> list[History]:
    """As many listeners, each with a history of its own."""
    random = Random(seed)  # noqa: S311  # a seeded history, not a secret
    return [_history(f"listener {n}", random) for n in range(count)]


def steady(listener_id: str, plays: int, *, tracks: int, every_ms: int = 4 * MIN) -> History:
    """Long, and in order of time: each fifth play is told by a second source too, each seventh again under its id."""
    events: list[Event] = []
    for n in range(plays):
        started_ms = MIDNIGHT + n * every_ms
        told = [(f"p{n}", started_ms, "backbeat")]
        told += [(f"s{n}", started_ms + 20_000, "spotify-account")] if n % 5 == 0 else []
        told += [(f"p{n}", started_ms, "backbeat")] if n % 7 == 0 else []
        for play_id, start, source in told:
            events.append(_play(listener_id, play_id, f"t{n % tracks}", start, len(events), source=source))
        if n % 50 == 49:
            events.append(_signal(listener_id, f"w{n}", f"t{n % 4}", SignalKind.LIKE, len(events)))
    return History(listener_id, tuple(events), imported=0)


def rounds(told: Iterable[History]) -> Iterable[list[Event]]:
    """What all listeners tell in the first second, the next, and so on; imported events left out."""
    for events in zip_longest(*(history.events[history.imported :] for history in told)):
        yield [event for event in events if event is not None]


def tell(log: Log, events: Sequence[Event]) -> None:
    """Append them, those of each topic together."""
    for kind, topic in TOPIC_OF.items():
        log.append(topic, [event for event in events if type(event) is kind])


def _history(listener_id: str, random: Random) -> History:
    count = random.randrange(1, 40)
    imported = random.choice([0, 0, random.randrange(count)])
    began = MIDNIGHT + random.choice([-8 * MIN, 0, 10 * DAY])
    events: list[Event] = []
    for at in range(count):
        event = _event(listener_id, random, began, at)
        while at < imported and not isinstance(event, Play):  # files tell of plays alone
            event = _event(listener_id, random, began, at)
        events.append(event)
    return History(listener_id, tuple(events), imported)


def _event(listener_id: str, random: Random, began: int, at: int) -> Event:
    what = random.random()
    play_id = f"p{random.randrange(25)}"
    if what < 0.82:
        return _play(
            listener_id,
            play_id,
            random.choice(TRACKS),
            _start(random, began),
            at,
            source=random.choice(TELLERS),
            played_ms=random.choice(LENGTHS),
            track_ms=random.choice([None, 0, 50_000, 3 * MIN]),
            ended_by=random.choice(["skip", "end", None]),
        )
    if what < 0.93:
        kind = random.choice(list(SignalKind))
        return _signal(listener_id, f"w{random.randrange(6)}", random.choice(TRACKS), kind, at)
    erased = None if random.random() < 0.15 else play_id
    return Erasure(listener_id=listener_id, received_ms=_received(at), erasure_id=f"e{at}", play_id=erased)


def _start(random: Random, began: int) -> int:
    """Around the beginning, in steps that make ties and near repeats; some ahead of the clock, some days late."""
    late = random.choice([0, 0, 0, 0, 0, 0, -DAY, -3 * DAY, 9 * MIN])
    return began + late + random.choice([17_000, 59_999, 60_000, 7 * MIN]) * random.randrange(-6, 9)


def _play(
    listener_id: str,
    play_id: str,
    track: str,
    started_ms: int,
    at: int,
    *,
    source: str,
    played_ms: int | None = 3 * MIN,
    track_ms: int | None = None,
    ended_by: str | None = None,
) -> Play:
    return Play(
        listener_id=listener_id,
        received_ms=_received(at),
        play_id=play_id,
        track_id=track,
        started_ms=started_ms,
        source=source,
        played_ms=played_ms,
        track_ms=track_ms,
        ended_by=ended_by,
    )


def _signal(listener_id: str, signal_id: str, track: str, kind: SignalKind, at: int) -> Signal:
    rating = 3 if kind is SignalKind.RATE else None
    return Signal(
        listener_id=listener_id,
        received_ms=_received(at),
        signal_id=signal_id,
        track_id=track,
        kind=kind,
        rating=rating,
    )


def _received(at: int) -> int:
    return MIDNIGHT + 20 * DAY + at * STEP_MS
