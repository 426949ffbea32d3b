"""The rows port on Bigtable, or on its emulator where BIGTABLE_EMULATOR_HOST names one.

A row's version is kept twice: in a column of its own, fixed width, which a single write compares before it writes; and
as the timestamp of its cells, so that of two writes at once the higher version is the one that is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

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

if TYPE_CHECKING:
    from google.cloud.bigtable.data import BigtableDataClient, Mutation, ReadRowsQuery, Row, Table
    from google.cloud.bigtable.data.row_filters import RowFilter

_FAMILY = "row"
_VALUE, _VERSION = b"value", b"version"
_MICROS = 1_000  # a timestamp is in microseconds, of which Bigtable keeps thousands
_ROWS_AT_ONCE = 1_000
_BYTES_AT_ONCE = 4 << 20
_MOVES_AT_ONCE = 32  # requests in flight: beyond this the client itself is what takes the time

Answer = TypeVar("Answer")


class BigtableRows:
    """`Rows` in the instance of a project. A table is made when it is first asked for a row.

    Conditional writes need an app profile that routes to a single cluster. The client's libraries take seconds to
    load, so they are loaded here and not with this module.
    """

    def __init__(self, project: str, instance: str, *, timeout_seconds: float = 20.0) -> None:
        from google.cloud.bigtable.data import BigtableDataClient

        self._place = f"bigtable://{project}/{instance}"
        self._project, self._instance = project, instance
        with self._translated("connect"):
            self._client: BigtableDataClient = BigtableDataClient(project=project)
        self._tables: dict[str, Table] = {}
        self._turn = threading.Lock()
        self._timeout_seconds = timeout_seconds
        self._closed = False

    def get(self, table: str, key: str) -> bytes | None:
        """The value, or None where there is no such row."""
        return self._cell(table, checked_key(key), _VALUE)

    def get_many(self, table: str, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are there."""
        found = self._cells(checked_table(table), [checked_key(key) for key in keys], _VALUE)
        return {key.decode(): value for key, value in found.items()}

    def version_of(self, table: str, key: str) -> int | None:
        """The version that the row was written with, or None where there is none."""
        version = self._cell(table, checked_key(key), _VERSION)
        return None if version is None else int.from_bytes(version)

    def put(self, table: str, key: str, value: bytes, *, version: int) -> bool:
        """Write where the row is absent or its version is lower; False, and nothing written, where it is not."""
        cells = _cells_of(checked_value(key, value), checked_version(version))
        return not self._compared(table, checked_key(key), _at_least(version), unless=cells)

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        """`put` for each, in batches: one read of the versions, and one write of the rows that aren't ahead.

        A row that moves between the two is counted, and stays at the higher version.
        """
        checked_table(table), checked_version(version)
        parts = batches(checked_rows(rows), _ROWS_AT_ONCE, _BYTES_AT_ONCE)
        return sum(self._put_batch(table, part, version) for part in parts)

    def move(self, table: str, rows: Mapping[str, Move]) -> frozenset[str]:
        """Write each row that is still as it was read, many in flight at once; the keys of those not written.

        Bigtable compares before it writes in a single row alone, so each is a request of its own.
        """
        told = checked_moves(rows)
        known = checked_table(table) in self._tables
        first, rest = (told[:0], told) if known else (told[:1], told[1:])  # alone, since it may have to make the table
        written = [self._move(table, row) for row in first]
        with ThreadPoolExecutor(_MOVES_AT_ONCE) as pool:
            written.extend(pool.map(partial(self._move, table), rest))
        return frozenset(key.decode() for (key, _), done in zip(told, written, strict=True) if not done)

    def delete(self, table: str, keys: Iterable[str]) -> None:
        """Remove those rows; absent ones are no error."""
        from google.cloud.bigtable.data import DeleteAllFromRow

        everything: list[Mutation] = [DeleteAllFromRow()]
        whole = iter([(checked_key(key), everything) for key in keys])
        while some := list(islice(whole, _ROWS_AT_ONCE)):
            self._mutate(checked_table(table), "delete rows", some)

    def delete_at(self, table: str, key: str, *, version: int) -> bool:
        """Remove the row where it is still at that version; False, and nothing removed, where it is not."""
        from google.cloud.bigtable.data import DeleteAllFromRow

        return self._compared(table, checked_key(key), _at(checked_version(version)), then=[DeleteAllFromRow()])

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Every row whose key begins with `prefix`, in key order (by UTF-8 bytes), as they stream in."""
        from google.api_core.exceptions import NotFound
        from google.cloud.bigtable.data import ReadRowsQuery, RowRange

        low, high = prefix_range(prefix)
        query = ReadRowsQuery(row_ranges=RowRange(low or None, high), row_filter=_newest(_VALUE))
        with self._translated(f"scan rows of {checked_table(table)}"):
            try:
                for row in self._table(table).read_rows_stream(query):
                    yield row.row_key.decode(), row[0].value
            except NotFound:  # no table, no rows
                return

    def close(self) -> None:
        """Release what is held; a second call does nothing."""
        with self._turn:
            if not self._closed:
                self._closed = True
                client: Any = self._client  # its close carries no types
                client.close()

    def _move(self, table: str, row: tuple[bytes, Move]) -> bool:
        key, (before, version, value) = row
        cells = _cells_of(value, version)
        if before:
            return self._compared(table, key, _at(before), then=cells)
        return not self._compared(table, key, _at_least(1), unless=cells)

    def _compared(
        self,
        table: str,
        key: bytes,
        found: RowFilter,
        *,
        then: list[Mutation] | None = None,
        unless: list[Mutation] | None = None,
    ) -> bool:
        """Whether the row has what the filter finds; mutated in the same moment, `then` or `unless`."""

        def compared(of: Table) -> bool:
            return of.check_and_mutate_row(key, found, true_case_mutations=then, false_case_mutations=unless)

        return self._asked(table, "write a row", compared)

    def _put_batch(self, table: str, batch: list[tuple[bytes, bytes]], version: int) -> int:
        found = self._cells(table, [key for key, _ in batch], _VERSION)
        behind = [(key, value) for key, value in batch if key not in found or int.from_bytes(found[key]) < version]
        if behind:
            self._mutate(table, "write rows", [(key, _cells_of(value, version)) for key, value in behind])
        return len(behind)

    def _mutate(self, table: str, doing: str, told: list[tuple[bytes, list[Mutation]]]) -> None:
        from google.cloud.bigtable.data import RowMutationEntry

        entries = [RowMutationEntry(key, mutations) for key, mutations in told]
        self._asked(table, doing, lambda t: t.bulk_mutate_rows(entries))

    def _cell(self, table: str, key: bytes, column: bytes) -> bytes | None:
        row = self._asked(table, "read a row", lambda t: t.read_row(key, row_filter=_newest(column)))
        return None if row is None else bytes(row[0].value)

    def _cells(self, table: str, keys: list[bytes], column: bytes) -> dict[bytes, bytes]:
        from google.cloud.bigtable.data import ReadRowsQuery

        found: dict[bytes, bytes] = {}
        wanted = iter(keys)
        while some := list(islice(wanted, _ROWS_AT_ONCE)):
            query = ReadRowsQuery(row_keys=[*some], row_filter=_newest(column))
            found.update((row.row_key, row[0].value) for row in self._asked(table, "read rows", partial(_rows, query)))
        return found

    def _asked(self, table: str, doing: str, ask: Callable[[Table], Answer]) -> Answer:
        """The answer, after making the table where there is none yet."""
        from google.api_core.exceptions import NotFound

        with self._translated(f"{doing} of {checked_table(table)}"):
            try:
                return ask(self._table(table))
            except NotFound:
                self._create(table)
                return ask(self._table(table))

    def _table(self, table: str) -> Table:
        with self._turn:
            if self._closed:
                raise RowsUnavailable(f"{self._place}: could not ask for {table}: it was closed")
            if table not in self._tables:
                self._tables[table] = self._client.get_table(
                    self._instance,
                    table,
                    default_operation_timeout=self._timeout_seconds,
                    default_read_rows_operation_timeout=self._timeout_seconds,
                    default_mutate_rows_operation_timeout=self._timeout_seconds,
                )
            return self._tables[table]

    def _create(self, table: str) -> None:
        from google.api_core.exceptions import AlreadyExists
        from google.cloud import bigtable
        from google.cloud.bigtable.column_family import MaxVersionsGCRule

        administration: Any = bigtable.Client  # it and what it makes carry no types
        newest_alone: Any = MaxVersionsGCRule
        admin = administration(project=self._project, admin=True)
        try:
            admin.instance(self._instance).table(table).create(column_families={_FAMILY: newest_alone(1)})
        except AlreadyExists:  # another process was first
            return
        finally:
            admin.close()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.bigtable.data import MutationsExceptionGroup

        try:
            yield
        except (GoogleAPIError, GoogleAuthError, MutationsExceptionGroup) as error:
            raise RowsUnavailable(f"{self._place}: could not {doing}: {error}") from error


def _rows(query: ReadRowsQuery, table: Table) -> list[Row]:
    return table.read_rows(query)


def _at_least(version: int) -> RowFilter:
    from google.cloud.bigtable.data.row_filters import RowFilterChain, ValueRangeFilter

    return RowFilterChain([_newest(_VERSION), ValueRangeFilter(_fixed_width(version))])


def _at(version: int) -> RowFilter:
    from google.cloud.bigtable.data.row_filters import RowFilterChain, ValueRangeFilter

    exactly = _fixed_width(version)
    return RowFilterChain([_newest(_VERSION), ValueRangeFilter(exactly, exactly)])


def _newest(column: bytes) -> RowFilter:
    from google.cloud.bigtable.data.row_filters import (
        CellsColumnLimitFilter,
        ColumnQualifierRegexFilter,
        RowFilterChain,
    )

    return RowFilterChain([ColumnQualifierRegexFilter(column), CellsColumnLimitFilter(1)])


def _fixed_width(version: int) -> bytes:
    return version.to_bytes(8)


def _cells_of(value: bytes, version: int) -> list[Mutation]:
    from google.cloud.bigtable.data import SetCell

    at = version * _MICROS
    return [SetCell(_FAMILY, _VALUE, value, at), SetCell(_FAMILY, _VERSION, _fixed_width(version), at)]
