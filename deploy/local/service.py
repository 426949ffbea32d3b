"""Starts a real server on this machine for as long as it is wanted: on 127.0.0.1, never left behind."""

from __future__ import annotations

import os
import secrets
import select
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
POLL_SECONDS = 0.05
_CLOSING_SECONDS = 1.0


class ServiceFailed(Exception):
    """A server didn't become ready; says which, what was waited for, and the end of its log."""


class NotInstalled(Exception):
    """A server is not here, or could not be brought here; says what was tried, or what installs it."""


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _nothing() -> None:
    """What installs a server that is always here."""


@dataclass(frozen=True)
class Service:
    """A server: how it starts over a folder and at a port, when it is ready to be asked, and what brings it here.

    `command` also writes what the server reads at its start. `install` raises `NotInstalled`. `default_port` is where
    `backbeat stack` starts it, and `settings` are the variables that lead to it at an address. It is stopped by
    SIGTERM, and by SIGKILL where it is still there after `stop_seconds`.
    """

    name: str
    command: Callable[[Path, int], Sequence[str | Path]]
    ready: Callable[[int], bool] = answers
    ready_seconds: float = 30.0
    stop_seconds: float = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)
    installed: Callable[[], bool] = lambda: True
    install: Callable[[], object] = _nothing
    default_port: int = 0
    settings: Callable[[str], Mapping[str, str]] = lambda _: {}


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
            while True:  # until its parent, the shell that started it, has waited for it
                os.kill(self.pid, 0)
                time.sleep(POLL_SECONDS)


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    while True:
        port = secrets.choice(_FREE_PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(service: Service, folder: Path, port: int | None = None) -> Iterator[Running]:
    """The server over `folder`, its log there too, at this port or a free one; stopped with all that it started.

    Raises `NotInstalled`, and `ServiceFailed` where the port is taken or the server isn't ready in time.
    """
    chosen = port or free_port()
    command = command_for(service, folder, chosen)
    log_path = folder / f"{service.name}.log"
    last_gone, inherited = os.pipe()
    with os.fdopen(inherited), log_path.open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIFELINE, service.name, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **service.environment},
            start_new_session=True,
            pass_fds=[inherited],
        )
    with os.fdopen(last_gone):
        try:
            pid = _told_pid(process)
            await_ready(service, chosen, log_path, lambda: process.poll() is None)
            yield Running(chosen, log_path, pid)
        finally:
            _stop(process, last_gone, service.stop_seconds)
            await_closed(chosen)


def _told_pid(process: subprocess.Popen[bytes]) -> int:
    """The server's process id, which the shell that starts it tells."""
    if process.stdout is None:
        raise AssertionError("the lifeline's standard output is a pipe")
    with process.stdout as told:
        return int(told.readline())


def command_for(service: Service, folder: Path, port: int) -> list[str]:
    """What starts it there. Raises `NotInstalled`, and `ServiceFailed` where the port is taken."""
    if not service.installed():
        raise NotInstalled(f"no {service.name} here: `make servers` installs it")
    if answers(port):
        raise ServiceFailed(f"starting {service.name}: port {port} is taken, something else listens there")
    folder.mkdir(parents=True, exist_ok=True)
    return [str(word) for word in service.command(folder, port)]


def await_ready(service: Service, port: int, log_path: Path, is_alive: Callable[[], bool]) -> None:
    """Return when it can be asked. Raises `ServiceFailed` when it ended or took too long."""
    deadline = time.monotonic() + service.ready_seconds
    while not service.ready(port):
        ended = not is_alive()
        if ended or time.monotonic() > deadline:
            found = "it ended" if ended else f"not after {service.ready_seconds:g} s"
            last = "\n".join(log_path.read_text(errors="replace").splitlines()[-10:])
            raise ServiceFailed(
                f"waiting for {service.name} to be ready at port {port}: {found}; {log_path} ends:\n{last}"
            )
        time.sleep(POLL_SECONDS)


def await_closed(port: int) -> None:
    """Return when nothing answers there: a process that ends closes what it has open one after the other."""
    deadline = time.monotonic() + _CLOSING_SECONDS
    while answers(port) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes], last_gone: int, patience_seconds: float) -> None:
    """Close its lifeline; what of its process group is still there after a while is killed."""
    if process.stdin is not None:
        process.stdin.close()
    deadline = time.monotonic() + patience_seconds
    while _is_alive(process, last_gone):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _is_alive(process: subprocess.Popen[bytes], last_gone: int) -> bool:
    """Whether any of its processes is there: they all hold the other end of a pipe, but for those that closed it."""
    process.poll()  # so that the leader of the group is no zombie
    if select.select([last_gone], [], [], POLL_SECONDS)[0]:
        return False  # the group may be full of zombies yet, which whoever adopted them has not waited for
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
