from __future__ import annotations

import threading

from tests.serving.house import House, artifact, track


def test_a_published_model_is_taken_over_and_a_rollback_too(house: House) -> None:
    first = house.recommend("ada")["model_version"]
    second = house.publish(artifact(seed=1))
    assert house.recommend("ada")["model_version"] == second != first
    house.registry.rollback()
    house.api.services.reload()
    assert house.recommend("ada")["model_version"] == first


def test_a_broken_artifact_leaves_the_one_before_and_is_named(house: House) -> None:
    served = house.recommend("ada")["model_version"]
    broken = house.registry.publish(artifact(seed=2))
    (house.registry.root / broken / "als" / "arrays.npz").write_bytes(b"no archive")
    house.api.services.reload()
    assert house.recommend("ada")["model_version"] == served
    readiness = house.client.get("/readyz")
    assert readiness.status_code == 200
    assert readiness.json()["model_version"] == served
    assert broken in readiness.json()["problems"][0]
    assert "backbeat_model_broken 1.0" in house.client.get("/metrics").text
    house.publish(artifact(seed=3))
    assert house.client.get("/readyz").json()["problems"] == []
    assert "backbeat_model_broken 0.0" in house.client.get("/metrics").text


def test_a_torn_pointer_leaves_the_model_in_place(house: House) -> None:
    served = house.recommend("ada")["model_version"]
    (house.registry.root / "published.json").write_text("{")
    house.api.services.reload()
    assert house.recommend("ada")["model_version"] == served
    assert house.client.get("/readyz").json()["problems"]


def test_no_request_fails_while_models_change(house: House) -> None:
    house.listen("ada", track(1, 0))
    done = threading.Event()

    def republish() -> None:
        for seed in range(1, 5):
            house.publish(artifact(seed=seed))
        done.set()

    publisher = threading.Thread(target=republish)
    publisher.start()
    seen = set()
    while not done.is_set():
        answer = house.recommend("ada")
        seen.add(answer["model_version"])
        assert {item["model_version"] for item in answer["items"]} == {answer["model_version"]}
    publisher.join()
    assert seen <= set(house.registry.versions())


def test_requests_are_timed_by_route_and_model(house: House) -> None:
    version = house.recommend("ada")["model_version"]
    text = house.client.get("/metrics").text
    labels = (
        f'method="GET",model_version="{version}",route="/v1/listeners/{{listener_id}}/recommendations",status="200"'
    )
    assert f"backbeat_request_seconds_count{{{labels}}} 1.0" in text
