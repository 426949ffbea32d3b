"""Which told rows are plays: bounds and ids checked a column at a time, the first reason against a row kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.told import (
    MAX_ID_CHARS,
    MAX_LABEL_CHARS,
    MAX_NAME_CHARS,
    Flags,
    Told,
    Unreadable,
)
from jobs.importers.utf8 import MARK
from warehouse.events import play_identity
from warehouse.rules.identity import isrc_of, mbid_of, name_key
from warehouse.rules.plays import FUTURE_TOLERANCE_MS, LONGEST_PLAY_MS, MIN_STARTED_MS

MAX_CONTENT_CHARS = 1_000
_CONTROL = r"[\x00-\x1f\x7f]"
_NO_ID = r"[\x00-\x1f\x7f\x{ffff}]"  # nor utf8.MARK
_NAMES = ("title", "artist", "album")


@dataclass(frozen=True)
class Admitted:
    """The good rows of a batch, each with all that raw.plays and raw.tracks want of it, and the bad ones."""

    rows: pa.Table
    quarantined: list[Unreadable]


def admitted(told: Told, now_ms: int, listener: str | None = None) -> Admitted:
    """Rows that can be plays (or tracks), completed with the ids they lack; the others with the reason against each.

    `listener` is whose the whole file is, where that is known.
    """
    rows = _completed(told.rows)
    quarantined = [row._replace(listener_id=None if told.of_tracks else listener) for row in told.unreadable]
    reasons = _reasons(rows, told, now_ms)
    if reasons is not None:
        lines = rows["line"].to_pylist()
        listeners = _nulled(rows["listener_id"], _no_id(rows["listener_id"], 0)).to_pylist()
        quarantined += [
            Unreadable(lines[i], reason, told.content(i), listeners[i])
            for i, reason in enumerate(reasons)
            if reason is not None
        ]
        rows = rows.filter(pa.array([reason is None for reason in reasons], pa.bool_()))
    return Admitted(rows if told.of_tracks else _identified(rows), [_cut(row) for row in quarantined])


@dataclass(frozen=True)
class _Check:
    column: str
    bad: Callable[[pa.ChunkedArray, int], pa.ChunkedArray]
    wanted: str
    of_tracks: bool = False  # whether it also holds where rows tell of tracks alone


def _missing(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.is_null(column)


def _too_early(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.less(column, MIN_STARTED_MS)


def _in_the_future(column: pa.ChunkedArray, now_ms: int) -> pa.ChunkedArray:
    return pc.greater(column, now_ms + FUTURE_TOLERANCE_MS)


def _not_utf8(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.match_substring(column, MARK)


def _no_length(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.or_(pc.less(column, 0), pc.greater(column, LONGEST_PLAY_MS))


def _no_id(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.or_(pc.match_substring_regex(column, _NO_ID), _longer(column, MAX_ID_CHARS))


def _no_label(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.or_(pc.match_substring_regex(column, _NO_ID), _longer(column, MAX_LABEL_CHARS))


def _longer(column: pa.ChunkedArray, characters: int) -> pa.ChunkedArray:
    return pc.greater(pc.utf8_length(column), characters)


_ID = f"1 to {MAX_ID_CHARS} characters, none of them a control character"
_LABEL = f"1 to {MAX_LABEL_CHARS} characters, none of them a control character"
_LENGTH = f"0 to {LONGEST_PLAY_MS} ms (a day)"
_UTF8 = "text in UTF-8"
_CHECKS = (
    *(_Check(name, _not_utf8, _UTF8, of_tracks=True) for name in ("artist", "title", "source_track_id")),
    _Check("listener_id", _not_utf8, _UTF8),
    _Check("started_ms", _missing, "a time"),
    _Check("started_ms", _too_early, f"{MIN_STARTED_MS} (2000-01-01) or later"),
    _Check("started_ms", _in_the_future, "a time that is not in the future"),
    _Check("source_track_id", _missing, "an id of the track, or its artist and title", of_tracks=True),
    _Check("source_track_id", _no_id, _ID, of_tracks=True),
    _Check("listener_id", _missing, "an id of the listener"),
    _Check("listener_id", _no_id, _ID),
    _Check("play_id", _no_id, _ID),
    _Check("source", _no_label, _LABEL),
    _Check("played_ms", _no_length, _LENGTH),
    _Check("track_ms", _no_length, _LENGTH, of_tracks=True),
)


def _reasons(rows: pa.Table, told: Told, now_ms: int) -> list[str | None] | None:
    """The first reason against each row, or None where nothing is against any of them."""
    checks = [check for check in _CHECKS if check.of_tracks or not told.of_tracks]
    flagged = [(check, _flags(check.bad(rows[check.column], now_ms))) for check in checks]
    if told.faults is None and not any(flags.any() for _, flags in flagged):
        return None
    reasons: list[str | None] = list(told.faults) if told.faults is not None else [None] * len(rows)
    for check, flags in flagged:
        column = rows[check.column]
        for i in np.flatnonzero(flags).tolist():
            if reasons[i] is None:
                reasons[i] = f"{check.column} is {_shown(column[i].as_py())}; wanted {check.wanted}"
    return reasons


def _flags(column: pa.ChunkedArray) -> Flags:
    return np.asarray(pc.fill_null(column, fill_value=False).to_numpy(), bool)


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}... ({len(value):,} characters)"


def _completed(rows: pa.Table) -> pa.Table:
    """With track ids from the names where the source has none, and optional fields that mean something."""
    names = {name: _clean(rows[name]) for name in _NAMES}
    names["album"] = pc.replace_substring(names["album"], MARK, "\ufffd")  # no album costs a play
    replaced = {
        "source_track_id": pc.coalesce(rows["source_track_id"], _ids_of_names(rows, names["artist"], names["title"])),
        "track_ms": _nulled(rows["track_ms"], pc.equal(rows["track_ms"], 0)),
        "isrc": _translated(rows["isrc"], isrc_of),
        "mbid": _translated(rows["mbid"], mbid_of),
        "slot": _nulled(rows["slot"], pc.or_(pc.less(rows["slot"], 0), pc.greater(rows["slot"], 2**31 - 1))),
        "country": _translated(rows["country"], _country),
        **{name: _nulled(rows[name], _no_id(rows[name], 0)) for name in ("context", "impression_id")},
        **{name: _nulled(rows[name], _no_label(rows[name], 0)) for name in ("ended_by", "device")},
        **names,
    }
    return pa.table({name: replaced.get(name, rows[name]) for name in rows.column_names}, schema=rows.schema)


def _nulled(column: pa.ChunkedArray, where: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.fill_null(where, fill_value=False), pa.scalar(None, column.type), column)


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.null_count == len(column):
        return column
    cut = pc.utf8_slice_codeunits(column, 0, MAX_NAME_CHARS)
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(cut, _CONTROL, " "))


def _translated(column: pa.ChunkedArray, meaning: Callable[[str], str | None]) -> pa.ChunkedArray:
    """Each distinct value put through `meaning` once."""
    if column.null_count == len(column):
        return column
    coded = column.combine_chunks().dictionary_encode()
    meanings = pa.array([None if v is None else meaning(v) for v in coded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([meanings.take(coded.indices)])


def _country(code: str) -> str | None:
    """ISO 3166-1 alpha-2; ZZ is how services write that they do not know."""
    upper = code.strip().upper()
    return upper if len(upper) == 2 and upper.isascii() and upper.isalpha() and upper != "ZZ" else None


def _ids_of_names(rows: pa.Table, artists: pa.ChunkedArray, titles: pa.ChunkedArray) -> pa.ChunkedArray:
    """`source:` and the hash of folded artist and title, null where the source tells an id or a name is missing."""
    unnamed = pc.is_null(rows["source_track_id"])
    if not pc.any(unnamed).as_py():
        return pa.chunked_array([pa.nulls(len(rows), pa.string())])
    nobody = pa.scalar(None, pa.string())
    sources, artists, titles = (pc.if_else(unnamed, names, nobody) for names in (rows["source"], artists, titles))
    return _translated(pc.binary_join_element_wise(sources, artists, titles, "\x1f"), _id_of_names)


def _id_of_names(joined: str) -> str | None:
    source, artist, title = joined.split("\x1f", 2)
    key = name_key(artist, title)
    return None if key is None else f"{source}:{key.removeprefix('name:')}"


def _identified(rows: pa.Table) -> pa.Table:
    """With a play id wherever the source gave none: its `play_identity`."""
    told = rows["play_id"].to_pylist()
    parts = zip(
        *(rows[name].to_pylist() for name in ("source", "listener_id", "source_track_id", "started_ms")), strict=True
    )
    ids = [mine or play_identity(*play) for mine, play in zip(told, parts, strict=True)]
    return rows.set_column(rows.schema.get_field_index("play_id"), "play_id", pa.array(ids, pa.string()))


def _cut(row: Unreadable) -> Unreadable:
    """Short enough for the quarantine, and text that any reader takes."""
    content = row.content[:MAX_CONTENT_CHARS].encode(errors="replace").decode()
    return row._replace(content=content, reason=row.reason[:MAX_CONTENT_CHARS])
