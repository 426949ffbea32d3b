from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.house import SECRET, House

SIGNAL = b'{"listener_id": "ada", "track_id": "t", "kind": "like"}'


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_a_page_of_another_site_may_send_is_refused(house: House, kind: str) -> None:
    answer = house.client.post("/v1/signals", content=SIGNAL, headers={"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.json()["type"]) == (415, "/docs#problem-unsupported-media-type")


def test_no_other_origin_is_allowed_anything(house: House) -> None:
    asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = house.client.options("/v1/signals", headers=asking)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "10.0.0.1", "[::1", "localhost."])
def test_without_a_secret_a_name_that_is_not_this_machines_is_misdirected(house: House, host: str) -> None:
    answer = house.client.get("/v1/listeners/ada/taste", headers={"Host": host})
    assert (answer.status_code, answer.json()["type"]) == (421, "/docs#problem-misdirected-request")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8000"])
def test_this_machine_by_any_of_its_names_and_ports_is_answered(house: House, host: str) -> None:
    assert house.client.get("/v1/listeners/ada/taste", headers={"Host": host}).status_code == 200


def test_with_a_secret_the_token_decides_whatever_the_name(tmp_path: Path) -> None:
    with House(tmp_path, secret=SECRET) as house:
        assert house.client.get("/healthz", headers={"Host": "music.example"}).status_code == 200
