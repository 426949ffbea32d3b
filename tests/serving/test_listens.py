from __future__ import annotations

from typing import Any

import pytest

from serving.service.telling import MAX_LISTENS
from tests.serving.house import NOW_MS, House, track
from warehouse.events import PLAYS, Play
from warehouse.rules.plays import LONGEST_PLAY_MS, MIN_STARTED_MS
from warehouse.stores.log import LogUnavailable

DEEP = b'{"listens": ' + b"[" * 50_000


def listen(**changes: Any) -> dict[str, Any]:
    return {"listener_id": "ada", "track_id": track(1, 0), "started_ms": NOW_MS - 600_000, **changes}


def logged(house: House) -> list[Play]:
    records = (record for partition in range(PLAYS.partitions) for record in house.log.read(PLAYS, partition))
    return [event for record in records for event in record.events if isinstance(event, Play)]


def test_a_play_is_on_the_log_with_all_that_was_told_when_it_is_accepted(house: House) -> None:
    told = listen(
        play_id="p:1", played_ms=200_000, track_ms=210_000, context="album:x", impression_id="i", slot=3, country="AT"
    )
    answer = house.client.post("/v1/listens", json={"listens": [told]})
    assert (answer.status_code, answer.json()) == (202, {"play_ids": ["p:1"]})
    assert logged(house) == [Play(**told, source="backbeat", received_ms=house.now_ms)]


def test_a_retry_without_ids_names_the_same_plays_and_counts_once(house: House) -> None:
    body = {"listens": [listen(played_ms=200_000), listen(track_id=track(1, 5), played_ms=200_000)]}
    first, again = (house.client.post("/v1/listens", json=body).json() for _ in range(2))
    assert first == again
    tracks = house.client.get("/v1/listeners/ada/taste").json()["tracks"]
    assert [found["plays"] for found in tracks] == [1, 1]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (listen(started_ms=-1), "/listens/1/started_ms"),
        (listen(started_ms=NOW_MS + 601_000), "/listens/1/started_ms"),
        (listen(started_ms=1_700_000_000), "/listens/1/started_ms"),
        (listen(started_ms=MIN_STARTED_MS - 1), "/listens/1/started_ms"),
        (listen(played_ms=9 * 10**15), "/listens/1/played_ms"),
        (listen(played_ms=LONGEST_PLAY_MS + 1), "/listens/1/played_ms"),
        (listen(track_ms=LONGEST_PLAY_MS + 1), "/listens/1/track_ms"),
        (listen(listener_id=""), "/listens/1/listener_id"),
        (listen(track_id="x" * 257), "/listens/1/track_id"),
        (listen(track_id="a\u0007b"), "/listens/1/track_id"),
        (listen(track_id="a\n"), "/listens/1/track_id"),
        (listen(country="AT\n"), "/listens/1/country"),
        (listen(country="at"), "/listens/1/country"),
        (listen(played_ms="long"), "/listens/1/played_ms"),
        (listen(plaid_ms=5), "/listens/1"),
        ({"listener_id": "ada"}, "/listens/1"),
        ("a play", "/listens/1"),
    ],
)
def test_one_wrong_play_is_pointed_at_and_none_is_accepted(house: House, wrong: object, pointer: str) -> None:
    answer = house.client.post("/v1/listens", json={"listens": [listen(), wrong, listen(started_ms=MIN_STARTED_MS)]})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert logged(house) == []


def test_every_wrong_play_of_a_body_is_named(house: House) -> None:
    body = {"listens": [listen(slot=-1), listen(), listen(started_ms=NOW_MS * 2), listen(device=5)]}
    errors = house.client.post("/v1/listens", json=body).json()["errors"]
    assert [error["pointer"] for error in errors] == ["/listens/0/slot", "/listens/2/started_ms", "/listens/3/device"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"listens": []}', b"[]", b'{"listens": 3}', b"\xff\xfe", DEEP])
def test_a_body_that_holds_no_plays_is_a_bad_request(house: House, body: bytes) -> None:
    answer = house.client.post("/v1/listens", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] in ("", "/listens")


def test_a_thousand_plays_are_taken_and_one_more_is_not(house: House) -> None:
    listens = [listen(started_ms=NOW_MS - 120_000 * at) for at in range(MAX_LISTENS + 1)]
    assert house.client.post("/v1/listens", json={"listens": listens}).status_code == 400
    answer = house.client.post("/v1/listens", json={"listens": listens[:MAX_LISTENS]})
    assert len(set(answer.json()["play_ids"])) == MAX_LISTENS


def test_a_log_that_is_away_is_a_503_that_says_when_to_come_back(house: House) -> None:
    house.stream_fault = LogUnavailable("SQLite file log.db: disk I/O error")
    answer = house.client.post("/v1/listens", json={"listens": [listen()]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "/docs#problem-log-unavailable"
    assert house.client.get("/readyz").status_code == 503
    house.stream_fault = None
    assert house.client.get("/readyz").status_code == 200  # it looks again: nobody else might
    assert house.client.post("/v1/listens", json={"listens": [listen()]}).status_code == 202


@pytest.mark.parametrize(
    "wrong", [{"kind": "adore"}, {"kind": "rate"}, {"kind": "like", "rating": 3}, {"kind": "rate", "rating": 6}]
)
def test_a_signal_that_means_nothing_is_a_bad_request(house: House, wrong: dict[str, Any]) -> None:
    answer = house.client.post("/v1/signals", json={"listener_id": "ada", "track_id": "t", **wrong})
    assert answer.status_code == 400


def test_plays_are_paged_newest_first_and_each_once(house: House) -> None:
    told = house.listen("ada", *(track(0, place) for place in range(7)))
    pages, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = house.client.get("/v1/listeners/ada/plays", params=query).json()
        pages.append([play["play_id"] for play in page["plays"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [told[:-4:-1], told[-4:-7:-1], told[:1]]


def test_what_was_shown_is_logged_beside_the_answers(house: House) -> None:
    answer = house.recommend("ada", "popular", limit=3)
    house.api.services.impressions.flush()
    (shown,) = house.impressions()
    assert shown.impression_id == answer["impression_id"]
    assert shown.track_ids == [item["track_id"] for item in answer["items"]]
    assert (shown.shelf, shown.sources) == ("popular", ["popularity"] * 3)


def test_a_log_that_is_away_is_reported_before_anybody_is_refused(house: House) -> None:
    assert house.client.get("/readyz").json()["problems"] == []
    house.log.close()
    answer = house.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert "log.db" in answer.json()["problems"][0]


def test_a_start_in_seconds_is_told_what_it_would_be_in_milliseconds(house: House) -> None:
    answer = house.client.post("/v1/listens", json={"listens": [listen(started_ms=1_700_000_000)]})
    assert answer.json()["detail"] == (
        "started_ms is 1700000000; wanted UTC milliseconds, 946684800000 (2000-01-01) or later; "
        "these look like seconds, which would be 1700000000000"
    )
