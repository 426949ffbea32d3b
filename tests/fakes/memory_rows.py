"""The rows port in a dict, for tests of what stands on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from warehouse.stores.rows import checked_key, checked_table, checked_value, checked_version


class MemoryRows:
    """`Rows` that live as long as this object."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, bytes], tuple[int, bytes]] = {}

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
        place = (checked_table(table), checked_key(key))
        if place in self._rows and self._rows[place][0] >= version:
            return False
        self._rows[place] = (checked_version(version), checked_value(key, value))
        return True

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        return sum(self.put(table, key, value, version=version) for key, value in rows.items())

    def delete(self, table: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._rows.pop((checked_table(table), checked_key(key)), None)

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        places = sorted(place for place in self._rows if place[0] == table and place[1].startswith(prefix.encode()))
        return ((key.decode(), self._rows[table, key][1]) for _, key in places)

    def close(self) -> None:
        """Nothing is held."""
