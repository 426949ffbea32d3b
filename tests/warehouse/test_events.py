"""Events as they were published: what lies on a log today is read for as long as its topic is."""

from __future__ import annotations

from copy import deepcopy
from typing import Annotated, Any

import msgspec
import pytest

from tests.warehouse.published import breaks, described, fields_of, published
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, TOPICS, Event, Topic
from warehouse.frames import decoded

EVERY_TOPIC = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
# One event with what it must tell, and one with all that it can, as they were written when they were published.
HELD = {
    PLAYS.name: (
        "9286ab6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100a7706c61795f6964a27031"
        "a8747261636b5f6964a27431aa737461727465645f6d73cf0000019f64a59100a6736f75726365a86261636b626561748eab"
        "6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100a7706c61795f6964a27032a87472"
        "61636b5f6964a973706f746966793a32aa737461727465645f6d73cf0000019f64a59100a6736f75726365a773706f746966"
        "79a9706c617965645f6d7301a8747261636b5f6d7302a7636f6e74657874a7616c62756d3a78ad696d7072657373696f6e5f"
        "6964a169a4736c6f7403a8656e6465645f6279a4736b6970a6646576696365a5726164696fa7636f756e747279a24154"
    ),
    SIGNALS.name: (
        "9285ab6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100a97369676e616c5f6964a2"
        "7331a8747261636b5f6964a27431a46b696e64a46c696b6586ab6c697374656e65725f6964a3616461ab7265636569766564"
        "5f6d73cf0000019f64a59100a97369676e616c5f6964a27332a8747261636b5f6964a27431a46b696e64a472617465a67261"
        "74696e6705"
    ),
    IMPRESSIONS.name: (
        "9287ab6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100ad696d7072657373696f6e"
        "5f6964a26931a57368656c66a46e657874ad6d6f64656c5f76657273696f6ea16da9747261636b5f69647390a7736f757263"
        "65739087ab6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100ad696d707265737369"
        "6f6e5f6964a26932a57368656c66a8646973636f766572ad6d6f64656c5f76657273696f6ea16da9747261636b5f69647391"
        "a27431a7736f757263657391a3616c73"
    ),
    ERASURES.name: (
        "9283ab6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100aa657261737572655f6964"
        "a2653184ab6c697374656e65725f6964a3616461ab72656365697665645f6d73cf0000019f64a59100aa657261737572655f"
        "6964a26532a7706c61795f6964a27031"
    ),
}


@EVERY_TOPIC
def test_nothing_breaks_what_was_published(topic: Topic) -> None:
    assert breaks(published(topic), described(topic)) == []


@EVERY_TOPIC
def test_what_was_published_is_all_there_is(topic: Topic) -> None:
    assert published(topic) == described(topic), "python -m tests.warehouse.published writes down what is new"


@EVERY_TOPIC
def test_a_frame_of_the_first_day_is_read(topic: Topic) -> None:
    frame = decoded(topic, bytes.fromhex(HELD[topic.name]))
    assert frame.refused == ()
    assert [event.listener_id for event in frame.events] == ["ada", "ada"]


class _Old(Event, frozen=True, kw_only=True):
    kind: str
    place: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _WithOptional(_Old, frozen=True, kw_only=True):
    mood: str | None = None


class _WithRequired(_Old, frozen=True, kw_only=True):
    mood: str


class _Retyped(Event, frozen=True, kw_only=True):
    kind: int
    place: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Narrowed(Event, frozen=True, kw_only=True):
    kind: str
    place: Annotated[int, msgspec.Meta(ge=1)] | None = None


class _Less(Event, frozen=True, kw_only=True):
    kind: str


class _Looser(Event, frozen=True, kw_only=True):
    kind: str = "any"
    place: Annotated[int, msgspec.Meta(ge=0)] | None = None


def as_topic(event: type[Event]) -> dict[str, Any]:
    return {"topic": "t.v1", "partitions": 4, "fields": fields_of(event)}


def test_a_new_field_that_may_be_missing_breaks_nothing() -> None:
    assert breaks(as_topic(_Old), as_topic(_WithOptional)) == []


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (_WithRequired, "mood: found a new field that is required, wanted a default"),
        (_Retyped, "kind: found {'type': 'integer'}, wanted {'type': 'string'}"),
        (_Narrowed, "place: found {'anyOf': [{'type': 'integer', 'minimum': 1}, {'type': 'null'}], 'default': None}, "),
        (_Less, "place: found no such field any more"),
        (_Looser, "kind: found required False, wanted True"),
    ],
)
def test_what_would_break_readers_or_writers_is_told(event: type[Event], told: str) -> None:
    assert breaks(as_topic(_Old), as_topic(event))[0].startswith(told)


def test_partitions_stay_as_they_are() -> None:
    more = {**as_topic(_Old), "partitions": 8}
    assert breaks(as_topic(_Old), more) == ["partitions: found 8, wanted 4: listeners would move"]


def test_a_kind_of_signal_may_come_and_none_may_go() -> None:
    more, fewer = deepcopy(described(SIGNALS)), deepcopy(described(SIGNALS))
    more["fields"]["kind"]["type"]["enum"].append("follow")
    fewer["fields"]["kind"]["type"]["enum"].remove("rate")
    assert breaks(described(SIGNALS), more) == []
    assert breaks(described(SIGNALS), fewer) == ["kind: found no value 'rate' any more"]
