"""An experiment that runs: callers are told the arm, the log has it, and who takes no part has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backbeat.output import CommandFailed
from backbeat.running_experiment import running_experiment
from backbeat.settings import Settings
from models.experiments.assignment import Arm, Experiment, assigned
from tests.serving.house import House

HALF = Experiment("louder", (Arm("control", 5_000), Arm("louder", 5_000)), traffic_bp=5_000)
LISTENERS = [f"listener-{number}" for number in range(20)]


def settings(home: Path, **more: str) -> Settings:
    return Settings.from_environment({"BACKBEAT_HOME": str(home), **more})


@pytest.mark.parametrize("published", [True, False], ids=["from the model", "before the first model"])
def test_callers_are_told_the_arm_and_the_log_has_it_with_what_was_shown(tmp_path: Path, published: bool) -> None:
    with House(tmp_path, experiment=HALF) as house:
        if published:
            house.publish()
        house.listen("somebody", "t:1/1", "t:1/2")
        told = {who: house.recommend(who, "popular") for who in LISTENERS}
        house.api.services.impressions.flush()
        logged = {shown.listener_id: (shown.experiment, shown.arm) for shown in house.impressions()}
    arms = {who: assigned(HALF, who) for who in LISTENERS}
    assert set(arms.values()) == {"control", "louder", None}
    wanted = {who: ("louder", arm) if arm else (None, None) for who, arm in arms.items()}
    assert {who: (answer["experiment"], answer["arm"]) for who, answer in told.items()} == wanted
    assert logged == wanted


def test_where_no_experiment_runs_nobody_has_an_arm(tmp_path: Path) -> None:
    with House(tmp_path) as house:
        house.publish()
        answer = house.recommend("listener-1", "popular")
    assert (answer["experiment"], answer["arm"]) == (None, None)


def test_the_experiment_is_the_file_that_is_set_or_the_one_in_the_home(tmp_path: Path) -> None:
    assert running_experiment(settings(tmp_path)) is None
    arms = [{"name": "a", "share_bp": 5_000}, {"name": "b", "share_bp": 5_000}]
    (tmp_path / "experiment.json").write_text(json.dumps({"name": "at home", "arms": arms}))
    (tmp_path / "other.json").write_text(json.dumps({"name": "other", "arms": arms}))
    found = running_experiment(settings(tmp_path))
    assert found is not None
    assert found.name == "at home"
    other = running_experiment(settings(tmp_path, BACKBEAT_EXPERIMENT=str(tmp_path / "other.json")))
    assert other is not None
    assert other.name == "other"
    with pytest.raises(CommandFailed, match="there is no experiment at"):
        running_experiment(settings(tmp_path, BACKBEAT_EXPERIMENT=str(tmp_path / "none.json")))
