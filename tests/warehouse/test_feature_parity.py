from __future__ import annotations

import pytest

from warehouse.feature_parity import (
    OUTCOMES,
    TRENDS,
    Hour,
    HourAccount,
    OutcomesAccount,
    SlotOutcome,
    hold_outcomes,
    hold_trends,
    hour_accounts,
)
from warehouse.parity import Tally
from warehouse.rules.quantity import MINUTE_MS
from warehouse.trending import RING_HOURS, Bounds, HourCounts, row_key

NOW = 480_012
HERE: Hour = (NOW, "all")


def trends(stream: dict[Hour, HourAccount], batch: dict[Hour, dict[str, int]]) -> list[tuple[object, ...]]:
    """Country, track, stream and batch of what differs."""
    tally = Tally(TRENDS)
    hold_trends(tally, stream, batch)
    assert tally.mismatches == len(tally.first)
    return [(*found.key[1:], found.stream, found.batch) for found in tally.first]


def test_partitions_of_an_hour_are_read_together() -> None:
    rows = [
        (row_key(NOW, "all", 0), HourCounts(NOW, 5, {"a": (3, 1), "b": (2, 0)}, evicted=1)),
        (row_key(NOW, "all", 1), HourCounts(NOW, 2, {"a": (2, 0)})),
        (row_key(NOW, "AT", 1), HourCounts(NOW, 2, {"a": (2, 0)})),
    ]
    accounts = hour_accounts(rows)
    assert accounts[HERE] == HourAccount(7, {"a": Bounds(4, 1), "b": Bounds(2, 0)}, 1)
    assert accounts[NOW, "AT"] == HourAccount(2, {"a": Bounds(2, 0)}, 0)


@pytest.mark.parametrize(("plays", "agree"), [(1, False), (2, True), (4, True), (5, False)])
def test_a_track_that_took_anothers_place_is_within_its_bounds(plays: int, agree: bool) -> None:
    found = trends({HERE: HourAccount(plays, {"a": Bounds(2, 2)}, 0)}, {HERE: {"a": plays}})
    assert found == ([] if agree else [("all", "a", Bounds(2, 2), plays)])


def test_a_track_that_always_had_room_is_exact() -> None:
    found = trends({HERE: HourAccount(3, {"a": Bounds(3, 0)}, 0)}, {HERE: {"a": 2}})
    assert found == [("all", "", Bounds(3, 0), 2), ("all", "a", Bounds(3, 0), 2)]


@pytest.mark.parametrize(("others", "agree"), [(0, False), (1, True)])
def test_a_track_that_is_not_named_has_no_more_plays_than_the_last_that_had_to_go(others: int, agree: bool) -> None:
    found = trends({HERE: HourAccount(3, {"a": Bounds(2, 0)}, others)}, {HERE: {"a": 2, "b": 1}})
    assert found == ([] if agree else [("all", "b", Bounds(0, 0), 1)])


def test_an_hour_that_only_one_side_has_differs() -> None:
    assert len(trends({}, {(NOW, "AT"): {"a": 1}})) == 2
    assert len(trends({(NOW, "AT"): HourAccount(1, {"a": Bounds(1, 0)}, 0)}, {})) == 2


def test_hours_that_may_have_lost_their_place_are_not_compared() -> None:
    now = {HERE: HourAccount(1, {"a": Bounds(1, 0)}, 0)}
    assert trends(now, {HERE: {"a": 1}, (NOW - RING_HOURS, "all"): {"b": 1}}) == []
    assert len(trends(now, {HERE: {"a": 1}, (NOW - RING_HOURS + 1, "all"): {"b": 1}})) == 2


def slots(*shown_ms: int) -> dict[tuple[str, int], SlotOutcome]:
    """An impression of one slot, ignored, at each of these times."""
    return {(f"i{at}", 0): SlotOutcome(at, "als", "ignored", None, None) for at in shown_ms}


def outcomes(stream: OutcomesAccount, batch: dict[tuple[str, int], SlotOutcome]) -> list[object]:
    """The impressions that differ."""
    tally = Tally(OUTCOMES)
    hold_outcomes(tally, "ada", stream, batch)
    return [found.key[0] for found in tally.first]


def test_all_that_was_shown_is_compared_while_a_row_has_room() -> None:
    assert outcomes(OutcomesAccount(slots(5)), slots(5)) == []
    assert outcomes(OutcomesAccount(slots(5)), slots(1, 5)) == ["i1"]


def test_of_a_full_row_older_impressions_are_not_asked_and_newer_ones_are() -> None:
    full = OutcomesAccount(slots(5, 9), full=True)
    assert outcomes(full, slots(1, 5, 9)) == []
    newer = 5 + MINUTE_MS + 1
    assert outcomes(full, slots(5, 9, newer)) == [f"i{newer}"]


def test_another_play_or_outcome_of_a_slot_differs() -> None:
    played = {("i5", 0): SlotOutcome(5, "als", "played", "p", 180_000)}
    assert outcomes(OutcomesAccount(slots(5)), played) == ["i5"]
