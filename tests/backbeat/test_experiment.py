"""`backbeat experiment`: each action over a lake whose truth is planted, and what is said where it cannot answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from backbeat.cli import main
from models.experiments.assignment import Arm, Experiment, assigned
from tests.jobs.tables import DAY, HOUR, MONDAY
from tests.warehouse.shown import lake_of, play, slot

EXPERIMENT = Experiment("louder", (Arm("control", 5_000), Arm("louder", 5_000)))
LISTENERS = [f"listener-{number}" for number in range(1_200)]
FIRST = f"listener-0 {MONDAY + 8 * DAY + HOUR}"  # what the first of them was shown
TRACKS, WORTH = 4, np.array([0.1, 0.2, 0.4, 0.7])


def told_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Forty listeners a day are shown two tracks at random; `louder` ones play half as much again in the week after."""
    random = np.random.default_rng(5)
    slots, plays = [], [play("somebody else", MONDAY + 60 * DAY)]
    for number, who in enumerate(LISTENERS):
        at, keen = MONDAY + (8 + number // 40) * DAY + HOUR, random.gamma(4.0, 1.0)
        arm = assigned(EXPERIMENT, who)
        lift = 1.5 if arm == "louder" else 1.0
        starts = [at - 7 * DAY + HOUR * turn for turn in range(random.poisson(keen))]
        starts += [at + HOUR * (turn + 1) for turn in range(random.poisson(keen * lift))]
        plays += [play(who, start, f"t{random.integers(TRACKS)}") for start in starts]
        for place in range(2):
            track = int(random.integers(TRACKS))
            outcome = "played" if random.random() < WORTH[track] else "ignored"
            slots.append(slot(who, at, f"t{track}", place, propensity=1 / TRACKS, outcome=outcome, **under(arm)))
            if outcome == "played":
                plays.append(play(who, at + 1 + place, f"t{track}", impression_id=f"{who} {at}"))
    return slots, plays


def under(arm: str | None) -> dict[str, str | None]:
    return {"experiment": "louder", "arm": arm}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    lake_of(home / "lake", *told_rows())
    arms = [{"name": arm.name, "share_bp": arm.share_bp} for arm in EXPERIMENT.arms]
    (home / "experiment.json").write_text(json.dumps({"name": "louder", "arms": arms}))
    return home


@pytest.fixture(autouse=True)
def home(full: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKBEAT_HOME", str(full))
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    return full


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["experiment", *arguments, "--json"])
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    return json.loads(printed)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["experiment", *arguments])
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_a_listener_has_the_arm_that_the_hash_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "assign", "listener-7")
    assert found == {"experiment": "louder", "listener_id": "listener-7", "arm": assigned(EXPERIMENT, "listener-7")}


def test_arms_of_the_right_sizes_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "check")
    assert found["verdict"] == "sound"
    assert sum(found["listeners"].values()) == len(LISTENERS)
    main(["experiment", "check"])
    assert "The arms have the sizes" in capsys.readouterr().out


def test_arms_of_which_some_listeners_are_missing_end_in_1(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = [who for number, who in enumerate(LISTENERS) if assigned(EXPERIMENT, who) == "control" or number % 3]
    lake_of(tmp_path / "lake", [slot(who, MONDAY + place) for place, who in enumerate(seen)], [play("ada", MONDAY)])
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    told = failure(capsys, "check", "--by-hash", "--experiment", str(full / "experiment.json"))
    assert "sample ratio mismatch in louder" in told


def test_the_arm_that_was_logged_stands_and_a_file_that_has_been_changed_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "changed.json"
    monkeypatch.setenv("BACKBEAT_EXPERIMENT", str(changed))
    arms = [{"name": "louder", "share_bp": 5_000}, {"name": "control", "share_bp": 5_000}]
    changed.write_text(json.dumps({"name": "louder", "arms": arms}))
    main(["experiment", "check", "--json"])
    told = capsys.readouterr()
    logged = sum(assigned(EXPERIMENT, who) == "louder" for who in LISTENERS)
    assert json.loads(told.out)["listeners"]["louder"] == logged
    assert "1,200 listeners were in another arm" in told.err
    changed.write_text(json.dumps({"name": "louder", "arms": [*arms[:1], {"name": "new", "share_bp": 5_000}]}))
    assert "the log has the arms ['control'], which the file has not" in failure(capsys, "check")


def test_an_experiment_in_which_nobody_takes_part_cannot_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = [{"name": arm.name, "share_bp": arm.share_bp} for arm in EXPERIMENT.arms]
    (tmp_path / "none.json").write_text(json.dumps({"name": "none", "arms": arms, "traffic_bp": 0}))
    for action in (["check"], ["compare", "--planned", "10"]):
        assert "wanted" in failure(capsys, *action, "--experiment", str(tmp_path / "none.json"))


def test_a_planted_effect_is_found_and_cuped_narrows_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    adjusted = answer(capsys, "compare", "--planned", "1200")
    plain = answer(capsys, "compare", "--planned", "1200", "--no-adjust")
    [arm], [raw] = adjusted["arms"], plain["arms"]
    assert arm["low"] < 2.0 < arm["high"]
    assert arm["low"] > 0
    assert arm["decided"] is not None
    assert adjusted["variance_kept"] < 0.8
    assert plain["variance_kept"] == 1.0
    assert arm["high"] - arm["low"] < raw["high"] - raw["low"]


@pytest.mark.parametrize(
    ("planned", "days", "told"),
    [
        ("10", "0", "--days is 0; wanted 1 to 366"),
        ("10", "367", "--days is 367; wanted 1 to 366"),
        ("10", "9223372036854775807", "wanted 1 to 366"),
        ("1", "7", "--planned is 1; wanted 2 to 1,000,000,000 listeners"),
        ("-5", "7", "--planned is -5; wanted 2 to"),
        ("99999999999999999999", "7", "--planned is 99999999999999999999; wanted 2 to"),
    ],
)
def test_days_and_listeners_that_no_experiment_has_are_bad_usage(
    planned: str, days: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "compare", "--planned", planned, "--days", days])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_the_widest_bounds_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    for planned in ("2", "1000000000"):
        [arm] = answer(capsys, "compare", "--planned", planned)["arms"]
        assert arm["low"] < arm["high"]
    assert "come to the end of the time" in failure(capsys, "compare", "--planned", "2", "--days", "366")


def test_before_enough_listeners_intervals_are_open_and_it_is_said_when_they_close(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["experiment", "compare", "--planned", "1200", "--since", "2025-02-04", "--json"])
    told = capsys.readouterr()
    [arm] = json.loads(told.out)["arms"]
    assert (arm["low"], arm["high"], arm["p_value"], arm["decided"]) == (None, None, 1.0, None)
    fewest = min(arm["listeners"], arm["control_listeners"])
    said = "there is an interval once control and louder have 100 listeners each whose time is over"
    assert f"{said}; the smaller of the two has {fewest}" in told.err.replace("\n", " ")
    main(["experiment", "compare", "--planned", "1200"])
    assert not capsys.readouterr().err


def test_another_policy_is_worth_what_its_tracks_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = np.array([0.1, 0.1, 0.2, 0.6])
    shown = [f"{who} {MONDAY + (8 + number // 40) * DAY + HOUR}" for number, who in enumerate(LISTENERS)]
    rows = [(one, place, f"t{t}", target[t]) for one in shown for place in range(2) for t in range(TRACKS)]
    columns = ("impression_id", "slot", "track_id", "probability")
    pa.parquet.write_table(
        pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))), tmp_path / "policy.parquet"
    )
    found = answer(capsys, "off-policy", str(tmp_path / "policy.parquet"))
    assert (found["slots"], found["of_unknown_propensity"]) == (2_400, 0)
    assert list(found["estimates"]) == ["ips", "snips", "direct method", "doubly robust"]
    for name in ("ips", "snips", "doubly robust"):
        assert found["estimates"][name]["low"] < target @ WORTH < found["estimates"][name]["high"]
    assert found["support"]["mean_weight"] == pytest.approx(1.0, abs=0.1)
    main(["experiment", "off-policy", str(tmp_path / "policy.parquet"), "--clip", "2"])
    assert "doubly robust" in capsys.readouterr().out


def test_a_policy_of_slots_whose_chances_nobody_logged_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake_of(tmp_path / "lake", [slot("ada", MONDAY, "t", 0, propensity=None)], [play("ada", MONDAY)])
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    (tmp_path / "policy.csv").write_text(f"impression_id,slot,track_id,probability\nada {MONDAY},0,t,1\n")
    told = failure(capsys, "off-policy", str(tmp_path / "policy.csv"))
    assert "none of the 1 slots that it names has a known propensity; wanted a slot whose propensity is logged" in told


def test_the_feedback_report_tells_each_week(capsys: pytest.CaptureFixture[str]) -> None:
    weeks = answer(capsys, "feedback")["weeks"]
    assert weeks[0]["week"] == "2024-12-30"
    assert weeks[0]["recommended_share"] == 0.0
    assert weeks[0]["recommended"] is None
    assert 0 < weeks[2]["recommended_share"] < 1
    assert weeks[2]["recommended"]["plays"] + weeks[2]["organic"]["plays"] == weeks[2]["everything"]["plays"]
    main(["experiment", "feedback"])
    assert "effective tracks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "docs/experiments.md says how to describe one"),
        ("{", "wanted {"),
        ('{"name": "x", "arms": [{"name": "a", "share_bp": 5000}]}', "two arms or more"),
        (
            '{"name": "x", "arms": [{"name": "a", "share_bp": 5000}, {"name": "b", "share_bp": 5000}], "trafic_bp": 1}',
            "found an experiment with trafic_bp; it has name, arms, traffic_bp, holdout_bp, salt",
        ),
        (
            '{"name": "x", "arms": [{"name": "a", "share_bp": 5000}, {"name": "b", "share_bp": 5000, "share": 1}]}',
            "found an arm with share; it has name, share_bp",
        ),
        ("[]", "Expected `object`, got `array`; wanted {"),
    ],
)
def test_an_experiment_that_is_none_says_why(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    assert said in failure(capsys, "assign", "ada", "--experiment", str(tmp_path / "x.json"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("impression_id,slot\n1,2\n", "wanted Parquet or CSV with impression_id, slot, track_id, probability"),
        ("impression_id,slot,track_id,probability\ni,0,t,1.5\n", "a probability from 0 to 1"),
        ("impression_id,slot,track_id,probability\ni,0,t,.5\ni,0,t,.5\n", "each track once a slot"),
        ("impression_id,slot,track_id,probability\ni,,t,.5\n", "found nulls"),
        (
            "impression_id,slot,track_id,probability\ni,0,t,.5\ni,0,u,.5\n",
            "none of its 2 rows names a settled slot of the log by impression_id and slot; wanted settled slots of",
        ),
        (
            f"impression_id,slot,track_id,probability\n{FIRST},0,spotify:track:1,1\n{FIRST},1,spotify:track:2,1\n",
            "in none of the 2 slots that it names would it show the track that was shown; wanted tracks by the",
        ),
    ],
)
def test_a_policy_that_cannot_be_estimated_says_why(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.csv").write_text(content)
    assert said in failure(capsys, "off-policy", str(tmp_path / "policy.csv"))


@pytest.mark.parametrize("arguments", [["check"], ["compare", "--planned", "10"], ["feedback"]])
def test_a_lake_without_tables_says_which_command_makes_them(
    arguments: list[str],
    full: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    (tmp_path / "experiment.json").write_bytes((full / "experiment.json").read_bytes())
    assert "backbeat run" in failure(capsys, *arguments)
