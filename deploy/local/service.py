"""Starts a real server on this machine for as long as it is wanted: on 127.0.0.1, never left behind."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

# The server lives as long as its starter's end of standard input is open, so it ends with its starter however that
# ends. The one line on standard output is its process id; all else goes to the log.
_LIFELINE = """\
("$@" < /dev/null >&2 & echo $!; exec >&2; wait $!; echo "ended with status $?"; kill $$) &
exec >&2; read _; kill 0
"""
# Below those that systems give to outgoing connections: there, a client that keeps calling a server which is away can
# be given that very port, talks to itself from then on, and the server finds its port taken.
_FREE_PORTS = range(20_000, 32_768)
_POLL_SECONDS = 0.05


class ServiceFailed(Exception):
    """A server didn't become ready; says which, what was waited for, and the end of its log."""


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class Service:
    """How to start a server at a port, and how to tell that it is ready to be asked."""

    name: str
    command: Callable[[int], Sequence[str | Path]]
    ready: Callable[[int], bool] = answers
    ready_seconds: float = 30.0
    stop_seconds: float = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A server that is ready; `pid` is its own process."""

    port: int
    log_path: Path
    pid: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL it, as a crash would, and return when it is gone. The same folder and port may start it again."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            while True:
                os.kill(self.pid, 0)
                time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    while True:
        port = secrets.choice(_FREE_PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(service: Service, folder: Path, port: int | None = None) -> Iterator[Running]:
    """The server, with its log in `folder`, at a free port or this one; stopped at the end, with all that it started.

    Raises `ServiceFailed` where the port is taken or the server isn't ready in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port()
    if answers(chosen):
        raise ServiceFailed(f"starting {service.name}: something else listens at port {chosen} already")
    log_path = folder / f"{service.name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIFELINE, service.name, *map(str, service.command(chosen))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **service.environment},
            start_new_session=True,
        )
    try:
        pid = _told_pid(process)
        _await_ready(service, process, chosen, log_path)
        yield Running(chosen, log_path, pid)
    finally:
        _stop(process, service.stop_seconds)


def _told_pid(process: subprocess.Popen[bytes]) -> int:
    """The server's process id, which the shell that starts it tells."""
    if process.stdout is None:
        raise AssertionError("the lifeline's standard output is a pipe")
    with process.stdout as told:
        return int(told.readline())


def _await_ready(service: Service, process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + service.ready_seconds
    while not service.ready(port):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            found = "it ended" if ended else f"not after {service.ready_seconds:g} s"
            last = "\n".join(log_path.read_text(errors="replace").splitlines()[-10:])
            raise ServiceFailed(
                f"waiting for {service.name} to be ready at port {port}: {found}; {log_path} ends:\n{last}"
            )
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes], patience_seconds: float) -> None:
    """Close its lifeline; what of its process group is still there after a while is killed."""
    if process.stdin is not None:
        process.stdin.close()
    deadline = time.monotonic() + patience_seconds
    while _is_alive(process):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _is_alive(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # so that the leader of the group is no zombie
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
