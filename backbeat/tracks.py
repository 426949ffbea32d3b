"""`backbeat tracks`: the ids of tracks by words of their names, as the lake's catalog has them."""

from __future__ import annotations

import duckdb

from backbeat.output import BadUsage, Flag, Limit, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import read_lake
from serving.parameters import MAX_LIMIT
from warehouse.tables import CORE_CATALOG

COLUMNS = ("track_id", "title", "artist", "album")


def tracks(
    *words: str,
    n: Limit = 20,
    json: Flag = False,
) -> None:
    """Find tracks, and their ids, by words of title, artist and album.

    Args:
        words: All of them are in its names, wherever and however they are written.
        n: How many at most.
        json: One JSON document on one line.
    """
    if not words or not 1 <= n <= MAX_LIMIT:
        raise BadUsage(f"tracks: found {len(words)} words and -n {n}; wanted a word, and -n from 1 to {MAX_LIMIT}")
    catalog = read_lake(Settings.from_environment(), lambda lake: lake.read(CORE_CATALOG, columns=list(COLUMNS)))
    rows = _named(duckdb.from_arrow(catalog), words).order("artist, title, track_id").fetchall()
    found, count = rows[:n], len(rows)
    if json:
        emit({"tracks": [dict(zip(COLUMNS, row, strict=True)) for row in found]})
        return
    console().print(table(" ".join(words), ["id", *COLUMNS[1:]], found))
    if count > len(found):
        notice(f"the first {len(found)} of {count:,} tracks; another word narrows them down")


def _named(catalog: duckdb.DuckDBPyRelation, words: tuple[str, ...]) -> duckdb.DuckDBPyRelation:
    """Those that have each of the words in one of their names."""
    names = duckdb.FunctionExpression(
        "concat_ws", duckdb.ConstantExpression(" "), *map(duckdb.ColumnExpression, COLUMNS[1:])
    )
    for word in words:
        contains = duckdb.FunctionExpression("contains", _folded(names), _folded(duckdb.ConstantExpression(word)))
        catalog = catalog.filter(contains)
    return catalog


def _folded(text: duckdb.Expression) -> duckdb.Expression:
    """Without case and accents."""
    return duckdb.FunctionExpression("lower", duckdb.FunctionExpression("strip_accents", text))
