"""Airflow on this machine: `python -m deploy.local.airflow` starts scheduler, DAG processor and page until Ctrl-C.

It runs in its own environment, `.venv-airflow`; steps run in the main one. All its state is in BACKBEAT_HOME/airflow.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import service
from deploy.local.service import Service, ServiceFailed, answers
from warehouse.stores.home import Home

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-airflow" / "bin" / "python"
PORT = 8080
READY_SECONDS = 180.0
USER = "admin"


class AirflowUnavailable(Exception):
    """Airflow could not be started; says what was tried and where its logs are."""


@dataclass(frozen=True)
class Airflow:
    """A running Airflow: where its page is, and how to log in."""

    url: str
    user: str
    password: str


def environment(folder: Path, base: Mapping[str, str], port: int = PORT) -> dict[str, str]:
    """`base` and what Airflow must know: our DAGs, its folder, one machine, nothing of its own examples."""
    url = f"http://127.0.0.1:{port}"
    return {
        **base,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": base.get("AIRFLOW__CORE__DAGS_FOLDER") or str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # a step, and beside it the word that a run is late
        "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "1",  # steps of all DAGs take turns on the lake
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": str(ROOT),  # for dags and jobs.plan
        "BACKBEAT_PYTHON": base.get("BACKBEAT_PYTHON") or sys.executable,
        "BACKBEAT_HOME": str(Home.from_environment(base).root),
    }


@contextmanager
def running(folder: Path, base: Mapping[str, str], port: int = PORT) -> Iterator[Airflow]:
    """Airflow, healthy, until the block ends. Raises `AirflowUnavailable`, and `ServiceFailed` with the log's end."""
    variables = environment(folder, base, port)
    url = variables["AIRFLOW__API__BASE_URL"]
    if answers(port):
        raise AirflowUnavailable(f"starting Airflow: {url} is taken, choose a --port")
    password = _prepared(folder, variables)
    page = ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with ExitStack() as started:
        for name, arguments in (("scheduler", ["scheduler", "--skip-serve-logs"]), ("processor", ["dag-processor"])):
            started.enter_context(service.running(_part(name, arguments, variables, lambda: True), folder / "logs"))
        started.enter_context(service.running(_part("page", page, variables, lambda: _healthy(url)), folder / "logs"))
        yield Airflow(url, USER, password)


def _part(name: str, arguments: list[str], variables: Mapping[str, str], ready: Callable[[], bool]) -> Service:
    """One of Airflow's processes. The page is ready when it says that the others are healthy."""
    return Service(
        f"airflow-{name}",
        lambda _folder, _port: [PYTHON, "-m", "airflow", *arguments],
        lambda _: ready(),
        ready_seconds=READY_SECONDS,
        stop_seconds=20,
        environment=variables,
    )


def _prepared(folder: Path, variables: Mapping[str, str]) -> str:
    """Its database and its one user, made where they are not there yet; the user's password."""
    if not PYTHON.exists():
        raise AirflowUnavailable(f"starting Airflow: no {PYTHON}; `make servers` installs it")
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    passwords = folder / "simple_auth_manager_passwords.json.generated"
    if not passwords.exists():
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: secrets.token_urlsafe(12)}))
    log = folder / "logs" / "migrate.log"
    with log.open("ab") as output:
        command = [str(PYTHON), "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env=dict(variables), stdout=output, stderr=output, check=False)
    if done.returncode:
        raise AirflowUnavailable(f"starting Airflow: making its database failed, see {log}")
    return str(json.loads(passwords.read_text())[USER])


def _healthy(url: str) -> bool:
    """Whether the page answers and says that scheduler and DAG processor are alive."""
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310 - our own http
            parts = json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return all(parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "dag_processor"))


def main() -> None:
    """Start it, say where it is, and wait for Ctrl-C."""
    parser = ArgumentParser(description="Airflow on this machine, until Ctrl-C.")
    parser.add_argument("--port", type=int, default=PORT, help="of its page, on 127.0.0.1")
    port = parser.parse_args().port
    folder = Home.from_environment(os.environ).root / "airflow"
    sys.stdout.write("Starting Airflow, half a minute ...\n")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops it as Ctrl-C does
    try:
        with running(folder, os.environ, port) as airflow:
            sys.stdout.write(f"{airflow.url}  log in as {airflow.user}, password {airflow.password}\n")
            sys.stdout.write("DAGs begin paused: switch on what should run. Ctrl-C stops all of it.\n")
            sys.stdout.flush()
            signal.pause()
    except (AirflowUnavailable, ServiceFailed) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")


if __name__ == "__main__":
    main()
