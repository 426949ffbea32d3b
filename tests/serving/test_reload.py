from __future__ import annotations

import threading

from models.artifact import Artifact
from serving.service.published import Published
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


class _Pointed:
    """Models by version, behind a pointer that a test moves and, as a disk does, fails to read."""

    def __init__(self, models: House) -> None:
        self._models = models.registry
        self.fault: OSError | None = None
        self.load_fault: OSError | None = None

    def published(self) -> str | None:
        if self.fault is not None:
            raise self.fault
        return self._models.published()

    def load(self, version: str | None = None) -> Artifact:
        if self.load_fault is not None:
            raise self.load_fault
        return self._models.load(version)


def test_a_disk_that_failed_once_is_no_problem_once_the_pointer_reads_again(house: House) -> None:
    models = _Pointed(house)
    published = Published(models)
    assert published.refresh()
    models.fault = OSError("input/output error")
    assert not published.refresh()
    assert published.problem == "input/output error"
    models.fault = None
    assert not published.refresh()
    assert published.problem is None


def test_a_disk_that_failed_while_a_model_was_read_is_asked_again(house: House) -> None:
    models = _Pointed(house)
    published = Published(models)
    models.load_fault = OSError("input/output error")
    assert not published.refresh()
    models.load_fault = None
    assert published.refresh()
    assert (published.problem, published.snapshot is not None) == (None, True)


def test_a_rollback_from_a_broken_model_leaves_no_problem(house: House) -> None:
    broken = house.registry.publish(artifact(seed=2))
    (house.registry.root / broken / "als" / "arrays.npz").write_bytes(b"no archive")
    house.api.services.reload()
    assert house.client.get("/readyz").json()["problems"]
    house.registry.rollback()
    house.api.services.reload()
    assert house.client.get("/readyz").json()["problems"] == []
