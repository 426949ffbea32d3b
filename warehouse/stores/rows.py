"""The rows port: small records by key, for what an answer needs at once (features, catalog, stream state)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

import msgspec

Stored = TypeVar("Stored")
Value = TypeVar("Value", bytes, bytes | None)


class Move(NamedTuple):
    """A row on from the version at which it was read, 0 where there was none, to a higher one."""

    before: int
    version: int
    value: bytes


class Rows(Protocol):
    """Tables of `key -> (version, value)`. A write carries a version, higher than that of the row whose place it takes.

    Keys are text of 1 to 1,024 characters, values bytes up to 8 MiB, versions whole numbers from 0 to 2**53 - 1. Every
    method may raise `RowsUnavailable`, and `RowRefused` for what is out of bounds.
    """

    def get(self, table: str, key: str) -> bytes | None:
        """The value, or None where there is no such row."""

    def get_many(self, table: str, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are there."""

    def version_of(self, table: str, key: str) -> int | None:
        """The version that the row was written with, or None where there is none."""

    def put(self, table: str, key: str, value: bytes, *, version: int) -> bool:
        """Write where the row is absent or its version is lower; False, and nothing written, where it is not."""

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        """`put` for each, in as few round trips as can be; how many were written."""

    def move(self, table: str, rows: Mapping[str, Move]) -> frozenset[str]:
        """Write each row that is still as it was read, in as few round trips as can be; the keys of those not written.

        A row is written where it is at the version `before`, or absent and that is 0: however many read it and write
        it at once, one of them does. So what a row holds rests on all that was ever written to it. After
        `RowsUnavailable` any of the rows may have been written; after `RowRefused` none was.
        """

    def delete(self, table: str, keys: Iterable[str]) -> None:
        """Remove those rows; absent ones are no error."""

    def delete_at(self, table: str, key: str, *, version: int) -> bool:
        """Remove the row where it is still at that version; False, and nothing removed, where it is not."""

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Every row whose key begins with `prefix`, in key order (by UTF-8 bytes)."""

    def close(self) -> None:
        """Release what is held; a second call does nothing."""


class RowsUnavailable(Exception):
    """The store did not answer; says which one, where, and what it was asked."""


class RowBroken(RowsUnavailable):
    """The bytes of a row cannot be decoded; says which row it is, why, and how it comes right."""


class RowRefused(ValueError):
    """A table, key, value or version is out of the port's bounds; says what was found and what was wanted."""


def decoded(table: str, key: str, value: Value, decode: Callable[[Value], Stored], mend: str) -> Stored:
    """The row of these bytes. Raises `RowBroken` where they are none: an answer without it would be wrong.

    `decode` raises msgspec's `DecodeError`; `mend` says how the row comes right.
    """
    try:
        return decode(value)
    except msgspec.DecodeError as error:
        raise RowBroken(f"row {key!r} of {table} is broken: {error}; {mend}") from error


STREAM_MENDS = "once it is deleted from the store, the stream begins it anew"
MAX_KEY_CHARACTERS = 1_024
MAX_VALUE_BYTES = 8 << 20
_TABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,49}")


def checked_table(table: str) -> str:
    """The name itself. Raises `RowRefused`."""
    if not _TABLE.fullmatch(table):
        raise RowRefused(f"rows table {table!r}; wanted 1 to 50 letters, digits and any of _ . - (not first)")
    return table


def checked_key(key: str) -> bytes:
    """The key in UTF-8, by which rows are ordered. Raises `RowRefused`."""
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
        raise RowRefused(f"a row's key has {len(key):,} characters; wanted 1 to {MAX_KEY_CHARACTERS:,}")
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise RowRefused(f"row key {key!r} is not Unicode text: {error.reason}") from error


def checked_value(key: str, value: bytes) -> bytes:
    """The value itself. Raises `RowRefused`."""
    if len(value) > MAX_VALUE_BYTES:
        raise RowRefused(f"the value of row {key!r} has {len(value):,} bytes; wanted at most {MAX_VALUE_BYTES:,}")
    return value


def checked_version(version: int) -> int:
    """The version itself. Raises `RowRefused`."""
    if not 0 <= version < 2**53:
        raise RowRefused(f"row version {version}; wanted 0 to 2**53 - 1")
    return version


def checked_rows(rows: Mapping[str, bytes]) -> list[tuple[bytes, bytes]]:
    """Key in UTF-8 and value of each. Raises `RowRefused`."""
    return [(checked_key(key), checked_value(key, value)) for key, value in rows.items()]


def batches(
    rows: Iterable[tuple[bytes, bytes]], most_rows: int, enough_bytes: int
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Keys and values in order, as many at a time as are written at once: until there are enough bytes of values."""
    batch: list[tuple[bytes, bytes]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[1])
        if len(batch) >= most_rows or size >= enough_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def checked_moves(rows: Mapping[str, Move]) -> list[tuple[bytes, Move]]:
    """Key in UTF-8 and move of each. Raises `RowRefused`."""
    return [(checked_key(key), _checked_move(key, move)) for key, move in rows.items()]


def _checked_move(key: str, move: Move) -> Move:
    checked_value(key, move.value)
    if checked_version(move.before) >= checked_version(move.version):
        raise RowRefused(f"row {key!r} moved from version {move.before} to {move.version}; wanted a higher one")
    return move


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """The first key that begins with `prefix`, and the first beyond them, in UTF-8."""
    low = prefix.encode()
    return low, (low[:-1] + bytes([low[-1] + 1]) if low else b"\xff")  # UTF-8 never holds 0xff
