from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streaming.tastes import play
from warehouse.events import IMPRESSIONS, PLAYS, Impression
from warehouse.frames import WHOLE, Frame, Refused, decoded, encoded, event_of

GOOD = msgspec.to_builtins(play("p"))


def frame(*parts: object) -> bytes:
    return msgspec.msgpack.encode(parts)


def reasons(content: bytes) -> list[str]:
    return [refused.reason for refused in decoded(PLAYS, content).refused]


def test_what_was_encoded_is_decoded_equal() -> None:
    plays = (play("a"), play("b", track_ms=1))
    assert decoded(PLAYS, encoded(plays)) == Frame(plays)


def test_an_empty_frame_holds_nothing() -> None:
    assert decoded(PLAYS, encoded([])) == Frame(())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"listener_id": "ada"}, "Object missing required field `received_ms`; wanted a valid Play"),
        ({**GOOD, "started_ms": -1}, "Expected `int` >= 0 - at `$.started_ms`; wanted a valid Play"),
        ({**GOOD, "started_ms": 253_402_300_800_000}, "Expected `int` <= 253402300799999 - at `$.started_ms`"),
        ({**GOOD, "track_id": None}, "Expected `str`, got `None` - at `$.track_id`; wanted a valid Play"),
        ({**GOOD, "slot": 2**31}, "Expected `int` <= 2147483647 - at `$.slot`; wanted a valid Play"),
        ("a play", "Expected `object`, got `str`; wanted a valid Play"),
        (msgspec.Raw(b"\x81\xablistener_id\xa1\xff"), "invalid start byte; wanted a valid Play"),
    ],
)
def test_a_bad_event_is_refused_alone_with_what_was_found_and_wanted(bad: object, reason: str) -> None:
    good = play("p"), play("q")
    read = decoded(PLAYS, frame(good[0], bad, good[1]))
    assert read.events == good
    (refused,) = read.refused
    assert (refused.position, refused.content) == (1, msgspec.msgpack.encode(bad))
    assert reason in refused.reason


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"not a frame", b"{}", encoded([play("a"), play("b")])[:-1], encoded([play("a")]) + b"\x00"],
)
def test_bytes_that_are_no_frame_are_refused_as_a_whole(content: bytes) -> None:
    read = decoded(PLAYS, content)
    assert read.events == ()
    assert [(refused.position, refused.content) for refused in read.refused] == [(WHOLE, content)]
    assert read.refused[0].reason.endswith("wanted a msgpack array of Play")


def test_nesting_without_end_is_refused_and_stops_nothing() -> None:
    (reason,) = reasons(b"\x91" * 1_000_000)
    assert "recursion" in reason


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    assert decoded(PLAYS, frame({**GOOD, "mood": "blue"})) == Frame((play("p"),))


def test_an_impression_names_a_source_for_each_track() -> None:
    shown = Impression(
        listener_id="ada",
        received_ms=1,
        impression_id="i",
        shelf="s",
        model_version="m",
        track_ids=["t"],
        sources=["a"],
    )
    torn = {**msgspec.to_builtins(shown), "sources": []}
    read = decoded(IMPRESSIONS, frame(torn, shown))
    assert read.events == (shown,)
    assert read.refused[0].reason.startswith("found 1 tracks and 0 sources, wanted a source for each track")


def test_one_refused_event_is_read_again_by_itself() -> None:
    (refused,) = decoded(PLAYS, frame({"listener_id": "ada"})).refused
    assert event_of(PLAYS, refused.content) == refused
    assert event_of(PLAYS, encoded([play("p")])[1:]) == play("p")


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_nothing_is_raised(content: bytes) -> None:
    for refused in decoded(PLAYS, content).refused:
        assert isinstance(refused, Refused)


@given(st.lists(st.one_of(st.just(GOOD), st.binary(max_size=9), st.integers(0, 9), st.just({"x": None})), max_size=9))
def test_every_part_is_either_read_or_refused_at_its_place(parts: list[object]) -> None:
    read = decoded(PLAYS, frame(*parts))
    assert len(read.events) == parts.count(GOOD)
    assert [refused.position for refused in read.refused] == [n for n, part in enumerate(parts) if part != GOOD]
