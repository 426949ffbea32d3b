from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.tokens import sign
from tests.serving.house import NOW_MS, SECRET, House

LISTEN = {"listener_id": "ada", "track_id": "t", "started_ms": NOW_MS}
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/v1/listeners/ada/recommendations", None),
    ("GET", "/v1/listeners/ada/taste", None),
    ("GET", "/v1/listeners/ada/plays", None),
    ("DELETE", "/v1/listeners/ada/plays/p", None),
    ("DELETE", "/v1/listeners/ada", None),
    ("POST", "/v1/recommendations", {"listener_ids": ["ada"]}),
    ("POST", "/v1/listens", {"listens": [LISTEN]}),
    ("POST", "/v1/signals", {"listener_id": "ada", "track_id": "t", "kind": "like"}),
]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, secret=SECRET) as house:
        house.publish()
        yield house


def bearer(listener: str, *, secret: str = SECRET, seconds: int = 60) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign(listener, secret, now_ms=NOW_MS, seconds=seconds)}"}


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_each_call_on_a_listener_needs_that_listeners_token(locked: House, method: str, path: str, body: Any) -> None:
    def status(headers: dict[str, str]) -> int:
        return locked.client.request(method, path, json=body, headers=headers).status_code

    assert status({}) == 401
    assert status({"Authorization": "Basic YWRhOmFkYQ=="}) == 401
    assert status({"Authorization": "Bearer nonsense"}) == 401
    assert status(bearer("ada", secret="another secret of thirty-two bytes")) == 401
    assert status(bearer("ada", seconds=-1)) == 401
    assert status(bearer("bob")) == 403
    assert status(bearer("ada")) in (200, 202)


def test_a_refusal_is_a_problem_that_says_which_scheme_is_wanted(locked: House) -> None:
    answer = locked.client.get("/v1/listeners/ada/taste")
    assert answer.headers["www-authenticate"] == 'Bearer realm="backbeat"'
    assert answer.json()["type"] == "/docs#problem-token-refused"


def test_nobody_acts_for_another_among_many(locked: House) -> None:
    body = {"listens": [LISTEN, {**LISTEN, "listener_id": "bob"}]}
    answer = locked.client.post("/v1/listens", json=body, headers=bearer("ada"))
    assert answer.status_code == 403
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/listens/1/listener_id"]
    asked = {"listener_ids": ["ada", "bob"]}
    answer = locked.client.post("/v1/recommendations", json=asked, headers=bearer("ada"))
    assert answer.status_code == 403
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/listener_ids/1"]


def test_a_listener_is_compared_by_the_id_and_not_by_how_it_is_written(locked: House) -> None:
    assert locked.client.get("/v1/listeners/%61da/taste", headers=bearer("ada")).status_code == 200
    assert locked.client.get("/v1/listeners/ada%2Fx/taste", headers=bearer("ada")).status_code == 403


def test_what_is_the_same_for_everybody_needs_no_token(locked: House) -> None:
    for path in ("/v1/tracks/t%3A1%2F2", "/v1/charts", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
        assert locked.client.get(path).status_code == 200
