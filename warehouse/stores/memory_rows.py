"""The rows port in a dict: for replays that are compared and thrown away, and for tests of what stands on it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping

from warehouse.stores.rows import Move, checked_key, checked_moves, checked_rows, checked_table, checked_version


class MemoryRows:
    """`Rows` that live as long as this object."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, bytes], tuple[int, bytes]] = {}
        self._turn = threading.Lock()

    def get(self, table: str, key: str) -> bytes | None:
        found = self._rows.get((checked_table(table), checked_key(key)))
        return found[1] if found else None

    def get_many(self, table: str, keys: Iterable[str]) -> Mapping[str, bytes]:
        found = {key: self.get(table, key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def version_of(self, table: str, key: str) -> int | None:
        found = self._rows.get((checked_table(table), checked_key(key)))
        return found[0] if found else None

    def put(self, table: str, key: str, value: bytes, *, version: int) -> bool:
        return self.put_many(table, {key: value}, version=version) == 1

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        checked_table(table), checked_version(version)
        told, written = checked_rows(rows), 0
        with self._turn:
            for key, value in told:
                there = self._rows.get((table, key))
                if there is None or there[0] < version:
                    self._rows[table, key] = (version, value)
                    written += 1
        return written

    def move(self, table: str, rows: Mapping[str, Move]) -> frozenset[str]:
        checked_table(table)
        told, refused = checked_moves(rows), set()
        with self._turn:
            for key, move in told:
                there, _ = self._rows.get((table, key), (0, b""))
                if there == move.before:
                    self._rows[table, key] = (move.version, move.value)
                else:
                    refused.add(key.decode())
        return frozenset(refused)

    def delete(self, table: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._rows.pop((checked_table(table), checked_key(key)), None)

    def delete_at(self, table: str, key: str, *, version: int) -> bool:
        place = (checked_table(table), checked_key(key))
        with self._turn:
            there = self._rows.get(place)
            if there is None or there[0] != checked_version(version):
                return False
            del self._rows[place]
        return True

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        places = sorted(place for place in self._rows if place[0] == table and place[1].startswith(prefix.encode()))
        return ((key.decode(), self._rows[table, key][1]) for _, key in places)

    def close(self) -> None:
        """Nothing is held."""
