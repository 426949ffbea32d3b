"""One run at a time on a lake: a lock file that names its holder, freed by the system when the holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType


class LakeLocked(Exception):
    """Another process is at work on the lake; says which, since when and for what."""


class LakeLock:
    """`with LakeLock(path, purpose="run daily"):` holds the lock, or raises `LakeLocked` at once.

    The lock is `flock` on a local file: it does not reach across machines, where the scheduler must run one at a time.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        self._path = path
        self._purpose = purpose
        self._file: int | None = None

    def __enter__(self) -> LakeLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._path)
            os.close(file)
            raise LakeLocked(f"cannot {self._purpose}: the lake is held by {holder}; wait for it, or stop it") from None
        self._file = file
        os.ftruncate(file, 0)
        name = {"purpose": self._purpose, "pid": os.getpid(), "host": socket.gethostname()}
        os.pwrite(file, json.dumps(name).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes())
    except ValueError:  # the holder is about to write its name
        return "another process"
    return f"process {holder['pid']} on {holder['host']} ({holder['purpose']})"
