from __future__ import annotations

import msgspec
import pytest

from serving.docs_page import PROBLEMS
from tests.serving.house import NOW_MS, House, track
from warehouse.outcomes import OUTCOMES
from warehouse.rules.quantity import HOUR_MS
from warehouse.stores.rows import RowsUnavailable
from warehouse.tables import EVERYWHERE
from warehouse.taste import TAIL
from warehouse.trending import TRENDING, row_key

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1/listeners", 404, "not-found"),
        ("PUT", "/v1/charts", 405, "method-not-allowed"),
        ("GET", "/v1/tracks/nobody%3Aheard", 404, "unknown-track"),
        ("GET", "/v1/tracks/nobody%3Aheard/similar", 404, "unknown-track"),
        ("GET", "/v1/listeners/ada/recommendations?limit=0", 400, "invalid-request"),
        ("GET", "/v1/listeners/ada/recommendations?limit=201", 400, "invalid-request"),
        ("GET", "/v1/listeners/ada/recommendations?limit=many", 400, "invalid-request"),
        ("GET", "/v1/listeners/ada/recommendations?shelf=attic", 400, "invalid-request"),
        ("GET", "/v1/listeners/ada/recommendations?seed=-1", 400, "invalid-request"),
        ("GET", f"/v1/listeners/ada/recommendations?exclude={','.join('x' * 501)}", 400, "invalid-request"),
        ("GET", f"/v1/listeners/{'x' * 257}/taste", 400, "invalid-request"),
        ("GET", "/v1/listeners/a%00b/taste", 400, "invalid-request"),
        ("GET", "/v1/listeners/%ff/taste", 400, "invalid-request"),
        ("GET", "/v1/charts?day=yesterday", 400, "invalid-request"),
        ("GET", "/v1/charts?country=Austria", 400, "invalid-request"),
        ("GET", "/v1/listeners/ada/plays?cursor=x", 400, "invalid-request"),
        ("POST", "/v1/recommendations", 415, "unsupported-media-type"),
    ],
)
def test_every_refusal_is_a_problem_document(house: House, method: str, path: str, status: int, name: str) -> None:
    answer = house.client.request(method, path)
    problem = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == (f"/docs#problem-{name}", status)
    assert problem["title"]
    assert problem["detail"]
    assert name in PROBLEMS


def test_a_wrong_parameter_is_named(house: House) -> None:
    problem = house.client.get("/v1/listeners/ada/recommendations?limit=900").json()
    assert [error["parameter"] for error in problem["errors"]] == ["limit"]


def test_a_field_of_five_megabytes_is_named_with_its_place(house: House) -> None:
    listens = [{"listener_id": "ada", "track_id": name, "started_ms": house.now_ms} for name in ("t1", "t" * 5_000_000)]
    answer = house.client.post("/v1/listens", json={"listens": listens})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/listens/1/track_id"]
    assert len(answer.content) < 2_000


def test_a_body_beyond_eight_mebibytes_is_too_large(house: House) -> None:
    answer = house.client.post("/v1/listens", content=b" " * ((8 << 20) + 1), headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/docs#problem-request-entity-too-large"


def test_rows_that_are_away_are_a_503_and_are_counted(house: House) -> None:
    house.rows_fault = RowsUnavailable("SQLite file rows.db: could not read a row: disk I/O error")
    answer = house.client.get("/v1/listeners/ada/recommendations")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "/docs#problem-rows-unavailable"
    assert house.client.get("/readyz").json()["ready"] is False
    assert "backbeat_rows_errors_total 1.0" in house.client.get("/metrics").text


@pytest.mark.parametrize(
    ("table", "key", "path"),
    [
        (TAIL, "ada", "/v1/listeners/ada/taste"),
        (OUTCOMES, "ada", "/v1/listeners/ada/outcomes"),
        (TRENDING, row_key(NOW_MS // HOUR_MS, EVERYWHERE, 0), "/v1/trending"),
    ],
)
def test_a_broken_row_is_a_503_that_names_it(house: House, table: str, key: str, path: str) -> None:
    house.rows.put(table, key, b"\xc1", version=1)
    answer = house.client.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "/docs#problem-rows-unavailable"
    assert answer.json()["detail"].startswith(f"row '{key}' of {table} is broken: ")


def test_an_id_may_hold_slashes_colons_and_any_letter(house: House) -> None:
    who = "spotify:user/ä ?#%2F"
    house.listen(who, track(1, 0))
    answer = house.recommend(who, "on-repeat")
    assert answer["listener_id"] == who
    assert [item["track_id"] for item in answer["items"]] == [track(1, 0)]


def test_a_listener_nobody_knows_is_no_error(house: House) -> None:
    for path in ("recommendations", "taste", "plays"):
        assert house.client.get(f"/v1/listeners/nobody/{path}").status_code == 200
    assert house.client.delete("/v1/listeners/nobody").status_code == 202


def test_the_openapi_document_names_every_route_and_body(house: House) -> None:
    document = house.client.get("/openapi.json").json()
    assert {path for path in document["paths"] if path.startswith("/v1")} == {
        "/v1/listeners/{listener_id}/recommendations",
        "/v1/listeners/{listener_id}/taste",
        "/v1/listeners/{listener_id}/mixes",
        "/v1/listeners/{listener_id}/plays",
        "/v1/listeners/{listener_id}/outcomes",
        "/v1/listeners/{listener_id}/now",
        "/v1/listeners/{listener_id}/plays/{play_id}",
        "/v1/listeners/{listener_id}",
        "/v1/recommendations",
        "/v1/tracks/{track_id}",
        "/v1/tracks/{track_id}/similar",
        "/v1/charts",
        "/v1/trending",
        "/v1/stream",
        "/v1/listens",
        "/v1/signals",
    }
    for path in ("/v1/listens", "/v1/signals", "/v1/recommendations"):
        reference = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference.rsplit("/", 1)[1] in document["components"]["schemas"]


def test_the_documentation_is_one_page_that_asks_no_other_host_for_anything(house: House) -> None:
    page = house.client.get("/docs").text
    document = house.client.get("/openapi.json").content
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    for path in msgspec.json.decode(document)["paths"]:
        assert f"<code>{path}</code>" in page
    for name in PROBLEMS:
        assert f'id="problem-{name}"' in page
