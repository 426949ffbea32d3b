"""Frames: events as a record of the log holds them, a msgpack array of those of one partition that arrived together.

Reading one gives every event that can be read; what cannot is refused alone, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import msgspec

from warehouse.events import Event, Topic

WHOLE = -1  # the position of what is refused where a record is no frame at all
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_parts = msgspec.msgpack.Decoder(tuple[msgspec.Raw, ...]).decode


@dataclass(frozen=True)
class Refused:
    """What cannot be read as an event of its topic: where in the frame (from 0, or `WHOLE`), why, and its bytes."""

    position: int
    reason: str
    content: bytes


class Frame(NamedTuple):
    """The events of one record in order, and what was refused."""

    events: tuple[Event, ...]
    refused: tuple[Refused, ...] = ()


def encoded(events: Sequence[Event]) -> bytes:
    """The frame of these events."""
    return msgspec.msgpack.encode(events)


def decoded(topic: Topic, frame: bytes) -> Frame:
    """What a frame holds; whatever the bytes are, nothing is raised."""
    try:
        return Frame(_frame_decoder(topic.event).decode(frame))
    except _UNREADABLE:
        return _one_by_one(topic, frame)


def event_of(topic: Topic, content: bytes, position: int = 0) -> Event | Refused:
    """The one event that these bytes are, or why they are none."""
    try:
        return _event_decoder(topic.event).decode(content)
    except _UNREADABLE as error:
        return Refused(position, f"{error}; wanted a valid {topic.event.__name__}", content)


def _one_by_one(topic: Topic, frame: bytes) -> Frame:
    try:
        parts = _parts(frame)
    except _UNREADABLE as error:
        reason = f"{error}; wanted a msgpack array of {topic.event.__name__}"
        return Frame((), (Refused(WHOLE, reason, frame),))
    read = [event_of(topic, bytes(part), position) for position, part in enumerate(parts)]
    return Frame(
        tuple(part for part in read if isinstance(part, Event)),
        tuple(part for part in read if isinstance(part, Refused)),
    )


@cache
def _frame_decoder(event: type[Event]) -> msgspec.msgpack.Decoder[tuple[Event, ...]]:
    return msgspec.msgpack.Decoder(tuple[event, ...])  # type: ignore[valid-type]  # the type is known at run time only


@cache
def _event_decoder(event: type[Event]) -> msgspec.msgpack.Decoder[Event]:
    return msgspec.msgpack.Decoder(event)
