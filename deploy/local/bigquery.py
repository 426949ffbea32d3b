"""The BigQuery emulator on this machine, in its own environment, `.venv-bqemulator`: for tests, and to try queries on.

`python -m deploy.local.bigquery` starts it until Ctrl-C. It keeps nothing: its tables are gone when it stops.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.service import Running, Service, ServiceFailed, free_port, running
from warehouse.stores.home import Home

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-bqemulator" / "bin" / "python"
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


class EmulatorMissing(Exception):
    """The emulator's environment is not here; says what installs it."""


@contextmanager
def emulator(folder: Path) -> Iterator[Running]:
    """An empty BigQuery with `folder` as its home. Raises `EmulatorMissing` and `ServiceFailed`."""
    if not PYTHON.exists():
        raise EmulatorMissing("no BigQuery emulator here: `make servers` installs it")
    folder.mkdir(parents=True, exist_ok=True)
    home = {"HOME": str(folder)}
    subprocess.run([PYTHON, "-c", PLACE_EXTENSIONS], env=os.environ | home, check=True)
    with running(Service("bqemulator", _command, _answers, ready_seconds=120, environment=home), folder) as bigquery:
        yield bigquery


def _command(port: int) -> list[str | Path]:
    ports = ["--rest-port", str(port), "--grpc-port", str(free_port())]
    return [PYTHON, "-m", "bqemulator", "start", *ports, "--project", PROJECT, "--log-level", "warning"]


def _answers(port: int) -> bool:
    url = f"http://127.0.0.1:{port}/bigquery/v2/projects/{PROJECT}/datasets"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def main() -> None:
    """Start it, say where it is, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops it as Ctrl-C does
    try:
        with emulator(Home.from_environment(os.environ).root / "bqemulator") as bigquery:
            address = f"BIGQUERY_EMULATOR_HOST=http://{bigquery.address}"
            sys.stdout.write(f"export {address} BACKBEAT_WAREHOUSE=bigquery://{PROJECT}/lake\n")
            sys.stdout.flush()
            signal.pause()
    except (EmulatorMissing, ServiceFailed) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")


if __name__ == "__main__":
    main()
