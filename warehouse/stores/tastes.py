"""Tastes in the rows store: a listener's base and tail, each written by its own side."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from warehouse.stores.rows import Rows
from warehouse.taste import BASE, TAIL, Counted, TasteBase, TasteTail

_BASE = msgspec.msgpack.Decoder(TasteBase)
_TAIL = msgspec.msgpack.Decoder(TasteTail)
_COUNTED = msgspec.msgpack.Decoder(Counted)


class Tastes:
    """What serving reads, the stream moves and the batch publishes. Methods raise `RowsUnavailable`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def of(self, listener_id: str) -> tuple[TasteBase, TasteTail]:
        """Base and tail, empty where there is none yet.

        The tail is read first: events leave it only for a base that is there already, so none is missed between.
        """
        tail = self.tail(listener_id)
        found = self._rows.get(BASE, listener_id)
        return (TasteBase() if found is None else _BASE.decode(found)), tail

    def tail(self, listener_id: str) -> TasteTail:
        """The tail alone."""
        found = self._rows.get(TAIL, listener_id)
        return TasteTail() if found is None else _TAIL.decode(found)

    def base_offsets(self, listener_id: str) -> Mapping[str, int]:
        """The last log offset that the base holds, by `topic/partition`."""
        found = self._rows.get(BASE, listener_id)
        return {} if found is None else _COUNTED.decode(found).offsets

    def move_tail(self, listener_id: str, tail: TasteTail) -> bool:
        """Write the tail, or write nothing and say False where a tail that has seen as much is there."""
        return self._rows.put(TAIL, listener_id, msgspec.msgpack.encode(tail), version=tail.version)

    def publish(self, bases: Mapping[str, TasteBase], *, version: int) -> int:
        """Write bases where older ones or none are; how many were written."""
        encoded = {listener_id: msgspec.msgpack.encode(base) for listener_id, base in bases.items()}
        return self._rows.put_many(BASE, encoded, version=version)

    def forget_base(self, listener_id: str) -> None:
        """Delete the base of a listener who erased everything."""
        self._rows.delete(BASE, [listener_id])
