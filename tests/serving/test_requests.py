from __future__ import annotations

import gzip

import pytest

from tests.serving.house import House, track

JSON = {"Content-Type": "application/json"}
CHARTS = "/v1/charts"


@pytest.mark.parametrize(
    "path", ["/healthz", "/docs", CHARTS, "/v1/tracks/nobody%3Aheard", "/nowhere", "/v1/charts?day=x"]
)
def test_head_is_answered_as_get_is_without_the_body(house: House, path: str) -> None:
    got, head = house.client.get(path), house.client.head(path)
    assert (head.status_code, dict(head.headers)) == (got.status_code, dict(got.headers))
    assert head.headers["content-length"] == str(len(got.content))
    assert head.content == b""


def test_head_is_refused_where_get_is(house: House) -> None:
    answer = house.client.head("/v1/listens")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "OPTIONS, POST", b"")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS"])
def test_allow_names_head_beside_get(house: House, method: str) -> None:
    assert house.client.request(method, CHARTS).headers["allow"] == "GET, HEAD, OPTIONS"


def test_methods_and_paths_that_callers_make_up_add_no_label(house: House) -> None:
    house.client.request("MADE-UP-0", "/healthz")
    house.client.get("/nowhere/0")
    before = len(house.client.get("/metrics").text.splitlines())
    for number in range(1, 20):
        house.client.request(f"MADE-UP-{number}", "/healthz")
        house.client.get(f"/nowhere/{number}")
        house.client.get(f"/v1/listeners/nobody-{number}/taste?limit=0")
    after = house.client.get("/metrics").text
    assert "MADE-UP" not in after
    assert 'method="other"' in after
    assert len(after.splitlines()) < before + 40  # one more of each bucket, for the taste and for /metrics itself


@pytest.mark.parametrize("query", ["exclude=%ff", "limit=5&exclude=a,%c3%28", "exclude=%ED%A0%80"])
def test_a_query_that_is_not_utf_8_is_a_400_that_names_the_parameter(house: House, query: str) -> None:
    answer = house.client.get(f"/v1/listeners/ada/recommendations?{query}")
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == ["exclude"]


def test_a_query_may_hold_any_letter(house: House) -> None:
    assert house.client.get("/v1/listeners/ada/recommendations?exclude=spotify%3A%C3%A4+b").status_code == 200


def test_two_lines_of_tags_are_one_list(house: House) -> None:
    path = f"/v1/tracks/{track(1, 0).replace('/', '%2F')}"
    tag = house.client.get(path).headers["etag"]
    for tags in (['"other"', tag], [tag, '"other"']):
        answer = house.client.get(path, headers=[("If-None-Match", one) for one in tags])
        assert answer.status_code == 304


@pytest.mark.parametrize("path", ["/v1/listens", "/v1/signals", "/v1/recommendations"])
def test_an_encoded_body_is_refused_with_what_is_taken(house: House, path: str) -> None:
    answer = house.client.post(path, content=gzip.compress(b"{}"), headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert answer.json()["type"] == "/docs#problem-unsupported-media-type"
    plain = house.client.post(path, content=b"{", headers={**JSON, "Content-Encoding": "identity"})
    assert plain.status_code == 400  # it was read


def test_the_openapi_document_has_one_path(house: House) -> None:
    assert house.client.get("/openapi.json").status_code == 200
    for path in ("/_litestar", "/_litestar/openapi.json", "/schema", "/schema/openapi.json"):
        assert house.client.get(path).status_code == 404
