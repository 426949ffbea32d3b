"""Daily mixes: parts of a taste with their names, and new tracks beside one's own."""

from __future__ import annotations

from pathlib import Path

from models.experiments.assignment import Arm, Experiment, assigned
from tests.serving.house import House, track


def test_each_part_of_a_taste_is_a_mix_named_by_its_artist(house: House) -> None:
    house.listen("ada", *(track(1, place) for place in range(4)), *(track(3, place) for place in range(3)))
    answer = house.client.get("/v1/listeners/ada/mixes", params={"limit": 8}).json()
    assert [mix["name"] for mix in answer["mixes"]] == ["Band 1", "Band 3"]
    for mix, genre, own in zip(answer["mixes"], (1, 3), (4, 3), strict=True):
        assert {item["track_id"][:4] for item in mix["items"]} == {f"t:{genre}/"}
        assert [item["source"] for item in mix["items"]].count("repeat") == min(own, 4)
        assert all(item["cites"] and item["reason"] for item in mix["items"])


def test_what_is_not_to_be_recommended_is_in_no_mix(house: House) -> None:
    house.listen("ada", *(track(1, place) for place in range(4)))
    house.signal("ada", track(1, 0), "do_not_recommend")
    (mix,) = house.client.get("/v1/listeners/ada/mixes").json()["mixes"]
    assert track(1, 0) not in {item["track_id"] for item in mix["items"]}


def test_too_little_to_part_is_no_mix_and_says_so(house: House) -> None:
    house.listen("ada", track(1, 0))
    answer = house.client.get("/v1/listeners/ada/mixes").json()
    assert answer["mixes"] == []
    assert "Too little" in answer["reason"]


def test_before_the_first_model_there_is_no_mix(bare_house: House) -> None:
    answer = bare_house.client.get("/v1/listeners/ada/mixes").json()
    assert (answer["mixes"], answer["model_version"]) == ([], None)
    assert answer["reason"] == "No model is in use yet."


def test_a_mix_is_told_and_logged_with_the_arm_of_its_listener(tmp_path: Path) -> None:
    everybody = Experiment("louder", (Arm("control", 5_000), Arm("louder", 5_000)))
    with House(tmp_path, experiment=everybody) as house:
        house.publish()
        house.listen("ada", *(track(1, place) for place in range(4)))
        answer = house.client.get("/v1/listeners/ada/mixes").json()
        house.api.services.impressions.flush()
        (shown,) = house.impressions()
    assert (
        (answer["experiment"], answer["arm"]) == (shown.experiment, shown.arm) == ("louder", assigned(everybody, "ada"))
    )


def test_each_mix_is_logged_as_shown(house: House) -> None:
    house.listen("ada", *(track(1, place) for place in range(4)))
    (mix,) = house.client.get("/v1/listeners/ada/mixes").json()["mixes"]
    house.api.services.impressions.flush()
    (shown,) = house.impressions()
    assert (shown.shelf, shown.impression_id) == ("daily-mix", mix["impression_id"])
    assert shown.sources == [item["source"] for item in mix["items"]]
