"""Shelves of a model in two stages: source, reason and citations of each item, and what is logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.ranking.candidates import SOURCES, Depth
from models.ranking.training import fit_two_stage
from models.ranking.two_stage import TwoStage
from tests.models.ranking.listening import CONFIG, listening
from tests.serving.house import House, artifact, track


@pytest.fixture(scope="module")
def model() -> TwoStage:
    """Four albums of ten tracks, which are the genres of the house."""
    return fit_two_stage(listening(), CONFIG)


@pytest.fixture
def ranked_house(tmp_path: Path, model: TwoStage) -> Iterator[House]:
    with House(tmp_path) as made:
        made.publish(replace(artifact(), two_stage=model))
        yield made


def test_next_begins_with_the_next_track_of_the_album_and_says_who_proposed_each(ranked_house: House) -> None:
    ranked_house.listen("ada", track(3, 0), track(3, 1), track(3, 2))
    items = ranked_house.recommend("ada", "next", limit=10)["items"]
    assert track(3, 3) in [item["track_id"] for item in items[:2]]
    assert {item["source"] for item in items} <= set(SOURCES)
    assert all(item["reason"] for item in items)
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)


def test_discover_holds_nothing_that_was_touched(ranked_house: House) -> None:
    heard = [track(1, place) for place in range(4)]
    ranked_house.listen("ada", *heard)
    items = ranked_house.recommend("ada", limit=10)["items"]
    assert len(items) == 10
    assert not set(heard) & {item["track_id"] for item in items}


@pytest.mark.parametrize("shelf", ["discover", "next"])
def test_a_cited_play_taken_back_lowers_the_score_or_the_item_is_gone(ranked_house: House, shelf: str) -> None:
    ranked_house.listen("ada", track(2, 0), track(0, 4), days_ago=3)
    ranked_house.listen("ada", track(2, 1), track(2, 2))
    before = ranked_house.recommend("ada", shelf, limit=8)["items"]
    checked = 0
    for item in before:
        for cite in item["cites"]:
            clone = f"{item['slot']}-{cite['play_id'][:12]}"
            ranked_house.copy("ada", clone)
            ranked_house.take_back(clone, cite["play_id"])
            after = {one["track_id"]: one["score"] for one in ranked_house.recommend(clone, shelf, limit=40)["items"]}
            assert after.get(item["track_id"], float("-inf")) < item["score"]
            checked += 1
    assert checked


@pytest.mark.parametrize("shelf", ["discover", "next"])
def test_what_an_item_cites_does_not_depend_on_how_many_are_asked_for(ranked_house: House, shelf: str) -> None:
    for days_ago in (9, 6, 3):
        ranked_house.listen("ada", *(track(days_ago % 4, place) for place in range(3)), days_ago=days_ago)
    ranked_house.listen("ada", track(2, 4), track(2, 5))
    told = [
        {
            item["track_id"]: (item["reason"], item["cites"])
            for item in ranked_house.recommend("ada", shelf, limit=limit)["items"]
        }
        for limit in (1, 2, 5, 12, 30)
    ]
    assert any(cites for _, cites in told[-1].values())
    for some in told:
        assert some == {name: told[-1][name] for name in some}


@pytest.mark.parametrize("shelf", ["discover", "next"])
def test_a_reason_says_so_where_no_single_play_is_cited(ranked_house: House, shelf: str) -> None:
    ranked_house.listen("ada", track(3, 5))
    items = ranked_house.recommend("ada", shelf, limit=39)["items"]
    none = ("no play of yours", "no single play of yours", "none of your plays")
    for item in items:
        assert bool(item["cites"]) != any(words in item["reason"].lower() for words in none)
    assert {"sessions", "near", "als", "popularity"} <= {item["source"] for item in items if not item["cites"]}


def test_one_listener_alone_is_not_told_of_others(ranked_house: House) -> None:
    ranked_house.listen("ada", track(2, 0), track(2, 1))
    for shelf in ("discover", "next"):
        for item in ranked_house.recommend("ada", shelf, limit=30)["items"]:
            assert "others" not in item["reason"]
            assert "many" not in item["reason"]


def test_what_was_shown_is_logged_with_its_sources_and_propensities(ranked_house: House) -> None:
    ranked_house.listen("ada", track(1, 0), track(1, 1))
    answer = ranked_house.recommend("ada", "next", limit=5)
    ranked_house.api.services.impressions.flush()
    (shown,) = ranked_house.impressions()
    assert shown.sources == [item["source"] for item in answer["items"]]
    assert shown.propensities == [1.0] * 5


@pytest.mark.parametrize("shelf", ["discover", "next", "on-repeat", "popular"])
def test_a_list_that_explores_is_drawn_and_logs_how_likely_each_slot_was(ranked_house: House, shelf: str) -> None:
    ranked_house.listen("ada", *(track(1, place) for place in range(6)))
    lists = []
    for seed in (1, 1, 2, 3):
        answer = ranked_house.recommend("ada", shelf, limit=4, explore=2.0, seed=seed)
        lists.append([item["track_id"] for item in answer["items"]])
    assert lists[0] == lists[1]
    assert len({tuple(one) for one in lists}) > 1
    ranked_house.api.services.impressions.flush()
    for shown in ranked_house.impressions():
        assert shown.propensities is not None
        assert len(shown.propensities) == len(shown.track_ids)
        assert all(0 < chance < 1 for chance in shown.propensities)


@pytest.mark.parametrize(("shelf", "left"), [("discover", 36), ("next", 39)])
def test_a_long_list_has_all_that_its_pages_have_though_sources_propose_few_at_a_time(
    tmp_path: Path, model: TwoStage, shelf: str, left: int
) -> None:
    shallow = replace(model, config=replace(model.config, depth=Depth(*[2] * len(SOURCES))))
    with House(tmp_path) as house:
        house.publish(replace(artifact(), two_stage=shallow))
        house.listen("ada", *(track(2, place) for place in range(4)))
        whole = house.recommend("ada", shelf, limit=40)
        page = house.recommend("ada", shelf, limit=5)
        paged = page["items"]
        while page["next_cursor"]:
            page = house.recommend("ada", shelf, limit=5, cursor=page["next_cursor"])
            paged += page["items"]
    assert len(whole["items"]) == len(paged) == left
    assert len({item["track_id"] for item in paged}) == left
    scores = {item["track_id"]: item["score"] for item in paged}
    assert {item["track_id"]: item["score"] for item in whole["items"]} == scores
    assert all(item["reason"] for item in whole["items"])
    assert whole["next_cursor"] is None


def test_a_stranger_gets_what_many_play(ranked_house: House) -> None:
    items = ranked_house.recommend("nobody", limit=3)["items"]
    assert {item["source"] for item in items} == {"popularity"}


def test_pages_never_repeat_a_track(ranked_house: House) -> None:
    ranked_house.listen("ada", track(1, 0))
    first = ranked_house.recommend("ada", limit=8)
    second = ranked_house.recommend("ada", limit=8, cursor=first["next_cursor"])
    ids = [item["track_id"] for item in first["items"] + second["items"]]
    assert len(set(ids)) == len(ids) == 16
