"""Dead letters: what came on the log and could not be read. They wait in raw.deadletters until they can be."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from warehouse.events import TOPICS, Event, Topic
from warehouse.frames import WHOLE, Refused, decoded, event_of
from warehouse.stores.lake import Lake
from warehouse.stores.landing import waiting_erasures
from warehouse.stores.log import Log
from warehouse.stores.repeats import TakenBack
from warehouse.tables import RAW_DEADLETTERS, RAW_ERASURES

LETTERS_AT_ONCE = 500
_TOPICS = {topic.name: topic for topic in TOPICS}


class DeadLetter(NamedTuple):
    """One row of raw.deadletters: its place, why it was refused, and what was kept of its bytes."""

    topic: str
    partition: int
    log_offset: int
    position: int
    listener_id: str | None
    reason: str
    content: bytes
    content_bytes: int
    received_ms: int
    replayed_ms: int | None


class Replayed(NamedTuple):
    """How many letters were read after all and appended again, and those that were not, with what is said now."""

    appended: int
    left: tuple[tuple[DeadLetter, str], ...]


def dead_letters(lake: Lake, *, replayed: bool = False, limit: int | None = None) -> list[DeadLetter]:
    """Those that wait, or all of them, in the order of the log; the last `limit` of them."""
    if not lake.exists(RAW_DEADLETTERS):
        return []
    rows = lake.reading(RAW_DEADLETTERS, columns=list(DeadLetter._fields)).relation()
    if not replayed:
        rows = rows.filter("replayed_ms IS NULL")
    rows = rows.order("received_ms, topic, partition, log_offset, position")
    found = [DeadLetter(*row)._replace(content=base64.b64decode(row[6])) for row in rows.fetchall()]
    return found if limit is None else found[len(found) - min(limit, len(found)) :]


def replay(lake: Lake, log: Log, clock_ms: Callable[[], int]) -> Replayed:
    """Append the waiting letters that can be read now, and mark them.

    A death between the two appends a letter again the next time: its events have the same ids, and count once. What
    its listener has taken back in the meantime stays where it is.
    """
    appended, left = 0, []
    landed = lake.read(RAW_ERASURES).to_pylist() if lake.exists(RAW_ERASURES) else []
    taken = TakenBack.by([*landed, *waiting_erasures(lake, log)])
    letters = sorted(dead_letters(lake))
    for name, of_topic in groupby(letters, key=lambda letter: letter.topic):
        read: list[tuple[DeadLetter, Sequence[Event]]] = []
        for letter in of_topic:
            told = _events(letter, taken)
            if isinstance(told, str):
                left.append((letter, told))
            else:
                read.append((letter, told))
        for start in range(0, len(read), LETTERS_AT_ONCE):
            some = read[start : start + LETTERS_AT_ONCE]
            log.append(_TOPICS[name], [event for _, events in some for event in events])
            _mark(lake, [letter for letter, _ in some], clock_ms())
            appended += len(some)
    return Replayed(appended, tuple(left))


def _events(letter: DeadLetter, taken: TakenBack) -> Sequence[Event] | str:
    """What the letter says, or why it still says nothing."""
    topic = _TOPICS.get(letter.topic)
    if topic is None:
        return f"no topic {letter.topic} any more; wanted one of {', '.join(_TOPICS)}"
    if letter.content_bytes > len(letter.content):
        return f"cut to {len(letter.content):,} of its {letter.content_bytes:,} bytes; was: {letter.reason}"
    read = _read(topic, letter)
    if isinstance(read, Refused):
        return read.reason
    if any(taken.has(event) for event in read):
        return "taken back by its listener since"
    return read


def _read(topic: Topic, letter: DeadLetter) -> Sequence[Event] | Refused:
    if letter.position == WHOLE:
        frame = decoded(topic, letter.content)
        return frame.refused[0] if frame.refused else frame.events
    event = event_of(topic, letter.content)
    return event if isinstance(event, Refused) else (event,)


def _mark(lake: Lake, letters: Sequence[DeadLetter], now_ms: int) -> None:
    places = ", ".join(f"('{one.topic}', {one.partition}, {one.log_offset}, {one.position})" for one in letters)
    where = f"(topic, partition, log_offset, position) IN ({places})"
    lake.update(RAW_DEADLETTERS, where, {"replayed_ms": str(now_ms)})
