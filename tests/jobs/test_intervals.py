"""Which days are stale: what changed since the versions that a table's last commit was made from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest

from jobs.intervals import Days, Input, stale_interval
from tests.jobs.tables import DAY, MONDAY, day_of, raw_play, rows_of
from warehouse.stores.lake import Lake
from warehouse.tables import FEATURES_TASTE, RAW_PLAYS

ALONE = Input(RAW_PLAYS)
OUTPUT = FEATURES_TASTE


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def day(number: int) -> date:
    return day_of(MONDAY + number * DAY)


def tell(lake: Lake, *days: int) -> None:
    told = [raw_play(f"{number} {lake.version(RAW_PLAYS)}", MONDAY + number * DAY) for number in days]
    lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, told))


def make(lake: Lake, days: Iterable[int], versions: dict[str, int | None]) -> None:
    """Write those days of the output, as made from those versions."""
    entries = [
        {"listener_id": "ada", "track_id": "t", "plays": 1, "skips": 0, "last_play_id": "p", "last_started_ms": 0}
        | {"day": day(number)}
        for number in days
    ]
    lake.append(OUTPUT, rows_of(OUTPUT, entries), metadata={"inputs": versions})


def stale(lake: Lake, source: Input = ALONE) -> list[date]:
    return sorted(stale_interval(lake, OUTPUT, [source]).days)


def test_all_days_of_an_input_are_stale_where_nothing_was_made_yet(lake: Lake) -> None:
    tell(lake, 0, 4)
    assert stale(lake) == [day(0), day(4)]


def test_nothing_is_stale_where_the_input_is_as_it_was(lake: Lake) -> None:
    tell(lake, 0, 4)
    make(lake, [0, 4], {RAW_PLAYS.name: 0})
    assert stale(lake) == []


def test_only_days_that_changed_since_are_stale(lake: Lake) -> None:
    tell(lake, 0, 4)
    make(lake, [0, 4], {RAW_PLAYS.name: 0})
    tell(lake, 4)
    tell(lake, 7)
    assert stale(lake) == [day(4), day(7)]


def test_a_change_reopens_the_days_that_rest_on_it_of_those_that_are_there(lake: Lake) -> None:
    tell(lake, 0, 1, 2, 3, 9)
    make(lake, [0, 1, 2, 3, 9], {RAW_PLAYS.name: 0})
    tell(lake, 2)
    assert stale(lake, Input(RAW_PLAYS, before=1)) == [day(2), day(3)]
    assert stale(lake, Input(RAW_PLAYS, after=1)) == [day(1), day(2)]
    assert stale(lake, Input(RAW_PLAYS, before=1, after=1)) == [day(1), day(2), day(3)]


def test_a_day_that_the_input_lost_is_stale(lake: Lake) -> None:
    tell(lake, 0, 4)
    make(lake, [0, 4], {RAW_PLAYS.name: 0})
    lake.delete(RAW_PLAYS, f"day = '{day(4)}'")
    assert stale(lake) == [day(4)]


def test_days_that_another_input_reopens_are_stale_too_where_they_exist(lake: Lake) -> None:
    tell(lake, 0, 4)
    make(lake, [0, 4], {RAW_PLAYS.name: 0})
    assert stale_interval(lake, OUTPUT, [ALONE], also=[day(0), day(99)]).days == {day(0)}


def test_reopened_days_are_stale_whatever_their_inputs_where_they_exist(lake: Lake) -> None:
    tell(lake, 0, 4, 5, 8)
    make(lake, [0, 4, 5], {RAW_PLAYS.name: 0})
    reopened = Days(day(3), day(5))
    assert stale_interval(lake, OUTPUT, [ALONE], reopened=reopened).days == {day(4), day(5)}
    tell(lake, 8)
    assert stale_interval(lake, OUTPUT, [ALONE], reopened=reopened).days == {day(4), day(5), day(8)}


@pytest.mark.parametrize("text", ["2024-12-30..2025-01-02", "2024-12-30..2024-12-30", "2024-12-30"])
def test_days_are_told_as_from_and_to_or_as_one_day(text: str) -> None:
    days = Days.parsed(text)
    assert days.first == date(2024, 12, 30)
    assert (days.first - timedelta(days=1) in days, days.last + timedelta(days=1) in days) == (False, False)
    assert days.first in days
    assert days.last in days
    assert Days.parsed(str(days)) == days


@pytest.mark.parametrize(
    "text", ["", "..", "2024-12-30..", "2024-12-30..2024-12-29", "20241230", "2024-12-30...2024-12-31", "2024-02-30"]
)
def test_what_names_no_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|isoformat|day"):
        Days.parsed(text)


def test_the_commit_is_to_remember_the_versions_of_every_input(lake: Lake) -> None:
    tell(lake, 0)
    tell(lake, 1)
    interval = stale_interval(lake, OUTPUT, [ALONE], versions={"core.tracks": 7})
    assert interval.metadata() == {"inputs": {RAW_PLAYS.name: 1, "core.tracks": 7}}


def test_an_input_that_is_not_there_makes_nothing_stale(lake: Lake) -> None:
    interval = stale_interval(lake, OUTPUT, [ALONE])
    assert (interval.days, interval.versions) == (frozenset(), {RAW_PLAYS.name: None})


def test_what_a_day_needs_is_what_would_reopen_it() -> None:
    source = Input(RAW_PLAYS, before=2, after=1)
    for number in range(-4, 5):
        needed = day(number) in source.needed_for([day(0)])
        assert needed == (day(0) in source.reopened_by(day(number)))
    assert source.needed_for([day(0)]) == {day(0) + timedelta(days=shift) for shift in (-2, -1, 0, 1)}
