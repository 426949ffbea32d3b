"""One run at a time on a lake: a lock file that names its holder, freed by the system when the holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType


class LakeLocked(Exception):
    """Another process is at work on the lake; says which, since when and for what."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock of a lake: what for, and which process on which host."""

    purpose: str
    pid: int
    host: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.purpose})"


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
            holder = _named(self._path) or "another process"  # which is about to write its name
            os.close(file)
            raise LakeLocked(f"cannot {self._purpose}: the lake is held by {holder}; wait for it, or stop it") from None
        self._file = file
        os.ftruncate(file, 0)
        name = Holder(self._purpose, os.getpid(), socket.gethostname())
        os.pwrite(file, json.dumps(asdict(name)).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def living_holder(path: Path) -> Holder | None:
    """Who holds the lock; None where nobody does, or whoever did has died. Of another host that cannot be known."""
    named = _named(path)
    if named is None or named.host != socket.gethostname():
        return named
    return named if is_held(path) else None  # the name was there: a look is in the way of nobody who is coming


def _named(path: Path) -> Holder | None:
    """The name in the file: left behind by a holder that was killed."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def is_held(path: Path) -> bool:
    """Whether some process has an exclusive lock on the file; where there is none, nobody has."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once; shared with others who only look
        except BlockingIOError:
            return True
    return False
