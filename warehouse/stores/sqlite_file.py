"""One SQLite file in WAL mode, shared by the threads of many processes: readers never wait, writers wait in turn."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 10.0  # how long a writer waits for another before it gives up


class SqliteFile:
    """Connections to `path`, made with `schema` when it is new. Don't carry one across a fork.

    `synchronous` is SQLite's: NORMAL survives the death of any process, FULL a power cut too. A writer waits
    `busy_seconds` for those of this process, and as long for those of others. Whatever SQLite refuses is raised as
    `unavailable`, with what was being done and where.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        synchronous: str,
        unavailable: type[Exception],
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._path = path
        self._synchronous = synchronous
        self._unavailable = unavailable
        self._busy_seconds = busy_seconds
        self._idle: deque[sqlite3.Connection] = deque()  # readers: as many as threads ever read at once
        self._turn = threading.Lock()
        self._closed = False
        with self._translated("open it"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connected()
            self._create(schema)

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """A connection for a few quick reads, which see what was committed before each began."""
        with self._translated(doing):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connected()
            try:
                yield connection
            finally:
                self._idle.append(connection)
                if self._closed:
                    self._close_idle()

    @contextmanager
    def writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """The one writing connection of this process, in a transaction that an exception rolls back. Keep it short."""
        with self._translated(doing), self._turned():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every connection; a second call does nothing, and any other call afterwards is refused."""
        with self._turn:
            self._closed = True
            self._writer.close()
            self._close_idle()

    @contextmanager
    def _turned(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._busy_seconds):
            raise sqlite3.OperationalError(f"another write of this process has not ended in {self._busy_seconds:g} s")
        try:
            yield
        finally:
            self._turn.release()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("it was closed")
        # Autocommit, so that transactions are ours; connections move between threads, but serve one at a time.
        connection = sqlite3.connect(self._path, self._busy_seconds, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        return connection

    def _create(self, schema: str) -> None:
        """SQLite doesn't wait its turn when it changes to WAL, so processes that meet at a new file try again."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._writer.execute("PRAGMA journal_mode=WAL")
                self._writer.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    self._writer.close()
                    raise
                time.sleep(0.01)
            else:
                return

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(f"SQLite file {self._path}: could not {doing}: {error}") from error
