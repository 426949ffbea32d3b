"""Folds: what a row becomes when a record is told. Pure: no log, no store, no clock; `streaming.mover` drives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from warehouse.events import Event, Topic

Row = TypeVar("Row")


class Fold(Protocol[Row]):
    """One feature: the rows that it keeps, and how they move.

    A row carries the last offset that it has seen of each `place` (`topic/partition`); a record at or below it changes
    nothing. So records may be told again, and the rows come out the same.
    """

    @property
    def table(self) -> str:
        """Its table in the rows store."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What it folds."""

    def keys(self, event: Event, place: str) -> Iterable[str]:
        """The rows that an event touches."""

    def decoded(self, value: bytes | None) -> Row:
        """The row of a stored value; of None, one that has seen nothing."""

    def encoded(self, row: Row) -> bytes:
        """The value to store."""

    def version(self, row: Row) -> int:
        """How many records it has seen: higher with each."""

    def advanced(self, row: Row, events: Sequence[Event], *, key: str, place: str, offset: int) -> Row:
        """The row after its events of the record at `offset`, or the row itself where it has seen that record."""
