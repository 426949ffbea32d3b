from __future__ import annotations

from tests.serving.house import House, track


def ids(answer: dict) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def test_discover_recommends_unheard_tracks_of_the_genre_that_was_played(house: House) -> None:
    house.listen("ada", track(1, 0), track(1, 1), track(1, 0))
    answer = house.recommend("ada", limit=5)
    assert len(answer["items"]) == 5
    assert {name[:4] for name in ids(answer)} == {"t:1/"}
    assert not {track(1, 0), track(1, 1)} & set(ids(answer))
