from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest

from models.als import AlsModel
from models.artifact import Artifact
from serving.service.cursors import PAGED_ITEMS
from tests.serving.house import EACH, TRACKS, House, artifact, track
from warehouse.rules.decay import TASTE_ENTRIES


def ids(answer: Any) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def test_discover_recommends_unheard_tracks_of_the_genre_that_was_played(house: House) -> None:
    house.listen("ada", track(1, 0), track(1, 1), track(1, 0))
    answer = house.recommend("ada", limit=2)
    assert len(answer["items"]) == 2
    assert {name[:4] for name in ids(answer)} == {"t:1/"}
    assert not {track(1, 0), track(1, 1)} & set(ids(answer))


def test_an_item_names_its_track_its_model_its_slot_and_the_play_that_it_cites(house: House) -> None:
    (play_id,) = house.listen("ada", track(2, 3))
    answer = house.recommend("ada", limit=3)
    item = answer["items"][0]
    assert item["title"] == f"Song {item['track_id'].removeprefix('t:2/')}"
    assert item["artist"] == "Band 2"
    assert (item["source"], item["slot"]) == ("als", 0)
    assert item["model_version"] == answer["model_version"] == house.registry.published()
    assert item["impression_id"] == answer["impression_id"]
    assert [cite["play_id"] for cite in item["cites"]] == [play_id]
    assert item["reason"] == "Because you played Song 3 by Band 2, once, on 4 May 2026."


def test_a_reason_counts_the_plays_and_says_since_when(house: House) -> None:
    for days_ago in (400, 40, 4):
        house.listen("ada", track(2, 3), days_ago=days_ago)
    assert house.recommend("ada", limit=1)["items"][0]["reason"] == (
        "Because you played Song 3 by Band 2, 3 times since March 2025."
    )


def test_a_reason_from_a_taste_that_lost_its_oldest_days_counts_at_least(house: House) -> None:
    for days_ago in range(TASTE_ENTRIES // len(TRACKS)):
        house.listen("ada", *TRACKS, days_ago=days_ago)
    house.listen("ada", track(0, 0), days_ago=400)
    reason = house.recommend("ada", "on-repeat", limit=1)["items"][0]["reason"]
    assert reason == "You played it at least 50 times lately, counted since March 2026."


@pytest.mark.parametrize("shelf", ["discover", "weekly-discovery"])
def test_a_shelf_of_new_tracks_says_that_all_are_played(house: House, shelf: str) -> None:
    house.listen("ada", *TRACKS, days_ago=10)
    answer = house.recommend("ada", shelf, limit=5)
    assert answer["items"] == []
    assert answer["reason"].startswith("Everything that is known here you have played")


@pytest.mark.parametrize("shelf", ["on-repeat", "next", "popular"])
def test_a_shelf_that_has_shown_all_says_so(house: House, shelf: str) -> None:
    house.listen("ada", track(0, 0))
    answer = house.recommend("ada", shelf, exclude=",".join(TRACKS))
    assert (answer["items"], answer["reason"]) == (
        [],
        "Nothing is left to show here that you have not turned down or excluded.",
    )


@pytest.mark.parametrize("shelf", ["discover", "weekly-discovery"])
def test_for_tracks_that_nobody_taught_the_model_what_is_played_most_stands_in(house: House, shelf: str) -> None:
    house.publish(untaught(artifact(seed=1)))
    house.listen("ada", track(3, 0), track(3, 1), days_ago=10)
    answer = house.recommend("ada", shelf, limit=5)
    assert {(item["source"], item["score"]) for item in answer["items"]} == {("popularity", 0.0)}
    assert "what is played most" in answer["reason"]


def untaught(made: Artifact) -> Artifact:
    """The tracks of the last genre are in the catalog, and were played by nobody when the model was fitted."""
    vectors = made.als.vectors.copy()
    vectors[3 * EACH :] = 0.0
    return replace(made, als=AlsModel.from_vectors(vectors, made.als.config))


def test_on_repeat_is_the_heaviest_of_ones_own_tracks_and_cites_the_latest_play_of_each(house: House) -> None:
    house.listen("ada", track(0, 0), track(1, 1), days_ago=1)
    latest = house.listen("ada", track(1, 1))[0]
    first, second = house.recommend("ada", "on-repeat")["items"]
    assert (first["track_id"], second["track_id"]) == (track(1, 1), track(0, 0))
    assert first["source"] == "repeat"
    assert [cite["play_id"] for cite in first["cites"]] == [latest]
    assert first["reason"] == "You played it twice since May 2026."


def test_next_begins_with_what_followed_the_last_track_and_goes_on_with_als(house: House) -> None:
    house.listen("ada", track(3, 0), track(3, 4))
    items = house.recommend("ada", "next", limit=6)["items"]
    assert items[0]["track_id"] == track(3, 5)
    assert [item["source"] for item in items] == ["transitions"] + ["als"] * 5
    assert items[0]["reason"] == "Often played after Song 4 by Band 3, which you played last."
    assert track(3, 4) not in [item["track_id"] for item in items]
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)


def test_next_cites_the_current_play_even_where_it_is_too_short_to_count(house: House) -> None:
    house.listen("ada", track(3, 0))
    house.later()
    (current,) = house.listen("ada", track(1, 4), played_ms=5_000)
    first = house.recommend("ada", "next", limit=1)["items"][0]
    assert first["track_id"] == track(1, 5)
    assert [cite["play_id"] for cite in first["cites"]] == [current]


def test_popular_cites_no_play_and_says_so(house: House) -> None:
    house.listen("ada", track(0, 0))
    items = house.recommend("ada", "popular", limit=3)["items"]
    assert [item["track_id"] for item in items] == [track(0, 0), track(0, 1), track(0, 2)]
    assert all(item["cites"] == [] and "no play of yours" in item["reason"] for item in items)


@pytest.mark.parametrize("shelf", ["discover", "on-repeat", "next", "popular"])
def test_a_listener_nobody_has_told_of_gets_what_many_play_on_every_shelf(house: House, shelf: str) -> None:
    answer = house.recommend("nobody", shelf, limit=4)
    assert len(answer["items"]) == 4
    assert {item["source"] for item in answer["items"]} == {"popularity"}
    assert (answer["reason"] is None) == (shelf == "popular")


def test_what_stands_in_for_discover_leaves_out_what_was_skipped(house: House) -> None:
    house.listen("ada", track(0, 0), played_ms=3_000, ended_by="skip")
    assert ids(house.recommend("ada", limit=2)) == [track(0, 1), track(0, 2)]


def test_before_the_first_model_the_newest_chart_answers(bare_house: House) -> None:
    bare_house.charts.add(date(2026, 5, 1), track(0, 9))
    bare_house.charts.add(date(2026, 5, 2), track(2, 2), track(1, 1))
    answer = bare_house.recommend("ada")
    assert ids(answer) == [track(2, 2), track(1, 1)]
    assert {item["source"] for item in answer["items"]} == {"charts"}
    assert answer["model_version"] is None
    assert answer["reason"] == "No model is in use yet, so this is the newest chart."


def test_before_the_first_model_and_chart_the_answer_is_empty_and_says_why(bare_house: House) -> None:
    answer = bare_house.recommend("ada")
    assert answer["items"] == []
    assert answer["reason"] == "No model is in use yet, and there is no chart to stand in."


def test_before_the_first_model_and_chart_what_was_played_most_in_the_last_day_answers(bare_house: House) -> None:
    bare_house.listen("bob", track(1, 3), track(1, 4))
    bare_house.listen("cyd", track(1, 4))
    bare_house.signal("ada", track(1, 3), "dislike")
    answer = bare_house.recommend("ada")
    assert answer["reason"].startswith("No model is in use yet and no chart made")
    (item,) = answer["items"]
    assert (item["track_id"], item["score"], item["source"], item["cites"]) == (track(1, 4), 2.0, "trending", [])
    assert (
        item["reason"]
        == "Number 1 of what everybody played in the last day, you included; no play of yours alone brought it."
    )


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("shelf", ["discover", "on-repeat", "next", "popular"])
def test_pages_never_repeat_a_track_though_plays_come_between_them(house: House, shelf: str, seed: int | None) -> None:
    house.listen("ada", *(track(place % 4, place) for place in range(9)))
    seen: list[str] = []
    query = {"limit": 4} if seed is None else {"limit": 4, "seed": seed}
    answer = house.recommend("ada", shelf, **query)
    for _ in range(20):
        seen += ids(answer)
        if answer["next_cursor"] is None:
            break
        house.later(5)
        house.listen("ada", track(0, 5))
        answer = house.recommend("ada", shelf, cursor=answer["next_cursor"], **query)
    assert answer["next_cursor"] is None
    assert len(seen) == len(set(seen)) > 8


def test_pages_are_the_one_long_list_cut_up(house: House) -> None:
    house.listen("ada", track(1, 0), track(2, 0))
    whole = ids(house.recommend("ada", limit=38))
    first = house.recommend("ada", limit=20)
    assert ids(first) + ids(house.recommend("ada", limit=18, cursor=first["next_cursor"])) == whole


def test_a_cursor_of_an_earlier_model_is_gone(house: House) -> None:
    cursor = house.recommend("ada", "popular", limit=2)["next_cursor"]
    house.publish(artifact(seed=1))
    answer = house.client.get(
        "/v1/listeners/ada/recommendations", params={"shelf": "popular", "limit": 2, "cursor": cursor}
    )
    assert answer.status_code == 410
    assert answer.json()["type"] == "/docs#problem-stale-cursor"


@pytest.mark.parametrize("other", [{"listener": "bob"}, {"shelf": "discover"}, {"seed": 4}])
def test_a_cursor_answers_only_the_question_that_it_was_given_for(house: House, other: dict[str, Any]) -> None:
    cursor = house.recommend("ada", "popular", limit=2)["next_cursor"]
    listener = other.pop("listener", "ada")
    params = {"shelf": "popular", "cursor": cursor, **other}
    answer = house.client.get(f"/v1/listeners/{listener}/recommendations", params=params)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize("cursor", ["!", "AAAA", "%00", "k" * 9_000])
def test_a_cursor_that_nobody_gave_is_a_bad_request(house: House, cursor: str) -> None:
    answer = house.client.get("/v1/listeners/ada/recommendations", params={"cursor": cursor})
    assert answer.status_code == 400


def test_a_seed_varies_the_order_the_same_way_each_time_and_never_the_scores(house: House) -> None:
    house.listen("ada", track(1, 0), track(2, 0))
    plain = house.recommend("ada", limit=10)
    seeded = [house.recommend("ada", limit=10, seed=seed) for seed in (3, 3, 4)]
    assert ids(seeded[0]) == ids(seeded[1]) != ids(seeded[2])
    scores = {item["track_id"]: item["score"] for item in plain["items"]}
    assert all(scores.get(item["track_id"], item["score"]) == item["score"] for item in seeded[0]["items"])


def test_excluded_tracks_are_left_out_repeated_or_by_commas(house: House) -> None:
    house.listen("ada", track(1, 0))
    best = ids(house.recommend("ada", "next", limit=4))
    answer = house.client.get(
        "/v1/listeners/ada/recommendations",
        params={"shelf": "next", "limit": 4, "exclude": [f"{best[0]},{best[1]}", best[2], "never:heard-of"]},
    ).json()
    assert not set(best[:3]) & set(ids(answer))
    assert ids(answer)[0] == best[3]


def test_many_listeners_are_answered_in_their_order(house: House) -> None:
    house.listen("ada", track(1, 0))
    house.listen("bob", track(2, 0))
    body = {"listener_ids": ["bob", "nobody", "ada"], "limit": 2, "exclude": [track(2, 1)]}
    answers = house.client.post("/v1/recommendations", json=body).json()["answers"]
    assert [answer["listener_id"] for answer in answers] == ["bob", "nobody", "ada"]
    assert {name[:4] for name in ids(answers[0])} == {"t:2/"}
    assert track(2, 1) not in ids(answers[0])
    assert {name[:4] for name in ids(answers[2])} == {"t:1/"}


def test_a_track_told_by_another_of_its_names_is_the_catalogs(house: House) -> None:
    house.name(track(1, 0), "spotify:abc")
    house.listen("ada", "spotify:abc")
    answer = house.recommend("ada", limit=9)
    assert track(1, 0) not in ids(answer)
    assert answer["items"][0]["cites"][0]["track_id"] == track(1, 0)
    assert ids(house.recommend("ada", "on-repeat")) == [track(1, 0)]


@pytest.mark.parametrize("gaps", [[99_999], [2**62, 2**62], [0] * PAGED_ITEMS, [3, -1], [0] * 39 + [40]])
def test_a_cursor_to_places_that_were_never_shown_is_a_bad_request(house: House, gaps: list[int]) -> None:
    version = house.registry.published()
    made = urlsafe_b64encode(msgspec.msgpack.encode(["ada", "popular", None, version, gaps])).rstrip(b"=").decode()
    answer = house.client.get("/v1/listeners/ada/recommendations", params={"shelf": "popular", "cursor": made})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "cursor"


def test_a_track_is_excluded_by_any_of_its_names(house: House) -> None:
    house.name(track(0, 0), "spotify:abc")
    assert ids(house.recommend("ada", "popular", limit=1, exclude="spotify:abc")) == [track(0, 1)]


def test_before_the_first_model_a_track_is_excluded_by_any_of_its_names(bare_house: House) -> None:
    bare_house.charts.add(date(2026, 5, 2), track(2, 2), track(1, 1))
    bare_house.name(track(2, 2), "spotify:abc")
    assert ids(bare_house.recommend("ada", exclude="spotify:abc")) == [track(1, 1)]
    bare_house.signal("ada", "spotify:abc", "dislike")
    assert ids(bare_house.recommend("ada")) == [track(1, 1)]
    bare_house.signal("ada", track(2, 2), "like")
    assert ids(bare_house.recommend("ada")) == [track(2, 2), track(1, 1)]


def test_the_last_word_on_a_track_holds_whichever_of_its_names_it_was_said_of(house: House) -> None:
    house.name(track(0, 0), "spotify:abc")
    house.signal("ada", "spotify:abc", "dislike")
    assert track(0, 0) not in ids(house.recommend("ada", "popular"))
    house.signal("ada", track(0, 0), "like")
    assert track(0, 0) in ids(house.recommend("ada", "popular"))
    house.signal("ada", "spotify:abc", "do_not_recommend")
    assert track(0, 0) not in ids(house.recommend("ada", "popular"))
