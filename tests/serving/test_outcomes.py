from __future__ import annotations

from pathlib import Path
from typing import Any

from serving.tokens import sign
from tests.serving.house import SECRET, House, track
from warehouse.outcomes import RECENT_IMPRESSIONS


def outcomes(house: House, listener: str = "ada", **query: Any) -> Any:
    house.api.services.impressions.flush()
    answer = house.client.get(f"/v1/listeners/{listener}/outcomes", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["impressions"]


def by_slot(impression: Any) -> list[tuple[str, str | None]]:
    return [(slot["outcome"], slot["play_id"]) for slot in impression["slots"]]


def test_what_was_shown_is_told_with_what_became_of_it(house: House) -> None:
    shown = house.recommend("ada", "popular", limit=3)
    first, second, _ = shown["items"]
    house.later()
    of_it = {"impression_id": shown["impression_id"]}
    [heard] = house.listen("ada", first["track_id"], **of_it, slot=0)
    house.later()
    [skipped] = house.listen("ada", second["track_id"], **of_it, slot=1, played_ms=5_000, ended_by="skip")
    house.listen("ada", track(3, 3), **of_it)  # was not shown: organic
    (found,) = outcomes(house)
    assert by_slot(found) == [("played", heard), ("skipped", skipped), ("open", None)]
    assert (found["impression_id"], found["shelf"], found["model_version"]) == (
        shown["impression_id"],
        "popular",
        shown["model_version"],
    )
    played = found["slots"][0]
    assert (played["slot"], played["track_id"], played["title"], played["artist"], played["source"]) == (
        *(0, first["track_id"], first["title"], first["artist"]),
        "popularity",
    )
    assert played["played_ms"] == 180_000


def test_what_nobody_played_for_a_day_is_ignored(house: House) -> None:
    house.recommend("ada", "popular", limit=2)
    outcomes(house)
    house.later(24 * 60 - 1)
    assert by_slot(outcomes(house)[0]) == [("open", None)] * 2
    house.later(1)
    assert by_slot(outcomes(house)[0]) == [("ignored", None)] * 2


def test_a_play_by_another_name_of_the_track_is_of_its_slot(house: House) -> None:
    shown = house.recommend("ada", "popular", limit=1)
    house.name(shown["items"][0]["track_id"], "spotify:1")
    [heard] = house.listen("ada", "spotify:1", impression_id=shown["impression_id"])
    assert by_slot(outcomes(house)[0]) == [("played", heard)]


def test_a_play_taken_back_and_a_listener_forgotten_leave_no_outcome(house: House) -> None:
    shown = house.recommend("ada", "popular", limit=1)
    [heard] = house.listen("ada", shown["items"][0]["track_id"], impression_id=shown["impression_id"])
    assert by_slot(outcomes(house)[0]) == [("played", heard)]
    house.take_back("ada", heard)
    assert by_slot(outcomes(house)[0]) == [("open", None)]
    assert house.client.delete("/v1/listeners/ada").status_code == 202
    assert outcomes(house) == []


def test_the_newest_answers_come_first_and_as_many_as_asked(house: House) -> None:
    shown = []
    for _ in range(RECENT_IMPRESSIONS + 2):
        shown.append(house.recommend("ada", "popular", limit=1)["impression_id"])
        house.later(1)
    newest = [found["impression_id"] for found in outcomes(house)]
    assert newest == shown[:1:-1]
    assert [found["impression_id"] for found in outcomes(house, limit=2)] == newest[:2]
    assert house.client.get("/v1/listeners/ada/outcomes?limit=21").status_code == 400


def test_a_listener_who_was_shown_nothing_has_no_outcomes(house: House) -> None:
    assert outcomes(house, "nobody") == []


def test_outcomes_are_the_listeners_own(tmp_path: Path) -> None:
    with House(tmp_path, secret=SECRET) as house:
        token = sign("ada", SECRET, now_ms=house.now_ms, seconds=60)
        mine = {"Authorization": f"Bearer {token}"}
        assert house.client.get("/v1/listeners/ada/outcomes").status_code == 401
        assert house.client.get("/v1/listeners/bob/outcomes", headers=mine).status_code == 403
        assert house.client.get("/v1/listeners/ada/outcomes", headers=mine).status_code == 200
        assert house.client.get("/v1/trending").status_code == 200  # is of nobody


def test_an_impression_says_how_likely_each_of_its_slots_was(house: House) -> None:
    house.recommend("ada", "popular", limit=3)
    house.recommend("bob", "popular", limit=3, seed=7)
    house.api.services.impressions.flush()
    logged = {shown.listener_id: shown.propensities for shown in house.impressions()}
    assert logged == {"ada": [1.0, 1.0, 1.0], "bob": None}
