"""`backbeat run` as it is typed: what it prints, how it ends, how it goes on. What runs here needs no Spark."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbeat.cli import main
from jobs.plan import PLANS
from tests.jobs.tables import DAY, MONDAY, day_of, erasure, raw_play, rows_of
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.stores.lock import LakeLock
from warehouse.stores.runs import RunLedger, Status
from warehouse.tables import CORE_PLAYS, FEATURES_MATRIX, RAW_ERASURES, RAW_PLAYS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    return Home.from_environment(os.environ)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], home: Home) -> Run:  # noqa: ARG001  # commands find it in the environment
    def command(*arguments: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main(["run", *arguments])
        except SystemExit as ended:
            code = ended.code
        return (code, *capsys.readouterr())

    return command


@pytest.fixture
def lake(home: Home) -> Lake:
    """A lake with plays of Monday, in two files."""
    lake = Lake(home.lake_url)
    for play_id in ("a", "b"):
        lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, [raw_play(play_id, MONDAY)]))
    return lake


def hide_erasures(lake: Lake) -> tuple[Path, Path]:
    """Erasures whose file is not there: `expire` has to read it, and cannot."""
    lake.append(RAW_ERASURES, rows_of(RAW_ERASURES, [erasure("ada", "a")]))
    (file,) = Path(lake.location(RAW_ERASURES)).glob("*.parquet")
    return file.rename(file.with_suffix(".hidden")), file


def document(out: str) -> Any:
    """The one line that standard output holds."""
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("plan", PLANS)
def test_a_dry_run_tells_each_step_and_does_none(run: Run, home: Home, plan: str) -> None:
    code, out, _ = run(plan, "--dry-run", "--json")
    assert code == 0
    assert [step["name"] for step in document(out)["steps"]] == [step.name for step in PLANS[plan].steps]
    assert not Path(home.lake_url).exists()
    assert not home.runs.exists()


def test_a_dry_run_for_people_names_what_each_step_reads_and_writes(run: Run) -> None:
    code, out, _ = run("--dry-run")
    assert code == 0
    assert "core_sessions" in out
    assert "core.plays" in out


def test_only_some_steps_keep_the_order_of_the_plan(run: Run) -> None:
    _, out, _ = run("daily", "--only", "gate", "core_plays", "--as-of", "2024-12-31", "--dry-run", "--json")
    told = document(out)
    assert ([step["name"] for step in told["steps"]], told["as_of"]) == (["core_plays", "gate"], "2024-12-31")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nightly"], "no plan 'nightly'; there are daily, tables, train, upkeep"),
        (["daily", "--only", "core_playz"], "no step core_playz in daily; it has land_events,"),
        (["daily", "--as-of", "yesterday"], "--as-of 'yesterday'; wanted a day such as"),
        (["daily", "--resume", "--only", "gate"], "leave --only, --as-of and --reopen out"),
        (["daily", "--resume", "--as-of", "2024-12-31"], "leave --only, --as-of and --reopen out"),
        (["daily", "--resume", "--reopen", "2024-12-31"], "leave --only, --as-of and --reopen out"),
        (["daily", "--reopen", "2024-12-31..2024-12-30"], "--reopen '2024-12-31..2024-12-30'; wanted days such as"),
        (["daily", "--reopen", "last week"], "--reopen 'last week'; wanted days such as"),
        (["upkeep", "--reopen", "2024-12-31"], "upkeep, which makes no table day by day; daily and tables do"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(run: Run, arguments: list[str], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err.replace("\n", " ")


def test_a_dry_run_tells_which_days_would_be_reopened(run: Run) -> None:
    _, out, _ = run("tables", "--reopen", "2024-12-30", "--dry-run", "--json")
    assert document(out)["reopened"] == "2024-12-30..2024-12-30"


def test_an_unknown_option_is_bad_usage(run: Run) -> None:
    assert run("daily", "--fast")[0] == 2


def test_an_empty_lake_fails_and_says_what_to_do(run: Run, home: Home) -> None:
    code, out, err = run("train", "--only", "features_matrix", "--json")
    assert (code, out) == (1, "")
    assert f"the lake at {home.lake_url} has no plays: import some first" in err


def test_what_would_fail_again_has_an_exit_code_of_its_own_where_that_is_asked_for(run: Run, lake: Lake) -> None:
    for table in (CORE_PLAYS, FEATURES_MATRIX):
        lake.append(table, table.schema.empty_table())
    check = ("train", "--only", "check_data", "--json")
    code, out, err = run(*check)
    assert (code, out) == (1, "")
    assert "step check_data: the data is not fit to learn from" in err
    assert "docs/runbook.md#check_data" in err
    assert "--resume" not in err  # it would be refused again
    assert run(*check, "--detailed-exit")[0] == 3


def test_on_an_empty_lake_a_run_would_fail_again(run: Run) -> None:
    assert run("train", "--detailed-exit")[0] == 3


def test_a_failure_that_may_pass_ends_in_1_however_detailed_its_exit(run: Run, home: Home) -> None:
    home.log.mkdir()
    assert run("upkeep", "--detailed-exit")[0] == 1


def test_a_damaged_file_ends_in_3_where_exits_are_detailed_and_in_the_part_on_damage(run: Run, lake: Lake) -> None:
    hide_erasures(lake)
    code, _, err = run("upkeep", "--detailed-exit")
    assert code == 3
    assert "step expire: raw.erasures has a damaged file" in err
    assert "docs/runbook.md#a-damaged-file" in err
    assert "backbeat run upkeep --resume" in err


def test_a_run_prints_one_document_alone_on_standard_output(run: Run, lake: Lake) -> None:
    code, out, _ = run("upkeep", "--json")
    told = document(out)
    assert code == 0
    assert (told["plan"], told["as_of"]) == ("upkeep", None)
    assert [(step["step"], step["written"]) for step in told["steps"]] == [("compact", 1), ("expire", 0)]
    assert lake.count(RAW_PLAYS) == 2


def test_a_run_for_people_is_a_table_of_its_steps(run: Run, lake: Lake) -> None:
    code, out, _ = run("upkeep")
    assert code == 0
    assert "as of" not in out
    assert "rows written" in out
    assert lake.exists(RAW_PLAYS)


def test_one_step_alone_may_run(run: Run, lake: Lake) -> None:
    _, out, _ = run("upkeep", "--only", "expire", "--json")
    assert [step["step"] for step in document(out)["steps"]] == ["expire"]
    assert lake.exists(RAW_PLAYS)


def test_a_failure_ends_in_the_runbooks_line_and_how_to_go_on(run: Run, home: Home) -> None:
    home.log.mkdir()
    code, out, err = run("upkeep", "--json")
    assert (code, out) == (1, "")
    assert "step expire:" in err
    assert "docs/runbook.md#expire" in err
    assert "backbeat run upkeep --resume" in err


def test_a_failed_run_goes_on_at_the_failed_step_as_of_the_same_day(run: Run, lake: Lake, home: Home) -> None:
    hidden, file = hide_erasures(lake)
    assert run("upkeep")[0] == 1
    hidden.rename(file)
    lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, [raw_play("newer", MONDAY + 9 * DAY)]))
    code, out, _ = run("upkeep", "--resume", "--json")
    told = document(out)
    assert code == 0
    assert [step["step"] for step in told["steps"]] == ["expire"]
    assert [record.status for record in RunLedger(home.runs).last()] == [Status.DONE, Status.FAILED]


def test_a_run_that_died_between_two_steps_goes_on_after_the_last_one_done(run: Run, lake: Lake, home: Home) -> None:
    ledger = RunLedger(home.runs)
    dead = ledger.begin("upkeep", day_of(MONDAY + DAY), 1, ["compact", "expire"])
    ledger.begin_step(dead, "compact", 2)
    ledger.finish_step(dead, "compact", Status.DONE, 3, {})
    _, out, _ = run("upkeep", "--resume", "--json")
    assert [step["step"] for step in document(out)["steps"]] == ["expire"]
    assert ledger.last(2)[1].status is Status.FAILED
    assert lake.exists(RAW_PLAYS)


def test_a_resumed_run_that_died_between_two_steps_goes_on_where_it_was(run: Run, home: Home) -> None:
    ledger = RunLedger(home.runs)
    resumed = ledger.begin("daily", day_of(MONDAY), 1, ["charts_daily", "features_matrix", "check_data"])
    ledger.begin_step(resumed, "charts_daily", 2)
    ledger.finish_step(resumed, "charts_daily", Status.DONE, 3, {})
    _, out, _ = run("daily", "--resume", "--dry-run", "--json")
    assert document(out)["steps"][0]["name"] == "features_matrix"


@pytest.mark.parametrize(
    ("later", "left"),
    [
        (None, ["core_sessions", "features_taste"]),
        ("2024-12-30..2024-12-31", []),
        ("", ["core_sessions", "features_taste"]),
    ],
    ids=["nothing since", "the same days since", "stale days alone since"],
)
def test_a_failed_run_that_reopened_days_goes_on_with_them(
    run: Run, home: Home, later: str | None, left: list[str]
) -> None:
    ledger = RunLedger(home.runs)
    asked = ["core_plays", "core_sessions", "features_taste"]
    dead = ledger.begin("tables", day_of(MONDAY + DAY), 1, asked, "2024-12-30..2024-12-31")
    ledger.begin_step(dead, "core_plays", 2)
    ledger.finish_step(dead, "core_plays", Status.DONE, 3, {})
    if later is not None:
        done = ledger.begin("tables", day_of(MONDAY + DAY), 4, asked, later or None)
        for step in asked:
            ledger.begin_step(done, step, 5)
            ledger.finish_step(done, step, Status.DONE, 6, {})
        ledger.finish(done, Status.DONE, 7)
    told = document(run("tables", "--resume", "--dry-run", "--json")[1])
    assert [step["name"] for step in told["steps"]] == left
    assert told.get("reopened") == ("2024-12-30..2024-12-31" if left else None)


def test_after_a_run_that_ended_well_nothing_is_left_to_resume(run: Run, lake: Lake) -> None:
    assert run("upkeep")[0] == 0
    code, out, _ = run("upkeep", "--resume", "--json")
    assert (code, document(out)) == (0, {"plan": "upkeep", "steps": []})
    assert "ended well" in run("upkeep", "--resume")[1]
    assert lake.exists(RAW_PLAYS)


def test_a_plan_that_never_ran_cannot_be_resumed(run: Run) -> None:
    code, _, err = run("upkeep", "--resume")
    assert code == 1
    assert "cannot resume upkeep: it has never run" in err


def test_a_lake_that_is_held_names_its_holder(run: Run, lake: Lake, home: Home) -> None:
    with LakeLock(home.lock, "import"):
        code, out, err = run("upkeep", "--json")
    assert (code, out) == (1, "")
    assert f"the lake is held by process {os.getpid()} on" in err.replace("\n", " ")
    assert "(import)" in err
    assert lake.exists(RAW_PLAYS)
    assert run("upkeep")[0] == 0
