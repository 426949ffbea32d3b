"""Servers that outlive the command that started them, each with a pid file that says which process it is.

A server inherits the lock on its pid file, and the system frees that when the last of its processes is gone. So it is
the lock that says whether it runs: a pid file that a crash left behind is no obstacle, whoever has that pid by now.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from deploy.local.service import POLL_SECONDS, Service, ServiceFailed, await_closed, await_ready, command_for
from warehouse.stores.lock import is_held

# The shell ends at once; the server goes on, a child of nobody, in the process group that has the shell's id.
_DETACH = 'pid_path=$1 port=$2; shift 2; "$@" < /dev/null & echo $! $$ "$port" > "$pid_path"'
_GLANCE_SECONDS = 0.2  # a lock that is held longer is not held by somebody who only looks
_KILL_SECONDS = 10.0


class State(StrEnum):
    """What can be seen of a server. `died` is one that nobody stopped."""

    RUNNING = "running"
    NOT_READY = "not ready"
    DIED = "died"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Detached:
    """A server as its pid file tells of it: its own process, its process group, its port."""

    pid: int
    group: int
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Place:
    """Where one server keeps its data, its log and its pid file: in the folder of the whole stack."""

    root: Path
    service: Service

    @property
    def data(self) -> Path:
        return self.root / self.service.name

    @property
    def log_path(self) -> Path:
        return self.root / f"{self.service.name}.log"

    @property
    def pid_path(self) -> Path:
        return self.root / f"{self.service.name}.pid"


def look(place: Place) -> tuple[State, Detached | None]:
    """How it is with the server, and the one that there is, or that died."""
    told = _told(place)
    if not is_held(place.pid_path):
        return (State.DIED if told else State.STOPPED), told
    return (State.RUNNING if told and place.service.ready(told.port) else State.NOT_READY), told


def start(place: Place, port: int) -> tuple[Detached, bool]:
    """The server, ready, and whether it was started just now: one that is there already stays as and where it is.

    Raises `NotInstalled`, and `ServiceFailed` where the port is taken or it isn't ready in time: then none is left.
    """
    lock = _claim(place, _GLANCE_SECONDS)
    try:
        if lock is not None:
            with lock:
                _begin(place, port, lock)
        server = _told(place)
        if server is None:
            raise ServiceFailed(f"starting {place.service.name}: another command is at it")
        await_ready(place.service, server.port, place.log_path, lambda: is_held(place.pid_path))
    except BaseException:  # Ctrl-C too
        if lock is not None:
            stop(place)
        raise
    return server, lock is not None


def stop(place: Place) -> tuple[Detached, bool] | None:
    """Stop the server with all that it started; it, and whether that took SIGKILL. None where there was none.

    Raises `ServiceFailed` where it is still there after all.
    """
    server = _told(place)
    if not is_held(place.pid_path):
        _forget(place)
        return None
    if server is None:
        raise ServiceFailed(f"stopping {place.service.name}: another command is just starting it")
    for number, patience in ((signal.SIGTERM, place.service.stop_seconds), (signal.SIGKILL, _KILL_SECONDS)):
        with suppress(ProcessLookupError):
            os.killpg(server.group, number)
        if _is_free_within(place, patience):
            await_closed(server.port)
            _forget(place)
            return server, number is signal.SIGKILL
    raise ServiceFailed(f"stopping {place.service.name}: process group {server.group} is there after SIGKILL")


def _begin(place: Place, port: int, lock: IO[bytes]) -> None:
    lock.truncate(0)
    command = command_for(place.service, place.data, port)
    with place.log_path.open("ab") as log:
        subprocess.run(
            ["/bin/sh", "-c", _DETACH, place.service.name, str(place.pid_path), str(port), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **place.service.environment},
            start_new_session=True,
            pass_fds=[lock.fileno()],
            check=True,
        )


def _claim(place: Place, patience_seconds: float = 0.0) -> IO[bytes] | None:
    """The pid file, locked; None where it is locked already and stays so."""
    place.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience_seconds
    file = place.pid_path.open("ab")
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                return None
            time.sleep(POLL_SECONDS)
        else:
            return file


def _forget(place: Place) -> None:
    if _told(place) is not None and (lock := _claim(place)) is not None:
        with lock:
            lock.truncate(0)


def _told(place: Place) -> Detached | None:
    """What the pid file says; None where it says nothing, as while a server is just being started."""
    with suppress(FileNotFoundError):
        if words := place.pid_path.read_text().split():
            return Detached(*map(int, words))
    return None


def _is_free_within(place: Place, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_held(place.pid_path):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
