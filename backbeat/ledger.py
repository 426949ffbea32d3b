"""`backbeat ledger`: every play that was accepted or imported, and where it is now, a line a day."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake, open_log, open_rows
from warehouse.stores.ledger import UNKNOWN, Books, Line, TablesForgotten, books
from warehouse.stores.log import now_ms
from warehouse.stores.rows import RowsUnavailable
from warehouse.stores.tastes import Tastes
from warehouse.workers import LAST, LEDGER, LastLedger

_EPOCH = datetime.fromtimestamp(0, UTC).date()


@dataclass(frozen=True)
class RowsHeld:
    """What the live taste rows hold: listeners, and counted plays by day."""

    listeners: int
    plays: Counter[str]


def ledger(*, since: str | None = None, rows: bool = True, json: Flag = False) -> None:
    """Say where every play is that was accepted or imported, by the day it was heard, and whether any is missing.

    The live page tells the difference of the last ledger over all days and rows.

    Args:
        since: Only this day (YYYY-MM-DD) and later; what has no day is left out then.
        rows: Read the live taste rows too, one listener after the other.
        json: One JSON document on one line.
    """
    first = _day(since)
    settings = Settings.from_environment()
    try:
        with closing(open_log(settings)) as log, tempfile.TemporaryDirectory(prefix="backbeat-ledger-") as scratch:
            found = books(open_lake(settings), log, Path(scratch))
        held = _rows_held(settings) if rows else None
        days = _days(found, held, first)
        if rows and first is None:
            _leave_word(settings, days)
    except (TablesForgotten, RowsUnavailable) as error:
        raise CommandFailed(f"cannot close the books: {error}") from error
    if json:
        emit(_document(found, held, days))
    else:
        _tell(found, days)


def _day(text: str | None) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        raise BadUsage(f"--since {text!r}; wanted a day such as 2014-12-01") from None


def _rows_held(settings: Settings) -> RowsHeld:
    """Raises `RowsUnavailable`."""
    plays: Counter[str] = Counter()
    with closing(open_rows(settings)) as rows:
        tastes = Tastes(rows)
        listeners = tastes.listeners()
        for listener_id in listeners:
            for entry in tastes.now(listener_id).entries:
                plays[(_EPOCH + timedelta(days=entry.day)).isoformat()] += entry.plays
    return RowsHeld(len(listeners), plays)


def _days(found: Books, held: RowsHeld | None, first: str | None) -> dict[str, Line]:
    days = dict(found.days)
    if held is not None:
        for day in (*days, *held.plays):
            line = days.setdefault(day, Line())
            line.in_rows = held.plays[day] if day != UNKNOWN else 0
    wanted = (day for day in sorted(days) if first is None or (day >= first and day != UNKNOWN))
    return {day: days[day] for day in wanted}


def _leave_word(settings: Settings, days: dict[str, Line]) -> None:
    """Let the live page know what these books, of all days, came to. Raises `RowsUnavailable`."""
    total, at_ms = _total(days), now_ms()
    last = LastLedger(at_ms, len(days), total.told, total.there, _difference(days))
    with closing(open_rows(settings)) as rows:
        rows.put(LEDGER, LAST, msgspec.msgpack.encode(last), version=at_ms)


def _document(found: Books, held: RowsHeld | None, days: dict[str, Line]) -> dict[str, Any]:
    total = _total(days)
    return {
        "difference": _difference(days),
        "total": _told(total),
        "days": {day: _told(line) for day, line in days.items()},
        "log": found.log,
        "lake": found.lake,
        "rows": None if held is None else {"listeners": held.listeners, "plays": held.plays.total()},
        "behind": found.behind,
    }


def _difference(days: dict[str, Line]) -> int:
    """Of all days, without their signs: two errors do not hide each other."""
    return sum(abs(line.difference) for line in days.values())


def _told(line: Line) -> dict[str, Any]:
    return {**msgspec.structs.asdict(line), "difference": line.difference}


def _total(days: dict[str, Line]) -> Line:
    total = Line()
    for line in days.values():
        for name, value in msgspec.structs.asdict(line).items():
            if value is not None:
                setattr(total, name, (getattr(total, name) or 0) + value)
    return total


def _tell(found: Books, days: dict[str, Line]) -> None:
    columns = ["day", *(name.replace("_", "-") for name in Line.__struct_fields__), "difference"]
    lines = [(day, *_told(line).values()) for day, line in (*days.items(), ("total", _total(days)))]
    console().print(table("plays by the day they were heard", columns, lines))
    held = ", ".join(f"{name} {rows:,}" for name, rows in found.lake.items())
    console().print(f"The log holds {found.log['plays']:,} plays in {found.log['records']:,} records; the lake {held}.")
    if behind := {name.replace("_", " "): count for name, count in found.behind.items() if count}:
        told = ", ".join(f"{count:,} {name}" for name, count in behind.items())
        notice(f"The tables are behind: {told}. `backbeat run tables` brings them up.")
    console().print(f"Difference {_difference(days):,}.")
