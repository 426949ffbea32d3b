"""Airflow as `make airflow` starts it, on a free port: it runs what it is asked to, and says when a run is late."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from backbeat.output import FAILS_AGAIN
from deploy.local.airflow import ROOT, Airflow, AirflowUnavailable, running
from deploy.local.service import free_port
from jobs.plan import TABLES
from tests.dags.conftest import Recorder
from tests.dags.test_runs import commands

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.usefixtures("airflow_python"),
    pytest.mark.xdist_group("airflow"),  # one Airflow for all of them
]


LATE_AT_ONCE = """
# Airflow reads only files that name it and a DAG
from dataclasses import replace
from datetime import timedelta
from dags.steps import plan_dag
from jobs.plan import UPKEEP

dag = plan_dag("late", replace(UPKEEP, steps=UPKEEP.steps[:1]), "", schedule=None)
dag.deadline[0].interval = timedelta(0)
"""


class Page:
    """What the tests ask of Airflow's REST interface, as the user of its page."""

    def __init__(self, airflow: Airflow) -> None:
        self._client = httpx.Client(base_url=airflow.url, timeout=30)
        login = {"username": airflow.user, "password": airflow.password}
        self._client.headers["Authorization"] = f"Bearer {self.asks('POST', '/auth/token', login)['access_token']}"

    def asks(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The answer; raises HTTPStatusError where it is a refusal."""
        return dict(self._client.request(method, path, json=body).raise_for_status().json())

    def awaits(self, path: str, done: Callable[[dict[str, Any]], bool], within_s: float = 180) -> dict[str, Any]:
        """Asks until the answer is what is waited for."""
        deadline = time.monotonic() + within_s
        while not done(answer := self.asks("GET", path)):
            assert time.monotonic() < deadline, f"{path} after {within_s} s: {answer}"
            time.sleep(1)
        return answer

    def runs(self, dag: str, conf: Mapping[str, str]) -> str:
        """Switches the DAG on, has it run once, and says how that ended."""
        self.awaits("/api/v2/dags", lambda found: dag in {one["dag_id"] for one in found["dags"]})
        self.asks("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        run = self.asks("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        ended = self.awaits(f"/api/v2/dags/{dag}/dagRuns/{run}", lambda run: run["state"] in {"success", "failed"})
        return str(ended["state"])

    def close(self) -> None:
        """Releases its connections."""
        self._client.close()


@dataclass(frozen=True)
class Running:
    """Airflow with a recorder in place of the main interpreter."""

    airflow: Airflow
    page: Page
    steps: Recorder
    folder: Path


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One Airflow for these tests: our DAGs, and one more that is late as soon as it starts. Training is refused."""
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    shutil.copytree(ROOT / "dags", dags)
    (dags / "late.py").write_text(LATE_AT_ONCE)
    steps = Recorder.at(folder, fails_at="check_data", code=FAILS_AGAIN)
    variables = {
        "BACKBEAT_HOME": str(folder / "home"),
        "BACKBEAT_PYTHON": str(steps.program),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
    }
    with running(folder / "state", os.environ | variables, free_port()) as airflow, closing(Page(airflow)) as page:
        yield Running(airflow, page, steps, folder / "state")


def test_the_scheduler_runs_a_backfill_that_was_asked_for_through_its_api(started: Running) -> None:
    assert started.page.runs("backfill", {"from": "2014-12-01", "to": "2014-12-07"}) == "success"
    told = [call for call in started.steps.calls if " tables " in call]
    assert sorted(told) == sorted(commands(TABLES, "--reopen 2014-12-01..2014-12-07"))
    written = started.page.asks("GET", "/api/v2/assets/events?limit=100")["asset_events"]
    assert {event["name"] for event in written} >= {name for step in TABLES.steps for name in step.writes}


def test_steps_of_all_dags_take_turns(started: Running) -> None:
    assert started.page.asks("GET", "/api/v2/pools/default_pool")["slots"] == 1


@pytest.mark.parametrize("day", ["2014-12-01; echo", "2014-12-01\n", "2014-12-01..2014-12-02", ""])
def test_a_day_that_is_none_is_refused(started: Running, day: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        started.page.runs("backfill", {"from": day, "to": "2014-12-02"})


def test_a_refusal_is_final_and_its_log_says_the_line_of_the_runbook(started: Running) -> None:
    assert started.page.runs("train_weekly", {}) == "failed"
    tried = started.page.asks("GET", "/api/v2/dags/train_weekly/dagRuns/~/taskInstances")["task_instances"]
    ended = {(one["task_id"], one["state"], one["try_number"]) for one in tried if one["dag_run_id"][:6] == "manual"}
    assert ended >= {("features_matrix", "success", 1), ("check_data", "failed", 1), ("train", "upstream_failed", 0)}
    (log,) = started.folder.glob("logs/dag_id=train_weekly/run_id=manual*/task_id=check_data/attempt=1.log")
    assert "check_data failed, see docs/runbook.md#check_data" in log.read_text()


def test_a_run_by_hand_which_has_no_interval_is_as_of_the_day_it_is_asked_for(started: Running) -> None:
    assert started.page.runs("daily", {}) == "failed"  # at check_data, which is refused here
    assert f"--only core_plays --detailed-exit --json --as-of {datetime.now(UTC).date()}" in " ".join(
        started.steps.calls
    )


def test_a_run_that_passes_its_deadline_is_told(started: Running) -> None:
    assert started.page.runs("late", {}) == "success"
    wait_until(lambda: "upkeep is late" in "".join(log.read_text() for log in started.folder.rglob("*.log")))


def wait_until(true: Callable[[], bool], within_s: float = 60) -> None:
    """Asks until it is so."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not so after {within_s} s"
        time.sleep(1)


def test_a_port_that_is_taken_is_refused_before_anything_starts(started: Running, tmp_path: Path) -> None:
    port = int(started.airflow.url.rsplit(":", 1)[1])
    with pytest.raises(AirflowUnavailable, match="is taken"), running(tmp_path, os.environ, port):
        pass
