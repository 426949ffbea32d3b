"""SIGKILL in the middle of steps, then `--resume`: the same tables and the same model as an undisturbed run.

Each moment is found by watching the ledger and the folders that a step writes, never by waiting a while.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.candidate import RECIPE
from jobs.importers.intake import Request, import_plays
from jobs.plan import DAILY
from jobs.world import PLAYS_FILE, TRACKS_FILE, WorldConfig, generate
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.stores.runs import RunLedger, Status
from warehouse.tables import TABLES

ROOT = Path(__file__).parents[2]
WORLD = WorldConfig(listeners=40, tracks=100, plays=2_500, days=6)
NOW_MS = 1_800_000_000_000
PATIENCE_S = 600

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


@dataclass(frozen=True)
class Moment:
    """When to kill: while this step runs and, with a `folder` of BACKBEAT_HOME, once it has put a file there."""

    step: str
    folder: str | None = None

    def has_begun(self, home: Home) -> bool:
        """Whether the step runs."""
        steps = [step for last in RunLedger(home.runs).last(1) for step in last.steps]
        return any(step.step == self.step and step.status is Status.RUNNING for step in steps)

    def files(self, home: Path) -> int:
        """How many files are in its folder."""
        return files_in(home / self.folder) if self.folder else 0


IN_PLAYS = Moment("core_plays", "lake/core/plays")  # data files before their commit
IN_TASTE = Moment("features_taste", "lake/features/taste")
IN_TRAINING = Moment("train", "candidate")  # the brief is there, the model is not yet
STEPS = [step.name for step in DAILY.steps]
TOO_BRIEF = {"land_events", "check_data", "evaluate", "gate"}  # over before a watcher has seen them run


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small world in its raw tables, and nothing run yet."""
    folder = tmp_path_factory.mktemp("kill")
    generate(WORLD, folder / "world")
    files = [folder / "world" / name for name in (PLAYS_FILE, TRACKS_FILE)]
    import_plays(Request(files), home_in(folder / "imported"), now_ms=NOW_MS)
    (folder / "imported" / RECIPE).write_text(json.dumps({"iterations": 400}))  # long enough to be killed in
    return folder / "imported"


@pytest.fixture(scope="module")
def undisturbed(imported: Path) -> dict[str, Any]:
    """What a run that nobody kills ends in."""
    home = imported.with_name("undisturbed")
    shutil.copytree(imported, home)
    return finished(home)


def home_in(folder: Path) -> Home:
    return Home.from_environment({"BACKBEAT_HOME": str(folder)})


def files_in(folder: Path) -> int:
    return sum(1 for file in folder.rglob("*") if file.is_file())


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKBEAT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "backbeat", "run", "daily", "--json", *arguments],
        cwd=ROOT,
        env=environment | {"BACKBEAT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # its JVM is of its group, and dies with it
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(home: Path, *arguments: str) -> dict[str, Any]:
    """The document of a run that is left to end."""
    with running(home, *arguments) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        document: dict[str, Any] = json.loads(out)
        return document


def killed(home: Path, moment: Moment, *arguments: str) -> None:
    """Run until the moment has come, and kill."""
    before = moment.files(home)
    with running(home, *arguments) as process:
        wait_for(lambda: moment.has_begun(home_in(home)), process, moment)
        if moment.folder is not None:
            wait_for(lambda: moment.files(home) > before, process, moment)


def wait_for(event: Callable[[], bool], process: subprocess.Popen[str], moment: Moment) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not event():
        assert process.poll() is None, f"the run ended before {moment} had come: {process.communicate()[1]}"
        assert time.monotonic() < deadline, f"{moment} never came"
        time.sleep(0.001)


def hashes_of(home: Path) -> dict[str, str]:
    """The content of every table that is there."""
    lake = Lake(home_in(home).lake_url)
    return {name: lake.content_hash(table) for name, table in TABLES.items() if lake.exists(table)}


def test_a_run_killed_in_several_steps_ends_where_an_undisturbed_one_does(
    imported: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(imported, home)
    killed(home, IN_PLAYS)
    killed(home, IN_TASTE, "--resume")
    killed(home, IN_TRAINING, "--resume")
    resumed = finished(home, "--resume")
    assert resumed["as_of"] == undisturbed["as_of"]
    assert [step["step"] for step in resumed["steps"]] == STEPS[STEPS.index("train") :]
    assert resumed["artifact_sha256"] == undisturbed["artifact_sha256"]
    assert hashes_of(home) == hashes_of(imported.with_name("undisturbed"))
    assert [run.status for run in RunLedger(home_in(home).runs).last()] == [Status.DONE, *[Status.FAILED] * 3]


@pytest.mark.slow
@pytest.mark.parametrize("step", [step for step in STEPS if step not in TOO_BRIEF])
def test_a_kill_as_any_step_begins_changes_nothing_in_the_end(
    imported: Path, undisturbed: dict[str, Any], tmp_path: Path, step: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(imported, home)
    killed(home, Moment(step))
    resumed = finished(home, "--resume")
    assert [done["step"] for done in resumed["steps"]] == STEPS[STEPS.index(step) :]
    assert resumed["artifact_sha256"] == undisturbed["artifact_sha256"]
    assert hashes_of(home) == hashes_of(imported.with_name("undisturbed"))
