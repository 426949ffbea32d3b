"""How a list is put together: how many tracks of an artist, how unlike each other, and what is logged of chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.ranking.training import fit_two_stage
from models.ranking.two_stage import TwoStage
from tests.models.ranking.listening import CONFIG, listening
from tests.serving.house import House, artifact, track


@pytest.fixture(scope="module")
def model() -> TwoStage:
    """Four albums of ten tracks, which are the genres of the house, each by a band."""
    return fit_two_stage(listening(), CONFIG)


@pytest.fixture(params=["one stage", "two stages"])
def either_house(tmp_path: Path, model: TwoStage, request: pytest.FixtureRequest) -> Iterator[House]:
    with House(tmp_path) as made:
        made.publish(replace(artifact(), two_stage=model) if request.param == "two stages" else artifact())
        yield made


def ids(answer: Any) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def bands(items: list[Any]) -> Counter[str]:
    return Counter(item["artist"] for item in items)


def directions() -> np.ndarray:
    vectors = artifact().als.vectors
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def alike(answer: Any) -> float:
    """The mean cosine between the tracks of an answer, as ALS of the house sees them."""
    at = [10 * int(name[2]) + int(name[4:]) for name in ids(answer)]
    cosines = directions()[at] @ directions()[at].T
    return float(cosines[~np.eye(len(at), dtype=bool)].mean())


def heard(house: House) -> None:
    house.listen("ada", track(1, 0), track(2, 0), track(1, 3))


@pytest.mark.parametrize("seed", [None, 5])
def test_discover_has_two_tracks_of_an_artist_in_its_first_eight_of_four_bands(
    either_house: House, seed: int | None
) -> None:
    heard(either_house)
    more: dict[str, Any] = {} if seed is None else {"seed": seed}
    items = either_house.recommend("ada", limit=8, **more)["items"]
    assert set(bands(items).values()) == {2}
    assert all(item["score"] and item["reason"] for item in items)


def test_a_shelf_of_few_artists_is_as_long_as_it_was_and_holds_the_same_tracks(either_house: House) -> None:
    heard(either_house)
    whole = ids(either_house.recommend("ada", limit=37))
    assert len(whole) == len(set(whole)) == 37


def test_pages_together_have_no_more_of_an_artist_than_one_list(either_house: House) -> None:
    heard(either_house)
    first = either_house.recommend("ada", limit=4)
    second = either_house.recommend("ada", limit=4, cursor=first["next_cursor"])
    assert set(bands(first["items"] + second["items"]).values()) == {2}


def test_next_plays_an_album_through(either_house: House) -> None:
    either_house.listen("ada", track(3, 0), track(3, 1), track(3, 2))
    assert max(bands(either_house.recommend("ada", "next", limit=8)["items"]).values()) > 2


@pytest.mark.parametrize("limit", [4, 8, 20])
def test_a_drawn_list_keeps_to_the_cap_and_logs_exact_chances(either_house: House, limit: int) -> None:
    heard(either_house)
    for seed in range(4):
        answer = either_house.recommend("ada", limit=limit, explore=3.0, seed=seed)
        assert len(answer["items"]) == limit
        assert limit > 8 or max(bands(answer["items"]).values()) <= 2
    either_house.api.services.impressions.flush()
    for shown in either_house.impressions():
        assert shown.propensities is not None
        assert all(0 < chance <= 1 for chance in shown.propensities)
        assert (shown.propensities[-1] == 1.0) == (limit >= 8)  # of four bands, eight may be drawn, or what fills up


@pytest.mark.parametrize(("shelf", "limit"), [("discover", 2), ("next", 5), ("on-repeat", 5), ("popular", 5)])
def test_diversity_makes_a_list_less_alike_and_leaves_scores_as_they_are(
    either_house: House, shelf: str, limit: int
) -> None:
    either_house.listen("ada", *(track(genre, place) for genre in (1, 1, 1, 2, 3) for place in (0, 1, genre + 2)))
    plain = either_house.recommend("ada", shelf, limit=limit)
    varied = either_house.recommend("ada", shelf, limit=limit, diversity=0.9)
    assert len(varied["items"]) == len(plain["items"]) == limit
    assert alike(varied) <= alike(plain)
    scores = {item["track_id"]: item["score"] for item in plain["items"]}
    assert all(scores.get(item["track_id"], item["score"]) == item["score"] for item in varied["items"])
    assert ids(either_house.recommend("ada", shelf, limit=limit, diversity=0)) == ids(plain)
    assert varied["items"][0]["track_id"] == plain["items"][0]["track_id"]


def test_pages_of_a_diverse_list_never_repeat_a_track(either_house: House) -> None:
    heard(either_house)
    query = {"limit": 9, "diversity": 0.5, "seed": 3}
    first = either_house.recommend("ada", "next", **query)
    second = either_house.recommend("ada", "next", cursor=first["next_cursor"], **query)
    assert len({*ids(first), *ids(second)}) == 18


def test_a_list_that_is_drawn_may_be_diverse_too(either_house: House) -> None:
    heard(either_house)
    query = {"limit": 3, "diversity": 0.4, "explore": 1.5, "seed": 2}
    answers = [ids(either_house.recommend("ada", "next", **query)) for _ in range(2)]
    assert answers[0] == answers[1]
    either_house.api.services.impressions.flush()
    for shown in either_house.impressions():
        assert shown.propensities is not None
        assert all(0 < chance < 1 for chance in shown.propensities)


@pytest.mark.parametrize("explore", [0.001, 10])
@pytest.mark.parametrize("shelf", ["discover", "on-repeat", "next", "popular", "weekly-discovery"])
def test_the_coldest_and_the_hottest_list_log_chances_that_the_log_takes(
    either_house: House, shelf: str, explore: float
) -> None:
    heard(either_house)
    for who in ("ada", "nobody"):
        for limit in (1, 5, 40):
            either_house.recommend(who, shelf, limit=limit, explore=explore)
    either_house.api.services.impressions.flush()
    assert len(either_house.impressions()) == 6
    for shown in either_house.impressions():
        assert shown.propensities is not None
        assert all(0 < chance <= 1 for chance in shown.propensities)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("diversity", v) for v in ("-0.1", "1.1", "nan", "inf", "much")]
    + [("explore", v) for v in ("nan", "5e-324", "1e-308", "0.0009", "10.1")],
)
def test_what_is_no_share_is_a_bad_request_that_names_the_parameter(house: House, name: str, wrong: str) -> None:
    answer = house.client.get("/v1/listeners/ada/recommendations", params={name: wrong})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == name


def test_many_listeners_may_ask_for_diversity(house: House) -> None:
    house.listen("ada", track(1, 0), track(1, 1))
    body = {"listener_ids": ["ada"], "shelf": "next", "limit": 4, "diversity": 0.8}
    (varied,) = house.client.post("/v1/recommendations", json=body).json()["answers"]
    assert ids(varied) == ids(house.recommend("ada", "next", limit=4, diversity=0.8))
    refused = house.client.post("/v1/recommendations", json={**body, "diversity": 2})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "/diversity"
