"""Impressions, plays that name one, and generated histories of both: for the stream's outcomes and the batch's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

import msgspec

from streaming.folds.outcomes import OutcomesFold
from streaming.mover import Mover, RecordEvents
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.tastes import DAY, MIN, NOON, erasure, play
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, Erasure, Event, Impression, Play
from warehouse.outcomes import OUTCOMES, OutcomesRow
from warehouse.tail import topic_partition

TRACKS = ("t0", "t1", "t2", "t3", "source:4")
PLACES: Mapping[type[Event], str] = {
    Impression: topic_partition(IMPRESSIONS.name, 0),
    Play: topic_partition(PLAYS.name, 0),
    Erasure: topic_partition(ERASURES.name, 0),
}


def shown(impression_id: str = "i", *track_ids: str, at: int = NOON, listener_id: str = "ada") -> Impression:
    tracks = list(track_ids or TRACKS)
    return Impression(
        listener_id=listener_id,
        received_ms=at,
        impression_id=impression_id,
        shelf="discover",
        model_version="m1",
        track_ids=tracks,
        sources=["als"] * len(tracks),
    )


def led_to(
    play_id: str,
    track_id: str = "t0",
    impression_id: str | None = "i",
    *,
    at: int = NOON + MIN,
    played_ms: int | None = 3 * MIN,
    ended_by: str | None = None,
    received_ms: int | None = None,
    listener_id: str = "ada",
) -> Play:
    told = play(
        play_id,
        track_id,
        at,
        played_ms=played_ms,
        ended_by=ended_by,
        received_ms=received_ms,
        listener_id=listener_id,
    )
    return msgspec.structs.replace(told, impression_id=impression_id)


def by_topic(events: Iterable[Event]) -> list[list[RecordEvents]]:
    """A record for each event, in the order of its topic."""
    topics: dict[str, list[RecordEvents]] = {}
    for event in events:
        records = topics.setdefault(PLACES[type(event)], [])
        records.append(RecordEvents(PLACES[type(event)], len(records), [event]))
    return list(topics.values())


def interleaved(events: Sequence[Event], random: Random) -> list[RecordEvents]:
    """The same records, the topics mixed anyhow."""
    topics = [list(records) for records in by_topic(events)]
    mixed = []
    while topics:
        records = random.choice(topics)
        mixed.append(records.pop(0))
        topics = [records for records in topics if records]
    return mixed


def row_of(records: Iterable[RecordEvents], listener_id: str = "ada") -> OutcomesRow:
    """The row as it is read, after these records."""
    rows = MemoryRows()
    mover = Mover(OutcomesFold(), rows)
    for record in records:
        mover.advance([record])
    found = rows.get(OUTCOMES, listener_id)
    return OutcomesRow() if found is None else as_read(found)


as_read = msgspec.msgpack.Decoder(OutcomesRow).decode


def in_order(*events: Event) -> OutcomesRow:
    """The row after these events, told in this order."""
    ends: dict[str, int] = {}
    records: list[RecordEvents] = []
    for event in events:
        place = PLACES[type(event)]
        ends[place] = ends.get(place, -1) + 1
        records.append(RecordEvents(place, ends[place], [event]))
    return row_of(records)


def history(listener_id: str, random: Random, events: int) -> list[Event]:
    """Answers and plays around two midnights, told in any order: late, twice, early, and taken back.

    No two plays of a track start within a minute, as such are one play told twice, which the batch alone finds.
    """
    answers = [f"{listener_id} i{number}" for number in range(4)]
    told: list[Event] = [
        shown(name, *random.sample(TRACKS, 4), at=NOON + random.randrange(4 * 24) * 30 * MIN, listener_id=listener_id)
        for name in answers
    ]
    told += [_listened(f"p{number}", number, random, answers, listener_id) for number in range(events)]
    told += [event for event in told if random.random() < 0.2]
    told += [_taken_back(f"p{random.randrange(events)}", listener_id) for _ in range(random.randrange(3))]
    random.shuffle(told)
    received = range(len(told))
    events_told = [_received(event, NOON + 4 * DAY + at) for event, at in zip(told, received, strict=True)]
    if random.random() < 0.4:
        all_until = random.choice([NOON + 30 * 60 * MIN, NOON + 4 * DAY + random.choice(received)])
        events_told.append(_received(_taken_back(None, listener_id), all_until))
    return events_told


def _listened(play_id: str, number: int, random: Random, answers: Sequence[str], listener_id: str) -> Play:
    return led_to(
        play_id,
        random.choice((*TRACKS, "another")),
        random.choice([*answers, None, "ada i0"]),
        at=NOON - DAY + random.randrange(5 * 24 * 30) * 2 * MIN + number * 1_000,
        played_ms=random.choice([3 * MIN, 5_000, None]),
        ended_by=random.choice(["skip", "end", None]),
        listener_id=listener_id,
    )


def _taken_back(play_id: str | None, listener_id: str) -> Erasure:
    return msgspec.structs.replace(erasure(play_id), listener_id=listener_id, erasure_id=f"{listener_id} {play_id}")


def _received(event: Event, at: int) -> Event:
    """Impressions are received when they are shown; all else at that time."""
    return event if isinstance(event, Impression) else msgspec.structs.replace(event, received_ms=at)
