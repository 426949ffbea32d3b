"""Weekly discovery: it holds for a week, and has nothing that was heard before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from serving.service.cursors import Bound, after
from serving.service.weekly import week_began
from tests.serving.house import NOW_MS, TRACKS, House, track
from warehouse.rules.quantity import DAY_MS


def ids(answer: Any) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def test_a_week_begins_on_monday() -> None:
    assert week_began(NOW_MS // DAY_MS) == NOW_MS // DAY_MS  # 4 May 2026 is a Monday
    assert [week_began(day) for day in (3, 4, 10, 11)] == [-3, 4, 4, 11]


def test_the_list_holds_through_the_week_whatever_is_played_and_changes_with_the_next(house: House) -> None:
    house.listen("ada", track(1, 0), track(2, 1), days_ago=2)
    first = ids(house.recommend("ada", "weekly-discovery"))
    house.listen("ada", track(3, 3), track(3, 4), first[0])
    house.now_ms += 3 * DAY_MS
    assert ids(house.recommend("ada", "weekly-discovery")) == first
    house.now_ms += 4 * DAY_MS
    assert ids(house.recommend("ada", "weekly-discovery")) != first


def test_it_has_nothing_heard_before_and_two_tracks_of_an_artist_at_most(house: House) -> None:
    house.listen("ada", track(1, 0), track(2, 1), days_ago=2)
    items = house.recommend("ada", "weekly-discovery")["items"]
    assert len(items) == 8  # two of each of the four bands
    assert set(Counter(item["artist"] for item in items).values()) == {2}
    assert not {track(1, 0), track(2, 1)} & {item["track_id"] for item in items}
    assert all(item["reason"] for item in items)


def test_what_is_not_to_be_recommended_goes_at_once_and_the_rest_stays(house: House) -> None:
    house.listen("ada", track(1, 0), days_ago=2)
    first = ids(house.recommend("ada", "weekly-discovery"))
    again = ids(house.recommend("ada", "weekly-discovery", exclude=first[0]))
    assert again == first[1:]


def test_two_listeners_of_one_taste_get_weeks_of_their_own(house: House) -> None:
    for who in ("ada", "bo"):
        house.listen(who, track(1, 0), track(2, 2), days_ago=2)
    assert ids(house.recommend("ada", "weekly-discovery")) != ids(house.recommend("bo", "weekly-discovery"))


def test_who_had_played_nothing_gets_what_many_play(house: House) -> None:
    house.listen("ada", track(1, 0))
    answer = house.recommend("ada", "weekly-discovery", limit=2)
    assert {item["source"] for item in answer["items"]} == {"popularity"}
    assert "when the week began" in answer["reason"]


@pytest.mark.parametrize("limit", [7, 30, 50])
def test_what_stands_in_for_a_week_ends_after_thirty_tracks_too(house: House, limit: int) -> None:
    pages = [house.recommend("nobody", "weekly-discovery", limit=limit)]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(house.recommend("nobody", "weekly-discovery", limit=limit, cursor=cursor))
    assert [name for page in pages for name in ids(page)] == list(TRACKS[:30])
    assert all(page["items"] for page in pages)


def test_a_cursor_to_a_week_of_more_than_thirty_tracks_ends_it(house: House) -> None:
    bound = Bound("nobody", "weekly-discovery", None, house.recommend("nobody")["model_version"])
    answer = house.recommend("nobody", "weekly-discovery", limit=5, cursor=after(bound, np.arange(35)))
    assert (answer["items"], answer["next_cursor"]) == ([], None)
