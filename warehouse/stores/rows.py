"""The rows port: small records by key, for what an answer needs at once (features, catalog, stream state)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol


class Rows(Protocol):
    """Tables of `key -> (version, value)`. A write carries a version and only ever moves a row forward.

    Keys are text of 1 to 1,024 characters, values bytes up to 8 MiB. Every method may raise `RowsUnavailable`.
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

    def delete(self, table: str, keys: Iterable[str]) -> None:
        """Remove those rows; absent ones are no error."""

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Every row whose key begins with `prefix`, in key order (by UTF-8 bytes)."""

    def close(self) -> None:
        """Release what is held; a second call does nothing."""


class RowsUnavailable(Exception):
    """The store did not answer; says which one, where, and what it was asked."""
