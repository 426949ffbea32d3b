"""Airflow on this machine: `python -m deploy.local.airflow` starts scheduler, DAG processor and page until Ctrl-C.

It runs in its own environment, `.venv-airflow`; steps run in the main one. All its state is in BACKBEAT_HOME/airflow.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.stores.home import Home

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-airflow" / "bin" / "python"
PORT = 8080
READY_WITHIN_S, STOPPED_WITHIN_S = 180.0, 20.0
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
        "AIRFLOW__CORE__PARALLELISM": "2",
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
    """Airflow, healthy, until the block ends. Raises `AirflowUnavailable`."""
    variables = environment(folder, base, port)
    password = _prepared(folder, variables)
    commands = {
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
    }
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_process(folder, name, command, variables)) for name, command in commands.items()
        ]
        airflow = Airflow(variables["AIRFLOW__API__BASE_URL"], USER, password)
        _await_health(airflow, processes, folder)
        yield airflow


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def _prepared(folder: Path, variables: Mapping[str, str]) -> str:
    """Its database and its one user, made where they are not there yet; the user's password."""
    if not PYTHON.exists():
        raise AirflowUnavailable(f"starting Airflow: no {PYTHON}; `make airflow-env` installs it")
    if _answers(variables["AIRFLOW__API__BASE_URL"]):
        raise AirflowUnavailable(f"starting Airflow: {variables['AIRFLOW__API__BASE_URL']} is taken, choose a --port")
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


@contextmanager
def _process(
    folder: Path, name: str, arguments: list[str], variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """One of Airflow's processes and its children, in a group of their own, stopped together at the end."""
    command = [str(PYTHON), "-m", "airflow", *arguments]
    with (folder / "logs" / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(command, env=dict(variables), stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
            process.wait(STOPPED_WITHIN_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _await_health(airflow: Airflow, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _healthy(airflow.url):
        dead = [process.args for process in processes if process.poll() is not None]
        if dead or time.monotonic() > deadline:
            why = f"{dead} ended" if dead else f"not healthy within {READY_WITHIN_S:.0f} s"
            raise AirflowUnavailable(f"starting Airflow at {airflow.url}: {why}; see {folder / 'logs'}")
        time.sleep(0.5)


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
    except AirflowUnavailable as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")


if __name__ == "__main__":
    main()
