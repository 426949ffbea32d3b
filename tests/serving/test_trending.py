from __future__ import annotations

from typing import Any

from serving.service.trending import LOOK_SECONDS, Trending
from tests.serving.house import NOW_MS, House, track
from warehouse.rules.quantity import HOUR_MS, MINUTE_MS
from warehouse.trending import LATE_HOURS

FIRST, SECOND, THIRD = track(0, 1), track(0, 2), track(0, 3)


def trending(house: House, **query: Any) -> Any:
    house.api.services.trending.forget()
    answer = house.client.get("/v1/trending", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def places(answer: Any) -> list[tuple[str, int]]:
    return [(entry["track_id"], entry["plays"]) for entry in answer["entries"]]


def heard(house: House, name: str, *listeners: str, hours_ago: int = 0, **more: Any) -> None:
    """A play of the track by each of them."""
    for listener in listeners:
        began_ms = house.now_ms - hours_ago * HOUR_MS - 4 * MINUTE_MS
        listen = {"listener_id": listener, "track_id": name, "started_ms": began_ms, "played_ms": 180_000, **more}
        assert house.client.post("/v1/listens", json={"listens": [listen]}).status_code == 202


def test_what_was_played_a_moment_ago_trends_whoever_played_it(house: House) -> None:
    heard(house, SECOND, "ada", "bob", "cyd", "dan", "eve")
    heard(house, FIRST, "ada", "bob")
    answer = trending(house)
    assert places(answer) == [(SECOND, 5), (FIRST, 2)]
    first = {"rank": 1, "track_id": SECOND, "title": "Song 2", "artist": "Band 0", "plays": 5, "plays_error": 0}
    assert answer["entries"][0] == first
    assert (answer["country"], answer["hours"], answer["plays"], answer["as_of_ms"]) == ("all", 24, 7, NOW_MS)


def test_a_country_has_trends_of_its_own(house: House) -> None:
    heard(house, FIRST, "ada", country="AT")
    heard(house, SECOND, "bob", country="SE")
    assert places(trending(house, country="AT")) == [(FIRST, 1)]
    assert places(trending(house)) == [(FIRST, 1), (SECOND, 1)]
    assert trending(house, country="NO")["entries"] == []


def test_a_window_reaches_back_as_many_whole_hours_as_asked(house: House) -> None:
    heard(house, FIRST, "ada")
    heard(house, SECOND, "ada", hours_ago=1)
    heard(house, THIRD, "ada", hours_ago=6)
    assert trending(house, hours=1)["since_ms"] == NOW_MS - HOUR_MS
    assert places(trending(house, hours=1)) == [(FIRST, 1)]  # at noon: what began at 11:56
    assert places(trending(house, hours=2)) == [(FIRST, 1), (SECOND, 1)]
    assert places(trending(house, hours=7)) == [(FIRST, 1), (SECOND, 1), (THIRD, 1)]


def test_what_is_told_days_late_does_not_trend(house: House) -> None:
    heard(house, FIRST, "ada", hours_ago=LATE_HOURS + 1)
    assert trending(house)["entries"] == []


def test_yesterdays_plays_trend_no_more(house: House) -> None:
    heard(house, FIRST, "ada")
    house.later(26 * 60)
    heard(house, SECOND, "ada")
    assert places(trending(house)) == [(SECOND, 1)]


def test_a_listen_sent_again_trends_once(house: House) -> None:
    for _ in range(3):
        heard(house, FIRST, "ada", play_id="p")
    assert places(trending(house)) == [(FIRST, 1)]


def test_names_of_one_track_trend_together(house: House) -> None:
    house.name(FIRST, "spotify:1")
    heard(house, "spotify:1", "ada")
    heard(house, FIRST, "bob")
    heard(house, "nobody's", "cyd")
    assert places(trending(house)) == [(FIRST, 2), ("nobody's", 1)]


def test_nobody_played_anything_yet(bare_house: House) -> None:
    answer = trending(bare_house, limit=5)
    assert (answer["entries"], answer["plays"], answer["as_of_ms"]) == ([], 0, None)


def test_an_answer_is_told_with_a_tag_and_not_told_again_until_it_changes(house: House) -> None:
    heard(house, FIRST, "ada")
    tag = house.client.get("/v1/trending").headers["etag"]
    assert house.client.get("/v1/trending", headers={"If-None-Match": tag}).status_code == 304
    heard(house, FIRST, "bob")
    trending(house)
    assert house.client.get("/v1/trending", headers={"If-None-Match": tag}).status_code == 200


def test_an_answer_is_kept_for_a_second(house: House) -> None:
    now = 0.0
    service = Trending(house.rows, house.api.services.cards, lambda: house.now_ms, seconds=lambda: now)
    assert service.answer("all", 24, 5).plays == 0
    heard(house, FIRST, "ada")
    assert service.answer("all", 24, 5).plays == 0
    now += LOOK_SECONDS
    assert service.answer("all", 24, 5).plays == 1


def test_wrong_hours_countries_and_limits_are_named(house: House) -> None:
    for query in ({"hours": 0}, {"hours": 25}, {"country": "at"}, {"limit": 101}):
        answer = house.client.get("/v1/trending", params=query)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["parameter"] == next(iter(query))
