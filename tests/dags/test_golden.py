"""Every DAG as it renders, beside the file that says how it should. BACKBEAT_UPDATE_GOLDEN=1 rewrites these files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
DAGS = Path(__file__).parents[2] / "dags"


@pytest.mark.servers
def test_dags_render_the_commands_of_their_golden_files(airflow_script: Callable[..., str]) -> None:
    rendered = json.loads(airflow_script("render.py", str(DAGS)).splitlines()[-1])
    assert rendered["errors"] == {}
    if os.environ.get("BACKBEAT_UPDATE_GOLDEN"):
        for name, text in rendered["dags"].items():
            (GOLDEN / f"{name}.txt").write_text(text)
    golden = {path.stem: path.read_text() for path in GOLDEN.glob("*.txt")}
    assert rendered["dags"] == golden


def test_no_dag_file_is_longer_than_sixty_lines() -> None:
    assert [path.name for path in DAGS.glob("*.py") if len(path.read_text().splitlines()) > 60] == []
