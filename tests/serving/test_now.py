"""What is playing, and the session so far."""

from __future__ import annotations

from typing import Any

from tests.serving.house import House, track
from warehouse.rules.quantity import MINUTE_MS


def now(house: House, listener: str = "ada") -> Any:
    answer = house.client.get(f"/v1/listeners/{listener}/now")
    assert answer.status_code == 200, answer.text
    return answer.json()


def begun(house: House, name: str, *, minutes_ago: float, played_ms: int | None = None, **more: Any) -> int:
    started_ms = house.now_ms - int(minutes_ago * MINUTE_MS)
    listen = {"listener_id": "ada", "track_id": name, "started_ms": started_ms, "played_ms": played_ms, **more}
    answer = house.client.post("/v1/listens", json={"listens": [listen]})
    assert answer.status_code == 202, answer.text
    return started_ms


def test_a_play_that_was_just_begun_is_on_for_the_length_of_its_track(house: House) -> None:
    started_ms = begun(house, track(1, 0), minutes_ago=1)
    playing = now(house)["playing"]
    assert (playing["track"]["track_id"], playing["track"]["title"]) == (track(1, 0), "Song 0")
    assert (playing["started_ms"], playing["until_ms"]) == (started_ms, started_ms + 3 * MINUTE_MS)
    house.later(2)
    assert now(house)["playing"] is None


def test_a_track_that_nobody_knows_is_on_for_ten_minutes(house: House) -> None:
    started_ms = begun(house, "nobody:knows", minutes_ago=1)
    assert now(house)["playing"]["until_ms"] == started_ms + 10 * MINUTE_MS


def test_a_session_goes_on_until_half_an_hour_of_silence(house: House) -> None:
    started_ms = begun(house, track(1, 0), minutes_ago=10, played_ms=180_000)
    begun(house, track(1, 1), minutes_ago=6, played_ms=180_000)
    begun(house, track(1, 2), minutes_ago=2, played_ms=1_000, ended_by="skip")
    session = now(house)["session"]
    assert (session["started_ms"], session["plays"], session["last"]["track_id"]) == (started_ms, 2, track(1, 1))
    house.later(27)
    assert now(house)["session"] is None


def test_of_a_listener_without_plays_there_is_nothing(house: House) -> None:
    assert now(house) == {"listener_id": "ada", "playing": None, "session": None}


def test_a_play_that_is_taken_back_is_not_on(house: House) -> None:
    (play_id,) = house.listen("ada", track(1, 0))
    house.take_back("ada", play_id)
    assert now(house) == {"listener_id": "ada", "playing": None, "session": None}
