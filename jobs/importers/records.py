"""JSON exports, as one array or as lines, read record by record: a bad record is set aside, a broken file refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jobs.importers.sample import CUT_OFF
from jobs.importers.told import (
    BATCH_ROWS,
    MAX_EXACT,
    MAX_JSON_BYTES,
    MAX_LINE_BYTES,
    ImportedRows,
    ImportRefused,
    Unreadable,
    told_records,
)

_BOM = b"\xef\xbb\xbf"
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OPENING, _SEPARATOR = re.compile(r"\s*(\[)\s*"), re.compile(r"\s*([,\]])\s*")
_BATCH_RECORDS = BATCH_ROWS // 4


class Ignored(NamedTuple):
    """A record that is no play and was never meant to be one."""

    reason: str


class BadRecord(ValueError):
    """A record that was meant to be a play and cannot be read as one: what was found and what was wanted."""


Record = Mapping[str, Any]
Meaning = Callable[[Record], Record | Ignored]  # a told row, or why there is none; raises BadRecord


def told_of(records: Iterable[tuple[int, bytes]], meaning: Meaning) -> Iterator[ImportedRows]:
    """Numbered records as told rows, a batch at a time."""
    rest = iter(records)
    while batch := list(islice(rest, _BATCH_RECORDS)):
        yield _told(batch, meaning)


def _told(batch: Iterable[tuple[int, bytes]], meaning: Meaning) -> ImportedRows:
    rows: list[Record] = []
    texts: list[bytes] = []
    unreadable: list[Unreadable] = []
    ignored: Counter[str] = Counter()
    for line, text in batch:
        try:
            meant = meaning(_decoded(text))
        except BadRecord as bad:
            unreadable.append(Unreadable(line, str(bad), text.decode(errors="replace")))
            continue
        if isinstance(meant, Ignored):
            ignored[meant.reason] += 1
        else:
            rows.append({"line": line, **meant})
            texts.append(text)
    return ImportedRows(
        told_records(rows), lambda at: texts[at].decode(errors="replace"), unreadable=unreadable, ignored=ignored
    )


def array_records(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """The elements of the JSON array that a file is, numbered from 1. Raises `ImportRefused` where it is none."""
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise ImportRefused(f"reading {name}: found {size:,} bytes of JSON; wanted at most {MAX_JSON_BYTES:,}")
    content = path.read_bytes().removeprefix(_BOM)
    try:
        elements: Sequence[msgspec.Raw | bytes] = msgspec.json.decode(content, type=list[msgspec.Raw])
    except _BROKEN as error:
        try:
            elements = _elements_by_laxer_rules(content.decode())
        except (ValueError, RecursionError):
            cut = CUT_OFF in str(error) and not content.rstrip().endswith(b"]")
            found = "a file that was cut off" if cut else f"broken JSON ({error})"
            raise ImportRefused(f"reading {name}: found {found}; wanted one whole array") from error
    return ((number, bytes(element)) for number, element in enumerate(elements, 1))


def _elements_by_laxer_rules(text: str) -> list[bytes]:
    """The elements of an array of which some are wrong inside, such as half a surrogate pair: each is told alone.

    Raises ValueError where that is not so.
    """
    reader, found = json.JSONDecoder(), list[bytes]()
    place = _OPENING.match(text)
    while place and place[1] != "]":
        end = reader.raw_decode(text, place.end())[1]
        found.append(text[place.end() : end].encode())
        place = _SEPARATOR.match(text, end)
    if place is None or place.end() != len(text):
        raise ValueError("no whole array")
    return found


def line_records(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not empty, numbered from 1. Raises `ImportRefused` where one is too long."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise ImportRefused(
                    f"reading {name}: found more than {MAX_LINE_BYTES:,} bytes in line {number}; wanted shorter lines"
                )
            if text := line.removeprefix(_BOM).strip():
                yield number, text


def _decoded(text: bytes) -> Record:
    try:
        record = msgspec.json.decode(text)
    except _BROKEN as error:
        raise BadRecord(f"found broken JSON ({error}); wanted an object") from error
    if not isinstance(record, dict):
        raise BadRecord(f"found {type(record).__name__}; wanted an object")
    return record


def text_in(record: Record, field: str) -> str | None:
    """The text of a field, None where it is empty or absent. Raises `BadRecord` where it is something else."""
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRecord(f"{field} is {_shown(value)}; wanted text")
    return value.strip() or None


def number_in(record: Record, field: str, scale: int = 1) -> int:
    """A number times `scale`, rounded. Raises `BadRecord` where there is none."""
    number = whole(record.get(field), scale)
    if number is None:
        raise BadRecord(f"{field} is {_shown(record.get(field))}; wanted a number")
    return number


def time_in(record: Record, field: str, reading: Callable[[str], int | None]) -> int:
    """A written time as UTC milliseconds. Raises `BadRecord` where it is none."""
    written = text_in(record, field)
    moment = reading(written) if written else None
    if moment is None:
        raise BadRecord(f"{field} is {_shown(record.get(field))}; wanted a date and time")
    return moment


def whole(value: object, scale: int = 1) -> int | None:
    """A JSON number times `scale`, rounded, or None where the value is none or is beyond any time or length."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_EXACT:  # nor is NaN
        return None
    return round(value * scale) if abs(value * scale) < MAX_EXACT else None


def optional_text(value: object) -> str | None:
    """A text that a play can do without: what is no text is left out."""
    return (value.strip() or None) if isinstance(value, str) else None


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:80]
