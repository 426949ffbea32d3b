"""The daily DAG for real: Airflow starts each step in the main environment, and a model is published at the end."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.airflow import ROOT
from jobs.plan import DAILY

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.slow]
FIRST_DAY_MS, DAY_MS, HOUR_MS = 1_704_067_200_000, 86_400_000, 3_600_000  # 2024-01-01
LISTENERS, DAYS, TASTES, TRACKS_A_TASTE = 20, 50, 5, 6


def test_daily_publishes_a_model_from_what_was_imported(airflow_script: Callable[..., str], tmp_path: Path) -> None:
    home = {"BACKBEAT_HOME": str(tmp_path / "home"), "BACKBEAT_PYTHON": sys.executable}
    backbeat(home, "import", str(plays_file(tmp_path / "plays.csv")))
    output = airflow_script("try_dag.py", "daily", "2024-02-20T02:00", "{}", with_database=True, **home)
    outcome = json.loads(output.splitlines()[-1])
    assert outcome["state"] == "success", output[-4_000:]
    assert set(outcome["tasks"]) == {step.name for step in DAILY.steps}
    answer = backbeat(home, "recommend", "listener-3", "--shelf", "on-repeat", "--json")
    assert answer["model_version"]
    assert {item["title"] for item in answer["items"]} <= {f"Song {number}" for number in tracks_of(3)}
    assert answer["items"]


def plays_file(path: Path) -> Path:
    """A thousand plays: each listener plays one track of one taste every day."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["listener_id", "artist", "title", "started_ms", "played_ms", "track_ms"])
        for listener in range(LISTENERS):
            tracks = tracks_of(listener)
            for play in range(DAYS):
                number = tracks[(play * play + listener) % TRACKS_A_TASTE]
                started_ms = FIRST_DAY_MS + play * DAY_MS + (listener + 1) * HOUR_MS
                rows.writerow(
                    [f"listener-{listener}", f"Band {number % 7}", f"Song {number}", started_ms, 180_000, 200_000]
                )
    return path


def tracks_of(listener: int) -> list[int]:
    """The numbers of the tracks of the listener's taste."""
    first = listener % TASTES * TRACKS_A_TASTE
    return list(range(first, first + TRACKS_A_TASTE))


def backbeat(home: dict[str, str], *arguments: str) -> dict[str, Any]:
    """What the command answers with `--json`."""
    command = [sys.executable, "-m", "backbeat", *arguments, *([] if "--json" in arguments else ["--json"])]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))
