"""`backbeat search`: on validation alone, within its minutes, and on from where it was cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from backbeat.cli import main
from backbeat.search import run_trials
from tests.backbeat.benchmark import as_they_come, benchmark

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:sqlalchemy", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BACKBEAT_RECORDS", "none")
    as_they_come(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return benchmark(tmp_path / "gowalla")


def searched(capsys: pytest.CaptureFixture[str], data: Path, *arguments: str) -> dict[str, Any]:
    main(["search", "als", "--data", str(data), "--json", *arguments])
    return json.loads(capsys.readouterr().out)


def study(home: Path) -> optuna.Study:
    storage = f"sqlite:///{home / 'searches.db'}"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def test_the_defaults_come_first_and_the_best_is_saved_as_a_recipe(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = searched(capsys, data, "--minutes", "1", "--trials", "3", "--save")
    trials = study(home).trials
    assert trials[0].params["factors"] == 64
    assert found["value"] == max(trial.value for trial in trials if trial.value is not None)
    assert json.loads((home / "recipes" / "gowalla.json").read_text())["als"] == found["settings"]


def test_the_test_side_of_the_data_is_never_looked_at(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = searched(capsys, data, "--minutes", "1", "--trials", "2")
    other = benchmark(tmp_path / "other")
    lines = [line.split()[0] + " 23" for line in (other / "test.txt").read_text().splitlines()]
    (other / "test.txt").write_text("\n".join(lines))
    again = searched(capsys, other, "--minutes", "1", "--trials", "2")
    assert again == {**first, "minutes": again["minutes"]}


def test_the_same_command_goes_on_and_adds_nothing_when_it_is_done(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert searched(capsys, data, "--minutes", "1", "--trials", "2")["trials"] == 2
    assert searched(capsys, data, "--minutes", "1", "--trials", "3")["trials"] == 3
    assert searched(capsys, data, "--minutes", "1", "--trials", "3")["trials"] == 3
    assert len(study(home).trials) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow uses what its dependencies are about to drop
def test_a_call_that_tries_nothing_is_not_recorded(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BACKBEAT_RECORDS")
    for trials in ("1", "1", "2"):
        searched(capsys, data, "--minutes", "1", "--trials", trials)
    main(["records", "list", "--json"])
    curves = [run["curves"]["best so far"] for run in json.loads(capsys.readouterr().out)["runs"]]
    assert [len(curve) for curve in curves] == [2, 1]


def test_a_search_of_the_highest_seed_goes_on_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for trials in (1, 2):
        found = searched(capsys, data, "--minutes", "1", "--trials", str(trials), "--seed", "2147483647")
        assert found["trials"] == trials


def test_what_a_kill_cut_off_is_tried_again(data: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(capsys, data, "--minutes", "1", "--trials", "1")
    cut = study(home).ask({"factors": optuna.distributions.IntDistribution(16, 256, log=True)})
    searched(capsys, data, "--minutes", "1", "--trials", "2")
    failed, again = study(home).trials[1:]
    assert (failed.state.name, again.state.name) == ("FAIL", "COMPLETE")
    assert again.params["factors"] == cut.params["factors"]


@pytest.mark.slow
def test_a_search_that_is_killed_keeps_its_finished_trials(data: Path, home: Path) -> None:
    command = [sys.executable, "-m", "backbeat", "search", "als", "--data", str(data), "--minutes", "5"]
    running = subprocess.Popen(command, env=dict(os.environ))
    while not (home / "searches.db").exists():
        assert running.poll() is None
        time.sleep(0.1)
    time.sleep(4)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = len(study(home).trials)
    subprocess.run([*command[:-1], "0.2", "--trials", str(before + 1), "--json"], check=True, capture_output=True)
    assert before > 0
    assert len(study(home).trials) > before


def test_a_learner_that_the_data_refuse_is_searched_no_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = benchmark(tmp_path / "gowalla")
    with pytest.raises(SystemExit) as ended:
        main(["search", "markov", "--data", str(data), "--minutes", "5"])
    assert ended.value.code == 1
    assert "backbeat: searching markov on gowalla: " in capsys.readouterr().err


class RefusesAllButTheFirst:
    """Scores of a learner that takes only its own recipe."""

    def score(self, trial: optuna.Trial, seconds: float) -> float:
        assert seconds > 0
        trial.set_user_attr("seconds", 0.0)
        if trial.number:
            raise ValueError("no such settings")
        return 0.5


def test_refused_trials_end_with_the_minutes_too() -> None:
    trials = optuna.create_study(direction="maximize")
    began = time.monotonic()
    run_trials(trials, RefusesAllButTheFirst(), seconds=0.5, trials=None)
    assert time.monotonic() - began < 5
    assert trials.best_value == 0.5
    assert len(trials.trials) > 1


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["popularity", "--minutes", "1"], "declares no range"),
        (["als", "--minutes", "0"], "wanted more than 0"),
        (
            ["als", "--minutes", "inf"],
            "--minutes inf with --trials None; wanted more than 0 of each, and 527,040 minutes",
        ),
        (["als", "--minutes", "nan"], "wanted more than 0"),
        (["als", "--minutes", "1e300"], "527,040 minutes at most"),
        (["als", "--minutes", "1", "--trials", "0"], "wanted more than 0"),
        (["als", "--minutes", "1", "--seed", "-1"], "--seed is -1; wanted a whole number from 0 to 2147483647"),
        (["als", "--minutes", "1", "--seed", "4294967296"], "--seed is 4294967296; wanted a whole number from 0 to"),
    ],
)
def test_a_search_for_nothing_is_bad_usage(
    arguments: list[str], wanted: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["search", *arguments, "--data", str(data)])
    assert ended.value.code == 2
    assert wanted in capsys.readouterr().err.replace("\n", " ")


def blended(capsys: pytest.CaptureFixture[str], data: Path, *arguments: str) -> dict[str, Any]:
    main(["search", "blend", "--data", str(data), "--minutes", "1", "--json", *arguments])
    return json.loads(capsys.readouterr().out)


def test_a_blend_of_the_learners_named_is_weighed_on_validation_and_saved(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = blended(capsys, data, "--members", "item-knn,popularity", "--trials", "3", "--save")
    knn, popularity = found["settings"]["members"]
    assert (knn["learner"], popularity["learner"]) == ("item-knn", "popularity")
    assert knn["log"] + knn["share"] > 0  # who has even items wants even ones
    assert json.loads((home / "recipes" / "gowalla.json").read_text())["blend"] == found["settings"]
    assert [trial.params["scale 1 item-knn"] for trial in study(home).trials] == ["parts", "ranks", "standard"]
    main(["train", "blend", "--data", str(data), "--json"])
    assert json.loads(capsys.readouterr().out)["settings"] == found["settings"]


def test_a_recipe_of_a_blend_is_measured_as_it_is_before_its_weights_are_fitted(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe: dict[str, Any] = {
        "members": [{"learner": "popularity"}, {"learner": "item-knn", "log": 0.0, "share": 1e-6}]
    }
    (home / "recipes" / "gowalla.json").write_text(json.dumps({"blend": recipe}))
    alone = blended(capsys, data, "--trials", "1")
    assert [member["share"] for member in alone["settings"]["members"]] == [0.0, 1e-6]
    further = blended(capsys, data, "--trials", "2")
    assert further["value"] > alone["value"]
    recipe["members"][1]["share"] = 2e-6
    (home / "recipes" / "gowalla.json").write_text(json.dumps({"blend": recipe}))
    blended(capsys, data, "--trials", "3")
    assert len([trial for trial in study(home).trials if "as given" in trial.user_attrs]) == 2


def test_a_search_for_weights_goes_on_after_what_it_found_is_saved(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blended(capsys, data, "--members", "item-knn,popularity", "--trials", "2", "--save")
    assert blended(capsys, data, "--trials", "4")["trials"] == 4
    assert study(home).trials[0].number == 0


def test_members_are_for_blends_and_have_to_be_learners(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, members, wanted in (("als", "popularity", "only a blend has members"), ("blend", "alz", "no learner")):
        with pytest.raises(SystemExit) as ended:
            main(["search", model, "--data", str(data), "--minutes", "1", "--members", members])
        assert ended.value.code == 2
        assert wanted in capsys.readouterr().err.replace("\n", " ")
