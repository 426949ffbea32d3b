"""Where Airflow is: in its own environment beside the main one, where these tests run it as a subprocess."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.airflow import PYTHON, ROOT, environment

HERE = Path(__file__).parent
RECORDS = """#!/bin/sh
echo "$@" >> {record}
case "$*" in *"--only {step} "*) echo "backbeat: out of memory" >&2; exit {code};; esac
"""


@dataclass(frozen=True)
class Recorder:
    """A stand-in for the main interpreter: it writes down what it was called with, and fails at one step if told to."""

    program: Path
    record: Path

    @classmethod
    def at(cls, folder: Path, fails_at: str = "no step", code: int = 1) -> Recorder:
        """One in that folder; `fails_at` names the step that it cannot do, which ends with `code`."""
        made = cls(folder / "python", folder / "calls")
        made.program.write_text(RECORDS.format(record=made.record, step=fails_at, code=code))
        made.program.chmod(0o755)
        return made

    @property
    def calls(self) -> list[str]:
        """The arguments of each call, in order."""
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """The interpreter of Airflow's environment; the test is skipped where it is not installed."""
    if not PYTHON.exists():
        pytest.skip(f"Airflow is not installed in {PYTHON.parents[1].relative_to(ROOT)}: make servers")
    return PYTHON


@pytest.fixture
def airflow_script(airflow_python: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs one of the scripts beside these tests in Airflow's environment; what it printed, logs included."""
    settings = environment(tmp_path / "airflow", os.environ | {"BACKBEAT_HOME": str(tmp_path / "home")})

    def ran(script: str, *arguments: str, with_database: bool = False, **variables: str) -> str:
        variables = settings | variables
        if with_database:
            _run([str(airflow_python), "-m", "airflow", "db", "migrate"], variables)
        return _run([str(airflow_python), str(HERE / script), *arguments], variables)

    return ran


def _run(command: list[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=dict(variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
