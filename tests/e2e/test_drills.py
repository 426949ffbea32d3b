"""Real servers, load, and a fault in each round: the books are right afterwards, or the drill says what is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.kafka import KAFKA
from deploy.local.valkey import VALKEY

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.skipif(
        not (KAFKA.installed() and VALKEY.installed()), reason="no servers: `make servers` installs them"
    ),
]


def drilled(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drills", "--folder", str(folder), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKBEAT_")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_nothing_is_lost_or_counted_twice_when_broker_worker_and_sink_are_killed(tmp_path: Path) -> None:
    faults = [f"--fault={name}" for name in ("kill-broker", "kill-worker", "kill-sink")]
    done = drilled(tmp_path, "--rounds=3", "--seed=3", *faults)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"findings": []') == 3


@pytest.mark.slow
def test_nothing_is_lost_or_counted_twice_in_a_hundred_rounds_of_all_faults(tmp_path: Path) -> None:
    done = drilled(tmp_path, "--rounds=100", "--seed=7")
    assert done.returncode == 0, done.stdout + done.stderr
