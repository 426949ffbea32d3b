"""The rows port on Valkey: the state of streams, in memory, where one machine is enough.

A row is the string `TABLE NUL KEY`, which holds the version in eight bytes, most significant first, and then the value.
The sorted set `TABLE` holds the table's keys, all with one score, and so in the order of their bytes, for `scan`: it
changes only where a row appears or goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from warehouse.stores.rows import (
    Move,
    RowsUnavailable,
    batches,
    checked_key,
    checked_moves,
    checked_rows,
    checked_table,
    checked_version,
    prefix_range,
)

# Each row is told as the version that it must be at, eight bytes, and then as it is kept; ANY is any that is lower.
# Versions are compared as numbers, which a double holds exactly; Lua's `<` on text would ask the server's locale.
_MOVE = """
local call, number, refused, fresh = server.call, struct.unpack, {}, {}
local member = #KEYS[1] + 2
local ANY, NONE = string.rep('\\255', 8), string.rep('\\0', 8)
for i = 1, #ARGV do
  local key, before, row = KEYS[i + 1], string.sub(ARGV[i], 1, 8), string.sub(ARGV[i], 9)
  local there = call('GETRANGE', key, 0, 7)
  local absent = there == ''
  if absent then
    there = NONE
  end
  if there == before or before == ANY and (absent or number('>I8', there) < number('>I8', row)) then
    call('SET', key, row)
    if absent then
      fresh[#fresh + 1] = 0
      fresh[#fresh + 1] = string.sub(key, member)
    end
  else
    refused[#refused + 1] = i - 1
  end
end
if #fresh > 0 then
  call('ZADD', KEYS[1], unpack(fresh))
end
return refused
"""
_DELETE_AT = """
if server.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then
  return 0
end
server.call('UNLINK', KEYS[1])
server.call('ZREM', KEYS[2], ARGV[2])
return 1
"""
_MOVE_SHA = hashlib.sha1(_MOVE.encode(), usedforsecurity=False).hexdigest()
_VERSION_BYTES = 8
_ANY = b"\xff" * _VERSION_BYTES
_ROWS_A_CALL = 500  # a call has the server to itself: a few milliseconds, in which others wait
_BYTES_A_CALL = 1 << 20
_CALLS_A_TRIP = 10
_CONNECTIONS = 64  # of one process; more threads than that wait for one another

Item = TypeVar("Item")
Packed = tuple[bytes, bytes]  # a row as it is told: its key, and the version before, the version and the value


class ValkeyRows:
    """`Rows` in one database of the server at `host:port`, for any number of threads and processes.

    What a write survives is the server's setting: with `appendonly yes`, and `appendfsync no` or `always`, the death of
    any process; with `always` a power cut too. With `everysec` it may answer before it has written anything.
    Connections are made when they are needed, and made again after the server was away.
    """

    def __init__(self, host: str, port: int, database: int = 0, *, timeout_seconds: float = 5.0) -> None:
        self._place = f"valkey://{host}:{port}/{database}"
        pooled: Any = BlockingConnectionPool  # it carries no types
        pool = pooled(
            max_connections=_CONNECTIONS,
            timeout=timeout_seconds,
            host=host,
            port=port,
            db=database,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),  # a write sent twice would be told that it lost to itself
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._client: Any = Redis(connection_pool=pool)  # its types don't know that it answers in bytes
        self._closed = False

    @classmethod
    def at(cls, url: str) -> ValkeyRows:
        """The rows of `valkey://HOST:PORT[/DB]`. Raises `ValueError` for any other text."""
        parts = urlsplit(url)
        database = parts.path.removeprefix("/") or "0"
        if parts.scheme != "valkey" or not parts.hostname or parts.port is None or not database.isdecimal():
            raise ValueError(f"{url!r} is no valkey://HOST:PORT[/DB]")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"{url!r} says more than valkey://HOST:PORT[/DB]")
        return cls(parts.hostname, parts.port, int(database))

    def get(self, table: str, key: str) -> bytes | None:
        """The value, or None where there is no such row."""
        with self._asking(table, "read a row"):
            row: bytes | None = self._client.get(_place(table, checked_key(key)))
        return None if row is None else row[_VERSION_BYTES:]

    def get_many(self, table: str, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are there."""
        wanted = [(key, checked_key(key)) for key in keys]
        found: dict[str, bytes] = {}
        with self._asking(table, "read rows"):
            for some in _slices(wanted):
                for (key, _), row in zip(some, self._read(table, [place for _, place in some]), strict=True):
                    if row is not None:
                        found[key] = row[_VERSION_BYTES:]
        return found

    def version_of(self, table: str, key: str) -> int | None:
        """The version that the row was written with, or None where there is none."""
        with self._asking(table, "read a row's version"):
            version: bytes = self._client.getrange(_place(table, checked_key(key)), 0, _VERSION_BYTES - 1)
        return int.from_bytes(version) if version else None

    def put(self, table: str, key: str, value: bytes, *, version: int) -> bool:
        """Write where the row is absent or its version is lower; False, and nothing written, where it is not."""
        return self.put_many(table, {key: value}, version=version) == 1

    def put_many(self, table: str, rows: Mapping[str, bytes], *, version: int) -> int:
        """`put` for each, in as few round trips as can be; how many were written."""
        checked_version(version)
        head = _ANY + version.to_bytes(_VERSION_BYTES)
        return len(rows) - len(self._told(table, [(key, head + value) for key, value in checked_rows(rows)]))

    def move(self, table: str, rows: Mapping[str, Move]) -> frozenset[str]:
        """Write each row that is still as it was read, hundreds a call, many calls a trip; those not written."""
        told = [
            (key, move.before.to_bytes(_VERSION_BYTES) + move.version.to_bytes(_VERSION_BYTES) + move.value)
            for key, move in checked_moves(rows)
        ]
        return frozenset(key.decode() for key in self._told(table, told))

    def delete(self, table: str, keys: Iterable[str]) -> None:
        """Remove those rows; absent ones are no error."""
        gone = [checked_key(key) for key in keys]
        with self._asking(table, "delete rows"):
            for some in _slices(gone):
                together = self._client.pipeline(transaction=True)  # a row and its place in the order go as one
                together.unlink(*(_place(table, key) for key in some))
                together.zrem(table, *some)
                _answered(together.execute(raise_on_error=False))

    def delete_at(self, table: str, key: str, *, version: int) -> bool:
        """Remove the row where it is still at that version; False, and nothing removed, where it is not."""
        name, at = checked_key(key), checked_version(version).to_bytes(_VERSION_BYTES)
        with self._asking(table, "delete a row"):
            return bool(self._client.eval(_DELETE_AT, 2, _place(table, name), table, at, name))

    def scan(self, table: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Every row whose key begins with `prefix`, in key order (by UTF-8 bytes), read a page at a time."""
        low, high = prefix_range(prefix)
        page = self._page(table, b"[" + low, b"(" + high)
        while page:
            yield from ((key.decode(), row[_VERSION_BYTES:]) for key, row in page if row is not None)
            page = self._page(table, b"(" + page[-1][0], b"(" + high)

    def close(self) -> None:
        """Release what is held; a second call does nothing."""
        self._closed = True
        self._client.connection_pool.disconnect()

    def _page(self, table: str, low: bytes, high: bytes) -> list[tuple[bytes, bytes | None]]:
        with self._asking(table, "scan rows"):
            keys: list[bytes] = self._client.zrangebylex(table, low, high, 0, _ROWS_A_CALL)
            return list(zip(keys, self._read(table, keys), strict=True)) if keys else []

    def _read(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        rows: list[bytes | None] = self._client.mget([_place(table, key) for key in keys])
        return rows

    def _told(self, table: str, rows: list[Packed]) -> list[bytes]:
        """The keys of those that were not written."""
        refused: list[bytes] = []
        with self._asking(table, "write rows"):
            calls = batches(rows, _ROWS_A_CALL, _BYTES_A_CALL)
            while trip := list(islice(calls, _CALLS_A_TRIP)):
                refused.extend(self._moved(table, trip))
        return refused

    def _moved(self, table: str, calls: list[list[Packed]]) -> Iterator[bytes]:
        """The keys that these calls, sent together, did not write."""
        for call, refused in zip(calls, self._answers(table, calls), strict=True):
            yield from (call[number][0] for number in refused)

    def _answers(self, table: str, calls: list[list[Packed]]) -> list[list[int]]:
        answers = self._sent(table, calls)
        unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # the first since the server was started: these calls have written nothing
            self._client.script_load(_MOVE)
            again = self._sent(table, [calls[number] for number in unknown])
            for number, answer in zip(unknown, again, strict=True):
                answers[number] = answer
        return _answered(answers)

    def _sent(self, table: str, calls: list[list[Packed]]) -> list[Any]:
        together = self._client.pipeline(transaction=False)
        for call in calls:
            places = [_place(table, key) for key, _ in call]
            together.evalsha(_MOVE_SHA, 1 + len(call), table, *places, *(row for _, row in call))
        return together.execute(raise_on_error=False)

    @contextmanager
    def _asking(self, table: str, doing: str) -> Iterator[None]:
        checked_table(table)
        if self._closed:
            raise RowsUnavailable(f"{self._place}: could not {doing} of {table}: it was closed")
        try:
            yield
        except RedisError as error:
            raise RowsUnavailable(f"{self._place}: could not {doing} of {table}: {error}") from error


def _place(table: str, key: bytes) -> bytes:
    return b"%b\0%b" % (table.encode(), key)


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for first in range(0, len(items), _ROWS_A_CALL):
        yield items[first : first + _ROWS_A_CALL]


def _answered(answers: list[Any]) -> list[Any]:
    """The answers themselves. Raises the first that is an error."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
