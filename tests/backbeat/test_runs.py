"""`backbeat runs` says how each run ended, also of one whose process was killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backbeat.cli import main
from warehouse.stores.home import Home
from warehouse.stores.lock import LakeLock
from warehouse.stores.runs import RunLedger, Status

HOLD = """
import sys, time
from pathlib import Path
from warehouse.stores.lock import LakeLock
with LakeLock(Path(sys.argv[1]), "run daily"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose ledger says that a run is at its first step."""
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    home = Home.from_environment({"BACKBEAT_HOME": str(tmp_path)})
    ledger = RunLedger(home.runs)
    ledger.begin_step(ledger.begin("daily", None, 0, ["land_events", "core_tracks"]), "land_events", 1)
    return home


@pytest.fixture
def runner(home: Home) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lake as a run does."""
    with subprocess.Popen([sys.executable, "-c", HOLD, home.lock], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The status of the newest run, and of its last step."""
    main(["runs", "--json"])
    newest = json.loads(capsys.readouterr().out)["runs"][0]
    return newest["status"], newest["steps"][-1]["status"]


def test_a_run_whose_process_was_killed_has_died(
    runner: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys) == ("running", "running")
    runner.kill()
    runner.wait()
    assert told(capsys) == ("died", "died")


def test_a_run_is_not_alive_because_something_else_holds_the_lake(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with LakeLock(home.lock, "import"):
        assert told(capsys) == ("died", "died")
    with LakeLock(home.lock, "run daily"):
        assert told(capsys) == ("running", "running")


def test_the_table_has_the_first_line_of_an_error_and_json_all_of_it(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    RunLedger(home.runs).finish_step(1, "land_events", Status.FAILED, 2, {}, "OSError: no room\nat a\nat b")
    main(["runs"])
    out = capsys.readouterr().out
    assert "land_events: OSError: no room" in out
    assert "at a" not in out
    main(["runs", "--json"])
    assert json.loads(capsys.readouterr().out)["runs"][0]["steps"][0]["error"] == "OSError: no room\nat a\nat b"
