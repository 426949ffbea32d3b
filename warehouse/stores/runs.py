"""The run ledger: which plan ran as of which day, what each step did, and where a failed run stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY,
    plan TEXT NOT NULL,
    as_of TEXT,
    asked TEXT NOT NULL,
    status TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    reopened TEXT
);
CREATE TABLE IF NOT EXISTS steps (
    run_id INTEGER NOT NULL REFERENCES runs,
    step TEXT NOT NULL,
    status TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    done TEXT,
    error TEXT,
    PRIMARY KEY (run_id, step)
);
CREATE TABLE IF NOT EXISTS hashes (
    lake TEXT NOT NULL,
    table_name TEXT NOT NULL,
    version INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    PRIMARY KEY (lake, table_name)
);
"""


class LedgerUnavailable(Exception):
    """The ledger cannot be read or written; says where it is and why."""


class Status(StrEnum):
    """How a run or a step stands.

    The ledger says `running` of a run whose process died, until the next one finds it and calls it failed; who looks
    in between tells it by the lock of the lake, as `died`.
    """

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DIED = "died"


@dataclass(frozen=True)
class StepRecord:
    """One step of one run; `done` is what it read and wrote."""

    step: str
    status: Status
    started_ms: int
    finished_ms: int | None
    done: Mapping[str, object]
    error: str | None


@dataclass(frozen=True)
class RunRecord:
    """One run: the steps it was `asked` to do, and those it began, in the order in which they started.

    `reopened` are the days (FROM..TO) that it was told to write anew, if any.
    """

    run_id: int
    plan: str
    as_of: date | None
    asked: tuple[str, ...]
    status: Status
    started_ms: int
    finished_ms: int | None
    steps: tuple[StepRecord, ...]
    reopened: str | None = None


class RunLedger:
    """The ledger in one SQLite file; each call is its own transaction, so that a crash loses nothing written.

    Any of them may raise `LedgerUnavailable`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._open() as database:
            database.executescript(_SCHEMA)
            if "reopened" not in {column["name"] for column in database.execute("PRAGMA table_info(runs)")}:
                database.execute("ALTER TABLE runs ADD COLUMN reopened TEXT")  # it began without

    def begin(
        self, plan: str, as_of: date | None, now_ms: int, asked: Sequence[str], reopened: str | None = None
    ) -> int:
        """A new run. Whatever any plan left running has died, since runs take turns, and is called failed."""
        with self._open() as database:
            for table in ("runs", "steps"):
                database.execute(
                    f"UPDATE {table} SET status = 'failed', finished_ms = ? WHERE status = 'running'",  # noqa: S608  # our names
                    (now_ms,),
                )
            cursor = database.execute(
                "INSERT INTO runs (plan, as_of, asked, status, started_ms, reopened) VALUES (?, ?, ?, 'running', ?, ?)",
                (plan, as_of.isoformat() if as_of else None, msgspec.json.encode(asked).decode(), now_ms, reopened),
            )
            return int(cursor.lastrowid or 0)

    def set_as_of(self, run_id: int, as_of: date) -> None:
        """Note the day once it is known."""
        with self._open() as database:
            database.execute("UPDATE runs SET as_of = ? WHERE run_id = ?", (as_of.isoformat(), run_id))

    def finish(self, run_id: int, status: Status, now_ms: int) -> None:
        """Close a run."""
        with self._open() as database:
            database.execute("UPDATE runs SET status = ?, finished_ms = ? WHERE run_id = ?", (status, now_ms, run_id))

    def begin_step(self, run_id: int, step: str, now_ms: int) -> None:
        """A step of a run starts."""
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO steps (run_id, step, status, started_ms) VALUES (?, ?, 'running', ?)",
                (run_id, step, now_ms),
            )

    def finish_step(
        self, run_id: int, step: str, status: Status, now_ms: int, done: Mapping[str, object], error: str | None = None
    ) -> None:
        """A step of a run ends, with what it did, or why it failed."""
        with self._open() as database:
            database.execute(
                "UPDATE steps SET status = ?, finished_ms = ?, done = ?, error = ? WHERE run_id = ? AND step = ?",
                (status, now_ms, msgspec.json.encode(done).decode(), error, run_id, step),
            )

    def last(self, limit: int = 20, plan: str | None = None) -> list[RunRecord]:
        """The newest runs first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM runs WHERE ? IS NULL OR plan = ? ORDER BY run_id DESC LIMIT ?", (plan, plan, limit)
            ).fetchall()
            return [_run(row, database.execute(_STEPS, (row["run_id"],)).fetchall()) for row in rows]

    def known_hash(self, lake: str, table: str, version: int) -> str | None:
        """The content hash noted for that version of a table."""
        with self._open() as database:
            row = database.execute(
                "SELECT content_hash FROM hashes WHERE lake = ? AND table_name = ? AND version = ?",
                (lake, table, version),
            ).fetchone()
            return row["content_hash"] if row else None

    def note_hash(self, lake: str, table: str, version: int, content_hash: str) -> None:
        """Note the content hash of a table's newest version."""
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", (lake, table, version, content_hash))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
                database.row_factory = sqlite3.Row
                yield database
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the run ledger {self._path}: {error}") from error


_STEPS = "SELECT * FROM steps WHERE run_id = ? ORDER BY started_ms, rowid"


def _run(row: sqlite3.Row, steps: list[sqlite3.Row]) -> RunRecord:
    return RunRecord(
        row["run_id"],
        row["plan"],
        date.fromisoformat(row["as_of"]) if row["as_of"] else None,
        tuple(msgspec.json.decode(row["asked"])),
        Status(row["status"]),
        row["started_ms"],
        row["finished_ms"],
        tuple(_step(step) for step in steps),
        row["reopened"],
    )


def _step(row: sqlite3.Row) -> StepRecord:
    done = msgspec.json.decode(row["done"]) if row["done"] else {}
    return StepRecord(row["step"], Status(row["status"]), row["started_ms"], row["finished_ms"], done, row["error"])
