"""Runs of DAGs by `dag.test()`: which commands they give, in which order, and what is said when one fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.plan import DAILY, TABLES, UPKEEP, Plan
from tests.dags.conftest import Recorder

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def test_daily_runs_each_step_once_in_the_plans_order_as_of_the_day_its_interval_ends(
    airflow_script: Callable[..., str], tmp_path: Path
) -> None:
    steps = Recorder.at(tmp_path)
    output = airflow_script(
        "try_dag.py", "daily", "2024-02-29T02:00", "{}", with_database=True, BACKBEAT_PYTHON=str(steps.program)
    )
    assert outcome(output)["state"] == "success"
    assert sorted(steps.calls) == sorted(commands(DAILY, "--as-of 2024-02-29"))
    assert in_an_order_of(DAILY, [call.split()[5] for call in steps.calls])


def test_backfill_reopens_the_days_it_is_given(airflow_script: Callable[..., str], tmp_path: Path) -> None:
    steps = Recorder.at(tmp_path)
    days = json.dumps({"from": "2014-12-01", "to": "2014-12-07"})
    output = airflow_script(
        "try_dag.py", "backfill", "2024-02-29T02:00", days, with_database=True, BACKBEAT_PYTHON=str(steps.program)
    )
    assert outcome(output)["state"] == "success"
    assert sorted(steps.calls) == sorted(commands(TABLES, "--reopen 2014-12-01..2014-12-07"))


def test_upkeep_is_as_of_no_day(airflow_script: Callable[..., str], tmp_path: Path) -> None:
    steps = Recorder.at(tmp_path)
    output = airflow_script(
        "try_dag.py", "upkeep", "2024-02-29T02:00", "{}", with_database=True, BACKBEAT_PYTHON=str(steps.program)
    )
    assert outcome(output)["state"] == "success"
    assert steps.calls == commands(UPKEEP, "")


def test_a_step_that_fails_stops_those_after_it_and_says_its_line_of_the_runbook(
    airflow_script: Callable[..., str], tmp_path: Path
) -> None:
    steps = Recorder.at(tmp_path, fails_at="core_sessions")
    output = airflow_script(
        "try_dag.py", "daily", "2024-02-29T02:00", "{}", with_database=True, BACKBEAT_PYTHON=str(steps.program)
    )
    tasks = outcome(output)["tasks"]
    assert tasks["core_sessions"] == "failed"
    assert tasks["features_transitions"] == tasks["publish"] == "upstream_failed"
    assert tasks["charts_daily"] == "success"
    assert "backbeat: out of memory" in output
    assert "core_sessions failed, see docs/runbook.md#core_sessions" in output


def outcome(output: str) -> dict[str, Any]:
    """What the script says on its last line."""
    return dict(json.loads(output.splitlines()[-1]))


def commands(plan: Plan, days: str) -> list[str]:
    """What the interpreter should have been called with."""
    return [
        f"-m backbeat run {plan.name} --only {step.name} --detailed-exit --json {days}".strip() for step in plan.steps
    ]


def in_an_order_of(plan: Plan, names: list[str]) -> bool:
    """Whether each step comes after those that write what it needs."""
    return all(
        names.index(earlier) < names.index(step.name) for step in plan.steps for earlier in plan.upstream_of(step)
    )
