"""Moves the rows of a fold forward, record by record, on any rows store: in the API's process as in Faust's workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from streaming.folds import Fold
from warehouse.events import Event
from warehouse.stores.rows import STREAM_MENDS, Move, Rows, decoded

ROWS_KEPT = 200_000  # of a feature, where one process folds all records of its rows
_MENDS = f"{STREAM_MENDS}; docs/runbook.md, `row broken`"
Row = TypeVar("Row")


class RecordEvents(NamedTuple):
    """The events of one record on the log, at `offset` of `place` (`topic/partition`)."""

    place: str
    offset: int
    events: Sequence[Event]


Finish = Callable[[str, Row, Row], Row]  # key, the row before, the row after; what is to be written in its stead


class Mover(Generic[Row]):
    """Folds records into rows and writes the rows; when `advance` returns, they are in the store.

    Where another has written a row since it was read, it is read again and folded into. Up to `keeps` rows are kept
    from one call to the next. Keep none where others write the same rows and fold other records: kept rows are right
    as long as whoever reads a place of the log reads all of it, from what was last acknowledged.
    `forgets` is called for each record before its rows move. Threads take turns.
    Methods raise `RowsUnavailable`, of which `RowBroken` names a row that cannot be decoded.
    """

    def __init__(
        self,
        fold: Fold[Row],
        rows: Rows,
        *,
        keeps: int = 0,
        finish: Finish[Row] | None = None,
        forgets: Callable[[RecordEvents], object] | None = None,
    ) -> None:
        self._fold = fold
        self._rows = rows
        self._keeps = keeps
        self._finish = finish
        self._forgets = forgets
        self._kept: dict[str, Row] = {}
        self._turn = threading.Lock()

    @property
    def table(self) -> str:
        """The rows table that it moves."""
        return self._fold.table

    def advance(self, records: Iterable[RecordEvents]) -> int:
        """Fold records, in order of offset within each place; how many rows that moved."""
        with self._turn:
            return self._advance(records)

    def _advance(self, records: Iterable[RecordEvents]) -> int:
        left: Mapping[str, Sequence[RecordEvents]] = self._by_row(records)
        moved = 0
        while left:
            rows = self._read(left)
            changed = {key: row for key, row in self._folded(left, rows) if row is not rows[key]}
            refused = self._write(changed, rows)
            self._keep({key: row for key, row in (rows | changed).items() if key not in refused})
            moved += len(changed) - len(refused)
            left = {key: left[key] for key in refused}
        return moved

    def forget(self) -> None:
        """Keep no row, once what is under way is done: others may have written them."""
        with self._turn:
            self._kept.clear()

    def _by_row(self, records: Iterable[RecordEvents]) -> dict[str, list[RecordEvents]]:
        """Each row's events, by record."""
        keys = self._fold.keys
        rows: dict[str, list[RecordEvents]] = {}
        for record in records:
            place, offset, events = record
            if self._forgets is not None:
                self._forgets(record)
            touched: dict[str, list[Event]] = {}
            for event in events:
                for key in keys(event, place):
                    if key in touched:
                        touched[key].append(event)
                    else:
                        touched[key] = [event]
            for key, of_a_row in touched.items():
                rows.setdefault(key, []).append(RecordEvents(place, offset, of_a_row))
        return rows

    def _read(self, keys: Iterable[str]) -> dict[str, Row]:
        kept = self._kept
        rows = {key: kept[key] for key in keys if key in kept}
        if missing := [key for key in keys if key not in rows]:
            found = self._rows.get_many(self._fold.table, missing)
            # To go on without a broken row would lose, unsaid, what its next events add to.
            rows.update((key, decoded(self.table, key, found.get(key), self._fold.decoded, _MENDS)) for key in missing)
        return rows

    def _folded(
        self, by_row: Mapping[str, Sequence[RecordEvents]], rows: Mapping[str, Row]
    ) -> Iterable[tuple[str, Row]]:
        advanced = self._fold.advanced
        for key, records in by_row.items():
            row = before = rows[key]
            for place, offset, events in records:
                row = advanced(row, events, key=key, place=place, offset=offset)
            if self._finish is not None and row is not before:
                row = self._finish(key, before, row)
            yield key, row

    def _write(self, changed: Mapping[str, Row], read: Mapping[str, Row]) -> frozenset[str]:
        if not changed:
            return frozenset()
        version, encoded = self._fold.version, self._fold.encoded
        moves = {key: Move(version(read[key]), version(row), encoded(row)) for key, row in changed.items()}
        refused = self._rows.move(self._fold.table, moves)
        for key in refused:
            self._kept.pop(key, None)
        return refused

    def _keep(self, rows: Mapping[str, Row]) -> None:
        if len(self._kept) + len(rows) > self._keeps:
            self._kept.clear()
        if len(rows) <= self._keeps:
            self._kept.update(rows)
