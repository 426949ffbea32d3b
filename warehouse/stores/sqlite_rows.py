"""The rows port on one SQLite file: what serving reads from its threads while the batch publishes from its process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from warehouse.stores.rows import (
    Move,
    RowsUnavailable,
    batches,
    checked_key,
    checked_moves,
    checked_rows,
    checked_table,
    checked_value,
    checked_version,
    prefix_range,
)
from warehouse.stores.sqlite_file import SqliteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
  table_name TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (table_name, key)
);
"""
_GET = "SELECT value FROM rows WHERE table_name = ? AND key = ?"
_VERSION = "SELECT version FROM rows WHERE table_name = ? AND key = ?"
_PUT = """
INSERT INTO rows (table_name, key, version, value) VALUES (?, ?, ?, ?)
ON CONFLICT (table_name, key) DO UPDATE SET version = excluded.version, value = excluded.value
WHERE excluded.version > rows.version
"""
_MOVE_FIRST = _PUT.replace("excluded.version > rows.version", "rows.version = 0")
_MOVE = "UPDATE rows SET version = ?, value = ? WHERE table_name = ? AND key = ? AND version = ?"
_DELETE = "DELETE FROM rows WHERE table_name = ? AND key = ?"
_DELETE_AT = f"{_DELETE} AND version = ?"
_PAGE = "SELECT key, value FROM rows WHERE table_name = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"
_FIRST_PAGE = _PAGE.replace("key > ?", "key >= ?")
_BATCH_ROWS = 1_000  # a transaction's size: others that write wait for a few milliseconds
_BATCH_BYTES = 4 << 20
_PAGE_ROWS = 200
_ASKED_AT_ONCE = 256


class SqliteRows:
    """`Rows` in the file `path`, for any number of threads and processes of one machine.

    A power cut may undo the last writes, all later than any that stay: the stream folds its own again from the log.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _SCHEMA, synchronous="NORMAL", unavailable=RowsUnavailable)

    def get(self, table: str, key: str) -> bytes | None:
        """The value, or None where there is no such row."""
        place = (checked_table(table), checked_key(key))
        with self._file.reading("read a row") as connection:
            found: tuple[bytes] | None = connection.execute(_GET, place).fetchone()
        return found[0] if found else None

    def get_many(self, table: str, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are there."""
        checked_table(table)
        wanted = iter([checked_key(key) for key in keys])
        found: dict[str, bytes] = {}
        with self._file.reading("read rows") as connection:
            while some := list(islice(wanted, _ASKED_AT_ONCE)):
                rows = connection.execute(_many(len(some)), [table, *_padded(some)])
                found.update((key.decode(), value) for key, value in rows)
        return found

    def version_of(self, table: str, key: str) -> int | None:
        """The version that the row was written with, or None where there is none."""
        place = (checked_table(table), checked_key(key))
        with self._file.reading("read a row's version") as connection:
            found: tuple[int] | None = connection.execute(_VERSION, place).fetchone()
        return found[0] if found else None

    def put(self, table: str, key: str, value: bytes, *, version: int) -> bool:
        """Write where the row is absent or its version is lower; False, and nothing written, where it is not."""
        row = (checked_table(table), checked_key(key), checked_version(version), checked_value(key, value))
        with self._file.writing("write a row") as connection:
            return connection.execute(_PUT, row).rowcount == 1

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        """`put` for each, in short transactions, so that whoever else writes waits little; how many were written."""
        checked_table(table), checked_version(version)
        parts = batches(checked_rows(rows), _BATCH_ROWS, _BATCH_BYTES)
        return sum(self._put_batch(table, part, version) for part in parts)

    def move(self, table: str, rows: Mapping[str, Move]) -> frozenset[str]:
        """Write each row that is still as it was read, in one transaction; the keys of those not written."""
        told = checked_moves(rows)
        checked_table(table)
        with self._file.writing("write rows") as connection:
            written = connection.cursor().execute
            return frozenset(key.decode() for key, move in told if written(*_moving(table, key, move)).rowcount != 1)

    def delete(self, table: str, keys: Iterable[str]) -> None:
        """Remove those rows; absent ones are no error."""
        checked_table(table)
        places = iter([(table, checked_key(key)) for key in keys])
        while some := list(islice(places, _BATCH_ROWS)):
            with self._file.writing("delete rows") as connection:
                connection.executemany(_DELETE, some)

    def delete_at(self, table: str, key: str, *, version: int) -> bool:
        """Remove the row where it is still at that version; False, and nothing removed, where it is not."""
        row = (checked_table(table), checked_key(key), checked_version(version))
        with self._file.writing("delete a row") as connection:
            return connection.execute(_DELETE_AT, row).rowcount == 1

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Every row whose key begins with `prefix`, in key order (by UTF-8 bytes), read a page at a time."""
        low, high = prefix_range(prefix)
        page = self._page(_FIRST_PAGE, checked_table(table), low, high)
        while page:
            yield from ((key.decode(), value) for key, value in page)
            page = self._page(_PAGE, table, page[-1][0], high)

    def close(self) -> None:
        """Release what is held; a second call does nothing."""
        self._file.close()

    def _put_batch(self, table: str, rows: list[tuple[bytes, bytes]], version: int) -> int:
        """Write them in one transaction; how many were written."""
        with self._file.writing("write rows") as connection:
            put = connection.cursor().execute
            return sum(put(_PUT, (table, key, version, value)).rowcount for key, value in rows)

    def _page(self, query: str, table: str, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]:
        with self._file.reading("scan rows") as connection:
            return connection.execute(query, (table, low, high, _PAGE_ROWS)).fetchall()


def _moving(table: str, key: bytes, move: Move) -> tuple[str, tuple[Any, ...]]:
    """The statement, and its values, that changes one row where that is as it was."""
    if move.before:
        return _MOVE, (move.version, move.value, table, key, move.before)
    return _MOVE_FIRST, (table, key, move.version, move.value)


def _many(count: int) -> str:
    """The query for `count` keys, of one of few lengths, so that SQLite finds it prepared."""
    marks = ",".join("?" * _rounded_up(count))
    return f"SELECT key, value FROM rows WHERE table_name = ? AND key IN ({marks})"  # noqa: S608  # marks alone vary


def _padded(keys: list[bytes]) -> list[bytes]:
    return keys + keys[-1:] * (_rounded_up(len(keys)) - len(keys))


def _rounded_up(count: int) -> int:
    return 1 << (count - 1).bit_length()
