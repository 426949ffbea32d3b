"""The BigQuery emulator on this machine, in its own environment, `.venv-bqemulator`: for tests, and to try queries on.

It keeps nothing: its tables are gone when it stops.
"""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from deploy.local import environment
from deploy.local.service import Running, Service, free_port, running

ENVIRONMENT = "bqemulator"
PYTHON = environment.folder(ENVIRONMENT) / "bin" / "python"
PROJECT = "backbeat"
# The emulator downloads two extensions of DuckDB into HOME unless they are there: wheels of its environment carry them.
PLACE_EXTENSIONS = """
import duckdb, duckdb_extension_avro, duckdb_extension_spatial, pathlib, shutil
platform = duckdb.sql("PRAGMA platform").fetchone()[0]
folder = pathlib.Path.home() / ".duckdb" / "extensions" / f"v{duckdb.__version__}" / platform
folder.mkdir(parents=True, exist_ok=True)
for wheel in (duckdb_extension_avro, duckdb_extension_spatial):
    (carried,) = pathlib.Path(wheel.__file__).parent.rglob("*.duckdb_extension")
    shutil.copy(carried, folder)
"""


def emulator(folder: Path, port: int | None = None) -> AbstractContextManager[Running]:
    """An empty BigQuery with `folder` as its home. Raises as `running` does."""
    return running(BIGQUERY, folder, port)


def _command(folder: Path, port: int) -> list[str | Path]:
    subprocess.run([PYTHON, "-c", PLACE_EXTENSIONS], env=os.environ | {"HOME": str(folder)}, check=True)
    ports = ["--rest-port", str(port), "--grpc-port", str(free_port())]
    start: list[str | Path] = [
        PYTHON,
        "-m",
        "bqemulator",
        "start",
        *ports,
        "--project",
        PROJECT,
        "--log-level",
        "warning",
    ]
    return ["env", f"HOME={folder}", *start]


def _answers(port: int) -> bool:
    url = f"http://127.0.0.1:{port}/bigquery/v2/projects/{PROJECT}/datasets"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


BIGQUERY = Service(
    "bigquery",
    _command,
    _answers,
    ready_seconds=120,
    installed=partial(environment.installed, ENVIRONMENT),
    install=partial(environment.install, ENVIRONMENT),
    default_port=9050,
    settings=lambda address: {
        "BIGQUERY_EMULATOR_HOST": f"http://{address}",
        "BACKBEAT_WAREHOUSE": f"bigquery://{PROJECT}/lake",
    },
)
