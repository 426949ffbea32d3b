"""What a caller is told of a value or a parameter that cannot be meant, and what the documentation says of them."""

from __future__ import annotations

from typing import Any

import pytest

from serving.service.shelves import Shelf
from tests.serving.house import House
from warehouse.events import SignalKind


def fault(answer: Any) -> dict[str, str]:
    """The one thing that is wrong with the request."""
    assert answer.status_code == 400
    [found] = answer.json()["errors"]
    return dict(found)


@pytest.mark.parametrize(
    ("path", "parameter", "told"),
    [
        ("/v1/charts?country=Germany", "country", "wanted two capital letters of ISO 3166-1, such as SE, or all"),
        ("/v1/trending?country=se", "country", "wanted two capital letters of ISO 3166-1, such as SE, or all"),
        ("/v1/charts?day=yesterday", "day", "wanted a UTC day, such as 2026-06-30"),
        ("/v1/listeners/ada/recommendations?shelf=x", "shelf", f"wanted one of {', '.join(Shelf)}"),
        ("/v1/charts?land=SE", "land", "no such parameter; wanted country, day, limit"),
        ("/v1/listeners/ada/taste?listener_id=bob", "listener_id", "no such parameter; wanted limit"),
        ("/healthz?now=1", "now", "no such parameter; wanted none"),
    ],
)
def test_a_wrong_parameter_is_told_what_was_wanted(house: House, path: str, parameter: str, told: str) -> None:
    found = fault(house.client.get(path))
    assert found["parameter"] == parameter
    assert told in found["detail"]


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/v1/listeners/ada/recommendations?explore=nan", "explore: Expected `float` >= 0.001; found 'nan'"),
        ("/v1/listeners/ada/recommendations?limit=many", "limit: Expected `int`; found 'many'"),
        ("/v1/listeners/ada/taste?limit=0", "limit: Expected `int` >= 1; found '0'"),
        (
            f"/v1/listeners/ada/recommendations?shelf={'x' * 60}",
            f"shelf: wanted one of {', '.join(Shelf)}; found '{'x' * 40}'",
        ),
        ("/v1/charts?day=", "day: wanted a UTC day, such as 2026-06-30; found ''"),
        (
            f"/v1/charts?country=Germany%27{'y' * 60}",
            f'country: wanted two capital letters of ISO 3166-1, such as SE, or all; found "Germany\'{"y" * 32}"',
        ),
    ],
)
def test_a_wrong_parameter_is_told_what_was_found_shortened(house: House, path: str, detail: str) -> None:
    assert fault(house.client.get(path))["detail"] == detail


@pytest.mark.parametrize(
    ("path", "parameter", "told"),
    [
        ("/v1/listeners/ada/recommendations?limit=2&limit=3", "limit", "limit: came 2 times; wanted once"),
        ("/v1/listeners/ada/recommendations?seed=1&seed=1&seed=1", "seed", "seed: came 3 times; wanted once"),
        ("/v1/charts?country=SE&limit=3&country=SE", "country", "country: came 2 times; wanted once"),
        ("/v1/listeners/ada/plays?cursor=&cursor=", "cursor", "cursor: came 2 times; wanted once"),
    ],
)
def test_a_parameter_of_one_value_that_comes_again_is_refused(
    house: House, path: str, parameter: str, told: str
) -> None:
    assert fault(house.client.get(path)) == {"parameter": parameter, "detail": told}


def test_tracks_to_leave_out_may_come_again(house: House) -> None:
    path = "/v1/listeners/ada/recommendations?shelf=popular&exclude=t:0/0&exclude=t:0/1&limit=1"
    (item,) = house.client.get(path).json()["items"]
    assert item["track_id"] == "t:0/2"


def test_every_unknown_parameter_is_named(house: House) -> None:
    answer = house.client.get("/v1/charts?limit=3&one=1&two=2")
    assert [found["parameter"] for found in answer.json()["errors"]] == ["one", "two"]
    more = house.client.get("/v1/charts?limit=3&one=1&limit=2&one=2")
    assert [found["parameter"] for found in more.json()["errors"]] == ["one", "limit"]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/signals", {"listener_id": "a", "track_id": "t", "kind": "love"}, SignalKind),
        ("/v1/recommendations", {"listener_ids": ["a"], "shelf": "x"}, Shelf),
    ],
)
def test_a_wrong_choice_in_a_body_is_told_the_choices(house: House, path: str, body: Any, told: Any) -> None:
    assert f"wanted one of {', '.join(told)}" in fault(house.client.post(path, json=body))["detail"]


def test_a_control_character_in_a_body_is_told_in_words(house: House) -> None:
    found = fault(house.client.post("/v1/signals", json={"listener_id": "a\n", "track_id": "t", "kind": "like"}))
    assert found["pointer"] == "/listener_id"
    assert found["detail"] == "wanted characters of which none is a control character, such as a line break"


def test_the_examples_of_bodies_are_accepted(house: House) -> None:
    paths = house.client.get("/openapi.json").json()["paths"]
    posts = {path: operations["post"] for path, operations in paths.items() if "post" in operations}
    assert set(posts) == {"/v1/listens", "/v1/signals", "/v1/recommendations"}
    for path, post in posts.items():
        example = post["requestBody"]["content"]["application/json"]["example"]
        assert house.client.post(path, json=example).status_code in {200, 202}


def test_the_page_shows_choices_code_and_examples(house: House) -> None:
    page = house.client.get("/docs").text
    assert '<td><code>shelf</code><td>query<td><a href="#Shelf">Shelf</a>' in page
    assert "One of <code>discover</code>" in page
    assert "<code>next_cursor</code> of the page before" in page
    assert "&quot;kind&quot;: &quot;dislike&quot;" in page
