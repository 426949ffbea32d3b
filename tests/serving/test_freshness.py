"""What was told is in the next answer, and what was taken back is out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ranking.training import fit_two_stage
from tests.models.ranking.listening import CONFIG, listening
from tests.serving.house import EACH, GENRES, House, artifact, track

SHELVES = ("discover", "on-repeat", "next", "popular")


def scores(answer: Any) -> dict[str, float]:
    return {item["track_id"]: item["score"] for item in answer["items"]}


def test_a_play_takes_its_track_off_discover_in_the_next_answer(house: House) -> None:
    house.listen("ada", track(1, 0))
    best = house.recommend("ada", limit=1)["items"][0]["track_id"]
    house.later()
    house.listen("ada", best)
    assert best not in scores(house.recommend("ada", limit=200))


def test_a_play_is_what_the_next_answer_goes_on_from(house: House) -> None:
    house.listen("ada", track(1, 0))
    assert house.recommend("ada", "next", limit=1)["items"][0]["track_id"] == track(1, 1)
    house.later()
    house.listen("ada", track(2, 6))
    assert house.recommend("ada", "next", limit=1)["items"][0]["track_id"] == track(2, 7)


def test_a_dislike_holds_on_every_shelf_until_it_is_taken_back(house: House) -> None:
    house.listen("ada", track(1, 0), track(1, 2))
    for kind in ("dislike", "do_not_recommend"):
        for name in (track(1, 2), track(1, 3)):
            house.signal("ada", name, kind)
        for shelf in SHELVES:
            assert not {track(1, 2), track(1, 3)} & scores(house.recommend("ada", shelf, limit=200)).keys()
        for name in (track(1, 2), track(1, 3)):
            house.signal("ada", name, "unlike")
        assert track(1, 3) in scores(house.recommend("ada", limit=200))


def test_forgetting_a_listener_leaves_nothing_that_an_answer_shows(house: House) -> None:
    house.listen("ada", track(1, 0))
    house.signal("ada", track(1, 1), "like")
    house.later(1)
    assert house.client.delete("/v1/listeners/ada").status_code == 202
    assert house.client.get("/v1/listeners/ada/plays").json()["plays"] == []
    taste = house.client.get("/v1/listeners/ada/taste").json()
    assert (taste["tracks"], taste["opinions"], taste["total_tracks"]) == ([], [], 0)
    assert {item["source"] for item in house.recommend("ada")["items"]} == {"popularity"}


plays = st.tuples(
    st.integers(0, GENRES - 1),
    st.integers(0, EACH - 1),
    st.integers(0, 300),  # days ago
    st.sampled_from([180_000, 180_000, 180_000, 5_000]),
)


@pytest.fixture(scope="module")
def one_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as house:
        house.publish()
        yield house


@pytest.fixture(scope="module")
def ranked_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("ranked")) as house:
        house.publish(replace(artifact(), two_stage=fit_two_stage(listening(), CONFIG)))
        yield house


names = count()


@settings(max_examples=30, deadline=None)
@given(told=st.lists(plays, min_size=1, max_size=8), seed=st.sampled_from([None, 11]))
def test_without_a_play_that_it_cites_an_item_scores_lower_or_is_gone(
    one_house: House, told: list[tuple[int, int, int, int]], seed: int | None
) -> None:
    """For every item of every shelf and each play that it cites, on a copy of the listener each time."""
    assert_citations_hold(one_house, told, seed)


@settings(max_examples=20, deadline=None)
@given(told=st.lists(plays, min_size=1, max_size=8), seed=st.sampled_from([None, 11]))
def test_without_a_play_that_it_cites_an_item_of_two_stages_scores_lower_or_is_gone(
    ranked_house: House, told: list[tuple[int, int, int, int]], seed: int | None
) -> None:
    assert_citations_hold(ranked_house, told, seed)


def assert_citations_hold(house: House, told: list[tuple[int, int, int, int]], seed: int | None) -> None:
    listener = f"ada {next(names)}"
    query: dict[str, int] = {"limit": 200} if seed is None else {"limit": 200, "seed": seed}
    for genre, place, days_ago, played_ms in told:
        house.later(2)  # plays of one track that begin within a minute are one play told twice
        house.listen(listener, track(genre, place), days_ago=days_ago, played_ms=played_ms)
    before = {shelf: house.recommend(listener, shelf, **query)["items"] for shelf in SHELVES}
    cited = {cite["play_id"] for items in before.values() for item in items for cite in item["cites"]}
    for play_id in cited:
        without = f"{listener} without {play_id}"
        house.copy(listener, without)
        house.take_back(without, play_id)
        for shelf, items in before.items():
            after = scores(house.recommend(without, shelf, **query))
            for item in items:
                if play_id in {cite["play_id"] for cite in item["cites"]}:
                    assert after.get(item["track_id"], -1e9) < item["score"], (shelf, item)
