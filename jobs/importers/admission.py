"""Which told rows are plays: bounds and ids checked a column at a time, the first reason against a row kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.checks import (
    ID,
    LABEL,
    LENGTH,
    UTF8,
    Check,
    missing,
    no_id,
    no_label,
    no_length,
    not_utf8,
    of_moment,
    reasons,
    without,
)
from jobs.importers.told import MAX_NAME_CHARS, About, ImportedRows, Unreadable
from jobs.importers.utf8 import MARK
from warehouse.events import play_identity
from warehouse.rules.identity import isrc_of, mbid_of, name_key

MAX_CONTENT_CHARS = 1_000
_CONTROL = r"[\x00-\x1f\x7f]"
_NAMES = ("title", "artist", "album")


@dataclass(frozen=True)
class Admitted:
    """The good rows of a batch, each with all that raw.plays and raw.tracks want of it, and the bad ones."""

    rows: pa.Table
    quarantined: list[Unreadable]


def admitted(told: ImportedRows, now_ms: int, listener: str | None = None) -> Admitted:
    """Rows that can be plays (or tracks), completed with the ids they lack; the others with the reason against each.

    `listener` is whose the whole file is, where that is known.
    """
    rows, of_tracks = _completed(told.rows), told.about is About.TRACKS
    unreadable = [_cut(row._replace(listener_id=None if of_tracks else listener)) for row in told.unreadable]
    found = checked(rows, _OF_TRACKS if of_tracks else _OF_PLAYS, told, now_ms)
    return Admitted(found.rows if of_tracks else _identified(found.rows), unreadable + found.quarantined)


def checked(rows: pa.Table, checks: Sequence[Check], told: ImportedRows, now_ms: int) -> Admitted:
    """Of those rows of `told`, the ones against which nothing is, and the others with the first reason against each."""
    against = reasons(rows, checks, now_ms, told.faults)
    if against is None:
        return Admitted(rows, [])
    listener = rows["listener_id"]
    lines, listeners = rows["line"].to_pylist(), without(listener, no_id(listener)).to_pylist()
    refused = [
        _cut(Unreadable(lines[i], reason, told.content(i), listeners[i]))
        for i, reason in enumerate(against)
        if reason is not None
    ]
    return Admitted(rows.filter(pa.array([reason is None for reason in against], pa.bool_())), refused)


_TEXTS = tuple(Check(name, not_utf8, UTF8) for name in ("artist", "title", "source_track_id"))
_TRACK = (
    Check("source_track_id", missing, "an id of the track, or its artist and title"),
    Check("source_track_id", no_id, ID),
)
_TRACK_LENGTH = Check("track_ms", no_length, LENGTH)
_OF_TRACKS = (*_TEXTS, *_TRACK, _TRACK_LENGTH)
_OF_PLAYS = (
    *_TEXTS,
    Check("listener_id", not_utf8, UTF8),
    *of_moment("started_ms"),
    *_TRACK,
    Check("listener_id", missing, "an id of the listener"),
    Check("listener_id", no_id, ID),
    Check("play_id", no_id, ID),
    Check("source", no_label, LABEL),
    Check("played_ms", no_length, LENGTH),
    _TRACK_LENGTH,
)


def _completed(rows: pa.Table) -> pa.Table:
    """With track ids from the names where the source has none, and optional fields that mean something."""
    names = {name: _clean(rows[name]) for name in _NAMES}
    names["album"] = pc.replace_substring(names["album"], MARK, "\ufffd")  # no album costs a play
    replaced = {
        "source_track_id": pc.coalesce(rows["source_track_id"], _ids_of_names(rows, names["artist"], names["title"])),
        "track_ms": without(rows["track_ms"], pc.equal(rows["track_ms"], 0)),
        "isrc": _translated(rows["isrc"], isrc_of),
        "mbid": _translated(rows["mbid"], mbid_of),
        "slot": without(rows["slot"], pc.or_(pc.less(rows["slot"], 0), pc.greater(rows["slot"], 2**31 - 1))),
        "country": _translated(rows["country"], _country),
        **{name: without(rows[name], no_id(rows[name])) for name in ("context", "impression_id")},
        **{name: without(rows[name], no_label(rows[name])) for name in ("ended_by", "device")},
        **names,
    }
    return pa.table({name: replaced.get(name, rows[name]) for name in rows.column_names}, schema=rows.schema)


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
