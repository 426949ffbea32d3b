"""What may be against a row, a column at a time: bounds, ids and labels; the first reason is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.told import Flags
from jobs.importers.utf8 import MARK
from warehouse.events import MAX_ID_CHARACTERS, MAX_LABEL_CHARACTERS
from warehouse.rules.plays import FUTURE_TOLERANCE_MS, LONGEST_PLAY_MS, MIN_STARTED_MS

_NO_ID = r"[\x00-\x1f\x7f\x{ffff}]"  # nor utf8.MARK
ID = f"1 to {MAX_ID_CHARACTERS} characters, none of them a control character"
LABEL = f"1 to {MAX_LABEL_CHARACTERS} characters, none of them a control character"
LENGTH = f"0 to {LONGEST_PLAY_MS} ms (a day)"
UTF8 = "text in UTF-8"


@dataclass(frozen=True)
class Check:
    """`bad` says of a column, at a time in UTC ms, which of its values are not what is `wanted`."""

    column: str
    bad: Callable[[pa.ChunkedArray, int], pa.ChunkedArray]
    wanted: str


def reasons(
    rows: pa.Table, checks: Sequence[Check], now_ms: int, faults: Sequence[str | None] | None = None
) -> list[str | None] | None:
    """The first reason against each row, `faults` before all, or None where nothing is against any of them."""
    flagged = [(check, _flags(check.bad(rows[check.column], now_ms))) for check in checks]
    if faults is None and not any(flags.any() for _, flags in flagged):
        return None
    found: list[str | None] = list(faults) if faults is not None else [None] * len(rows)
    for check, flags in flagged:
        column = rows[check.column]
        for i in np.flatnonzero(flags).tolist():
            if found[i] is None:
                found[i] = f"{check.column} is {_shown(column[i].as_py())}; wanted {check.wanted}"
    return found


def without(column: pa.ChunkedArray, where: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with null in these places."""
    return pc.if_else(pc.fill_null(where, fill_value=False), pa.scalar(None, column.type), column)


def of_ids(*columns: str) -> list[Check]:
    """That these are there, and ids."""
    return [check for name in columns for check in (Check(name, missing, ID), Check(name, no_id, ID))]


def of_labels(*columns: str) -> list[Check]:
    """That these are there, and labels."""
    return [check for name in columns for check in (Check(name, missing, LABEL), Check(name, no_label, LABEL))]


def of_moment(column: str) -> list[Check]:
    """That it is there, and a time at which something may have been heard or shown."""
    return [
        Check(column, missing, "a time"),
        Check(column, too_early, f"{MIN_STARTED_MS} (2000-01-01) or later"),
        Check(column, in_the_future, "a time that is not in the future"),
    ]


def missing(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    """That nothing is there."""
    return pc.is_null(column)


def too_early(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    """Before anybody told plays by machine."""
    return pc.less(column, MIN_STARTED_MS)


def in_the_future(column: pa.ChunkedArray, now_ms: int) -> pa.ChunkedArray:
    """Later than a clock may run ahead."""
    return pc.greater(column, now_ms + FUTURE_TOLERANCE_MS)


def not_utf8(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    """Text that was not UTF-8."""
    return pc.match_substring(column, MARK)


def no_length(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    """Below nothing, or above the longest play."""
    return pc.or_(pc.less(column, 0), pc.greater(column, LONGEST_PLAY_MS))


def no_id(column: pa.ChunkedArray, _now_ms: int = 0) -> pa.ChunkedArray:
    """A control character in it, or too long for an id."""
    return pc.or_(pc.match_substring_regex(column, _NO_ID), _longer(column, MAX_ID_CHARACTERS))


def no_label(column: pa.ChunkedArray, _now_ms: int = 0) -> pa.ChunkedArray:
    """A control character in it, or too long for a label."""
    return pc.or_(pc.match_substring_regex(column, _NO_ID), _longer(column, MAX_LABEL_CHARACTERS))


def _longer(column: pa.ChunkedArray, characters: int) -> pa.ChunkedArray:
    return pc.greater(pc.utf8_length(column), characters)


def _flags(column: pa.ChunkedArray) -> Flags:
    return np.asarray(pc.fill_null(column, fill_value=False).to_numpy(), bool)


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}... ({len(value):,} characters)"
