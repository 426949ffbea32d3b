from __future__ import annotations

from datetime import date

from tests.serving.house import House, artifact, track


def test_a_track_is_told_with_a_tag_and_not_told_again(house: House) -> None:
    first = house.client.get("/v1/tracks/t%3A1%2F2")
    assert first.json()["title"] == "Song 2"
    again = house.client.get("/v1/tracks/t%3A1%2F2", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = house.client.get("/v1/tracks/t%3A1%2F3", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_similar_tracks_are_of_the_genre_and_another_model_changes_the_tag(house: House) -> None:
    first = house.client.get("/v1/tracks/t%3A2%2F0/similar?limit=5")
    items = first.json()["items"]
    assert {item["track_id"][:4] for item in items} == {"t:2/"}
    assert track(2, 0) not in [item["track_id"] for item in items]
    house.publish(artifact(seed=3))
    tag = {"If-None-Match": first.headers["etag"]}
    assert house.client.get("/v1/tracks/t%3A2%2F0/similar?limit=5", headers=tag).status_code == 200


def test_before_the_first_model_nothing_is_similar_and_the_answer_says_so(bare_house: House) -> None:
    answer = bare_house.client.get("/v1/tracks/t%3A2%2F0/similar").json()
    assert (answer["items"], answer["reason"]) == ([], "No model is in use yet.")


def test_the_newest_chart_answers_unless_a_day_is_named(house: House) -> None:
    house.charts.add(date(2026, 5, 1), track(0, 1), track(0, 2))
    house.charts.add(date(2026, 5, 2), track(1, 1))
    house.charts.add(date(2026, 5, 2), track(3, 1), country="AT")
    newest = house.client.get("/v1/charts").json()
    assert (newest["day"], newest["entries"][0]["track_id"]) == ("2026-05-02", track(1, 1))
    earlier = house.client.get("/v1/charts", params={"day": "2026-05-01", "limit": 1}).json()
    assert [(entry["rank"], entry["title"]) for entry in earlier["entries"]] == [(1, "Song 1")]
    austria = house.client.get("/v1/charts", params={"country": "AT"}).json()
    assert austria["entries"][0]["artist"] == "Band 3"
    assert house.client.get("/v1/charts", params={"day": "2020-01-01"}).json()["entries"] == []
