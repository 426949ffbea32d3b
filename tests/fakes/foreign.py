"""A producer that is not ours: it writes whatever bytes it likes to the embedded log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from warehouse.events import Topic


def put(path: Path, topic: Topic, partition: int, content: bytes, appended_ms: int) -> None:
    """A record after the last of its partition."""
    place = (topic.name, partition)
    with closing(sqlite3.connect(path)) as file, file:
        found = file.execute("SELECT last FROM ends WHERE topic = ? AND partition = ?", place).fetchone()
        offset = found[0] + 1 if found else 0
        file.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", (*place, offset, appended_ms, content))
        file.execute("INSERT OR REPLACE INTO ends VALUES (?, ?, ?)", (*place, offset))


def frame(*parts: object) -> bytes:
    """A msgpack array of anything."""
    return msgspec.msgpack.encode(parts)
