"""The rows port in a dict: for replays that are compared and thrown away, and for tests of what stands on it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping

from warehouse.stores.rows import checked_key, checked_rows, checked_table, checked_version


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
        return not self.move(table, {key: (version, value)})

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        checked_version(version)
        return len(rows) - len(self.move(table, {key: (version, value) for key, value in rows.items()}))

    def move(self, table: str, rows: Mapping[str, tuple[int, bytes]]) -> frozenset[str]:
        checked_table(table)
        refused: set[str] = set()
        with self._turn:
            for key, version, value in checked_rows(rows):
                there = self._rows.get((table, key))
                if there is not None and there[0] >= version:
                    refused.add(key.decode())
                else:
                    self._rows[table, key] = (version, value)
        return frozenset(refused)

    def delete(self, table: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._rows.pop((checked_table(table), checked_key(key)), None)

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        places = sorted(place for place in self._rows if place[0] == table and place[1].startswith(prefix.encode()))
        return ((key.decode(), self._rows[table, key][1]) for _, key in places)

    def close(self) -> None:
        """Nothing is held."""
