"""What the demo of the stream stands on: Kafka, Valkey, workers and the API, which end with their starter."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec

from backbeat.output import CommandFailed, notice
from backbeat.stream import EVERY_FEATURE, STOP_SECONDS
from deploy.local.kafka import KAFKA
from deploy.local.service import Running, Service, answers, free_port, running
from deploy.local.valkey import VALKEY
from serving.live_answers import StreamAnswer

STORES = (KAFKA, VALKEY)
API_SECONDS, WORKERS_SECONDS = 90.0, 180.0  # on a machine that does other things too
POLL_SECONDS = 0.2
LAST_LINES = 10


@dataclass(frozen=True)
class Server:
    """One that is up, by what to call it."""

    name: str
    up: Running

    def check(self) -> None:
        """Raises `CommandFailed`, with the end of its log, where it has ended."""
        try:
            os.kill(self.up.pid, 0)
        except ProcessLookupError as error:
            last = "\n".join(self.up.log_path.read_text(errors="replace").splitlines()[-LAST_LINES:])
            raise CommandFailed(f"the demo: {self.name} has ended; {self.up.log_path} ends:\n{last}") from error


@contextmanager
def opened_servers(home: Path, port: int) -> Iterator[Sequence[Server]]:
    """All of them over the demo's home, the API at this port; stopped in turn, the API first.

    Whatever kills this process, they end too. Raises `NotInstalled` and `ServiceFailed`, and `CommandFailed` where the
    workers don't begin.
    """
    notice(f"Starting Kafka, Valkey, {len(EVERY_FEATURE)} workers and the API; their logs are in {home}")
    with ExitStack() as up:
        servers: list[Server] = []
        environment: dict[str, str] = {}

        def start(service: Service, at: int | None = None) -> str:
            server = up.enter_context(running(service, home / service.name, at))
            servers.append(Server(service.name, server))
            return server.address

        for store in STORES:
            if not store.installed():
                store.install()
            environment |= store.settings(start(store))
        start(workers(environment), _free_ports(len(EVERY_FEATURE)))
        start(api(environment), port)
        _await_workers(servers, port)
        yield servers


def workers(environment: Mapping[str, str]) -> Service:
    """`backbeat stream`, with metrics from its port on: it is ready when all of them answer."""
    return Service(
        "workers",
        lambda _, port: [sys.executable, "-m", "backbeat", "stream", "--metrics-port", str(port)],
        ready=lambda port: all(answers(port + place) for place in range(len(EVERY_FEATURE))),
        ready_seconds=WORKERS_SECONDS,
        stop_seconds=2 * STOP_SECONDS,
        environment=environment,
    )


def api(environment: Mapping[str, str]) -> Service:
    """`backbeat serve`."""
    return Service(
        "api",
        lambda _, port: [sys.executable, "-m", "backbeat", "serve", "--port", str(port)],
        ready=lambda port: _got(port, "/readyz") is not None,
        ready_seconds=API_SECONDS,
        environment=environment,
    )


def _await_workers(servers: Sequence[Server], port: int) -> None:
    """Return when every feature has a worker that says so."""
    deadline = time.monotonic() + WORKERS_SECONDS
    while True:
        for server in servers:
            server.check()
        told = _got(port, "/v1/stream")
        features = msgspec.json.decode(told, type=StreamAnswer).features if told else ()
        missing = set(EVERY_FEATURE) - {feature.feature for feature in features if feature.alive}
        if not missing:
            return
        if time.monotonic() > deadline:
            found = f"no word of {', '.join(sorted(missing))} after {WORKERS_SECONDS:g} s"
            raise CommandFailed(f"the demo: waiting for the workers: {found}; their log is {servers[-2].up.log_path}")
        time.sleep(POLL_SECONDS)


def _got(port: int, path: str) -> bytes | None:
    """What is answered with a 200 there; None where it is not."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection, suppress(OSError, HTTPException):
        connection.request("GET", path)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status == HTTPStatus.OK:
            return told
    return None


def _free_ports(count: int) -> int:
    """The first of so many ports in a row that nothing listens on."""
    while True:
        first = free_port()
        if all(_is_free(first + place) for place in range(count)):
            return first


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        return True
    return False
