"""Columns of a file as text, lengths and times: whole columns at once, unreadable values becoming null."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.told import MAX_EXACT

UNITS_MS = {"s": 1_000, "ms": 1}
TIME_UNITS = (*UNITS_MS, "iso", "written")
MAX_SECONDS_DIGITS = 11  # until the year 5138
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = r"^\s*[-+]?[0-9]+(\.[0-9]*)?\s*$"
_SCROBBLED = re.compile(r"\s*(\d{1,2}) ([A-Za-z]{3}) (\d{4}),? (\d{2}):(\d{2})\s*", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class NotAColumn(ValueError):
    """A column's type holds nothing of the kind that was asked for; the message names the type."""


def text(column: pa.Array) -> pa.Array:
    """As strings without space around them; what is empty, or not UTF-8, is null."""
    plain = _plain(column)
    if _is_binary(plain.type):
        plain = _decoded(plain)
    if pa.types.is_nested(plain.type):
        raise NotAColumn(f"type {plain.type}")
    try:
        trimmed = pc.utf8_trim_whitespace(plain.cast(pa.string()))
    except pa.ArrowInvalid as error:  # times in a zone that nobody knows
        raise NotAColumn(f"type {plain.type}") from error
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def length_ms(column: pa.Array, unit: str = "ms") -> pa.Array:
    """Lengths as whole milliseconds, int64; `unit` is s or ms."""
    plain = _plain(column)
    if pa.types.is_duration(plain.type):
        return _in_ms(plain, pa.duration("ms"))
    return _scaled(plain, UNITS_MS[unit])


def instant_ms(column: pa.Array, unit: str = "ms") -> pa.Array:
    """Times as UTC milliseconds since 1970, int64. `unit` is one of `TIME_UNITS`; a typed timestamp needs none.

    `iso` is ISO 8601, UTC where it names no zone; `written` takes that, `02 Jan 2024 03:04` (UTC) and seconds.
    Raises KeyError for another unit.
    """
    plain = _plain(column)
    if pa.types.is_timestamp(plain.type) or pa.types.is_date(plain.type):
        zone = plain.type.tz if pa.types.is_timestamp(plain.type) else None
        return _in_ms(plain, pa.timestamp("ms", zone))
    if unit in UNITS_MS:
        return _scaled(plain, UNITS_MS[unit])
    return _each(text(plain), {"iso": iso_ms, "written": written_ms}[unit])


def iso_ms(written: str) -> int | None:
    """An ISO 8601 time as UTC milliseconds, or None."""
    try:
        moment = datetime.fromisoformat(written)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round((aware - _EPOCH).total_seconds() * 1_000)
    except (ValueError, OverflowError):
        return None


def scrobbled_ms(written: str) -> int | None:
    """A time such as `02 Jan 2024 03:04` or `02 Jan 2024, 03:04` as UTC milliseconds, or None."""
    found = _SCROBBLED.fullmatch(written)
    if not found or found[2].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(found[2].lower()) + 1
    try:
        moment = datetime(int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), tzinfo=UTC)
    except ValueError:
        return None
    return round((moment - _EPOCH).total_seconds() * 1_000)


def written_ms(written: str) -> int | None:
    """A time in any of the ways in which exporters write one: a scrobble's, ISO 8601, or seconds since 1970."""
    if written.isascii() and written.isdecimal():
        return int(written) * 1_000 if len(written) <= MAX_SECONDS_DIGITS else None
    scrobbled = scrobbled_ms(written)
    return iso_ms(written) if scrobbled is None else scrobbled


def shown(column: pa.Array, position: int) -> Any:
    """A value as Python's own, or the text of one for which Python has none, such as a time after the year 9999."""
    try:
        return column[position].as_py()
    except (ValueError, OverflowError, LookupError):  # the last for a time zone that nobody knows
        return column.slice(position, 1).to_string(skip_new_lines=True).strip("[]")


def _in_ms(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Times or lengths as int64 of milliseconds; null where one is too many of them."""
    if getattr(column.type, "unit", None) == "s":  # the one unit in which int64 holds more than it does of milliseconds
        return _scaled(column.cast(pa.int64()), UNITS_MS["s"])
    return column.cast(kind, safe=False).cast(pa.int64())


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionaries, and with the ordinary kind of string; text where there is no value that tells the kind."""
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_dictionary(column.type):
        return _plain(column.dictionary_decode())
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column


def _is_binary(kind: pa.DataType) -> bool:
    kinds = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(is_kind(kind) for is_kind in kinds)


def _decoded(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:  # some value is not UTF-8: find which, one by one
        return pa.array([_utf8(value) for value in column.to_pylist()], pa.string())


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _scaled(column: pa.Array, scale: int) -> pa.Array:
    """Numbers, or text of numbers, times `scale`, as int64; null where there is none that int64 holds exactly."""
    if pa.types.is_string(column.type) or _is_binary(column.type):
        written = text(column)
        column = pc.if_else(pc.match_substring_regex(written, _NUMBER), written, pa.scalar(None, pa.string()))
    elif not (
        pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    ):
        raise NotAColumn(f"type {column.type}")
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) * scale
    exact = np.isfinite(values) & (np.abs(values) < MAX_EXACT)
    return pa.array(np.rint(np.where(exact, values, 0)).astype(np.int64), mask=~exact)


def _each(column: pa.Array, reading: Callable[[str], int | None]) -> pa.Array:
    return pa.array([None if value is None else reading(value) for value in column.to_pylist()], pa.int64())
