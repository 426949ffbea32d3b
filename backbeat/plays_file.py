"""A file of plays, as evaluation and training read it: every row counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from backbeat.output import CommandFailed
from models.base import Positions
from models.evaluation.splits import SessionPlays
from models.history import distinct
from warehouse.rules.plays import MIN_STARTED_MS
from warehouse.rules.quantity import SECOND_MS
from warehouse.rules.sessions import opens_session

THIRTY_MUSIC = ("session_id", "user_id", "song_id", "ts")
PLAIN, SESSION = ("listener", "track", "started_ms"), "session"
OURS = {"listener_id": "listener", "track_id": "track"}  # as imports name them
_PLAIN_TOLD = f"{', '.join(PLAIN)} (or {', '.join(OURS)}) and perhaps {SESSION}"
WANTED = f"the columns {_PLAIN_TOLD}, or 30Music's {', '.join(THIRTY_MUSIC)}"
LATEST_MS = 253_402_300_800_000  # the year 10000
EARLIEST_S, LATEST_S = MIN_STARTED_MS // SECOND_MS, 4_102_444_800  # the years 2000 and 2100


@dataclass(frozen=True)
class PlaysFile:
    """What a file holds; `name` is 30music for its columns, else the file's own.

    Its sessions may be numbered from 1 for each listener: those of two listeners are two.
    """

    name: str
    plays: SessionPlays


def read_plays(path: Path) -> PlaysFile:
    """The plays of a file; where it tells no sessions, silence makes them.

    Raises `CommandFailed` where it is missing, is neither Parquet nor CSV, or has other columns, one twice, nulls or
    NaN.
    """
    table = _table(path)
    _refuse_twice(table.column_names, path)
    try:
        return _plays_of(table.rename_columns([OURS.get(name, name) for name in table.column_names]), path)
    except pa.ArrowException as error:
        raise CommandFailed(f"reading {path}: {error}; wanted whole numbers or text") from error


def _plays_of(table: pa.Table, path: Path) -> PlaysFile:
    names = set(table.column_names)
    if names >= set(THIRTY_MUSIC):
        listeners, tracks, sessions = (table[name] for name in ("user_id", "song_id", "session_id"))
        started_ms = pc.multiply(table["ts"], SECOND_MS)
    elif names >= set(PLAIN):
        listeners, tracks, started_ms = (table[name] for name in PLAIN)
        sessions = table[SESSION] if SESSION in names else None
    else:
        raise CommandFailed(f"reading {path}: found the columns {', '.join(table.column_names)}; wanted {WANTED}")
    _refuse_unknown([listeners, tracks, started_ms, *([] if sessions is None else [sessions])], path)
    if not pa.types.is_integer(started_ms.type):
        raise CommandFailed(f"reading {path}: found starts that are {started_ms.type}; wanted whole numbers")
    if not (pc.min(started_ms).as_py() >= 0 and pc.max(started_ms).as_py() < LATEST_MS):
        found = f"starts from {pc.min(started_ms)} to {pc.max(started_ms)} ms"
        raise CommandFailed(f"reading {path}: found {found}; wanted times from 1970 on, before the year 10000")
    if pc.min(started_ms).as_py() >= EARLIEST_S and pc.max(started_ms).as_py() < LATEST_S:  # else early in 1970
        found = f"starts from {pc.min(started_ms)} to {pc.max(started_ms)}"
        raise CommandFailed(f"reading {path}: found {found}, which look like seconds; wanted UTC milliseconds")
    who, when = _labels(listeners), _labels(started_ms)
    within = sessions_by_silence(who, when) if sessions is None else sessions_of_each(who, _labels(sessions))
    name = "30music" if names >= set(THIRTY_MUSIC) else path.stem
    return PlaysFile(name, SessionPlays(who, _labels(tracks), within, when))


def _table(path: Path) -> pa.Table:
    try:
        if path.suffix.lower() in {".csv", ".tsv"}:
            options = pyarrow.csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            return pyarrow.csv.read_csv(path, parse_options=options)
        table = pyarrow.parquet.read_table(path)
        table.column_names  # noqa: B018  # fails here where one is no UTF-8
        return table
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise CommandFailed(f"reading {path}: {error}; wanted Parquet, CSV or TSV with {WANTED}") from error


def _refuse_twice(names: list[str], path: Path) -> None:
    """A column is there once, under one of its names; of a column that says nothing of plays there may be many."""
    for wanted in (*PLAIN, SESSION, *THIRTY_MUSIC):
        found = [name for name in names if OURS.get(name, name) == wanted]
        if len(found) > 1:
            told = " and ".join(dict.fromkeys(map(repr, found)))
            raise CommandFailed(f"reading {path}: found {len(found)} columns {told}; wanted one")


def _refuse_unknown(columns: list[pa.ChunkedArray], path: Path) -> None:
    for column in columns:
        if pa.types.is_nested(column.type):
            raise CommandFailed(f"reading {path}: found a column of {column.type}; wanted whole numbers or text")
    nulls = sum(column.null_count for column in columns)
    nans = sum(pc.sum(pc.is_nan(column)).as_py() or 0 for column in columns if pa.types.is_floating(column.type))
    if not len(columns[0]):
        raise CommandFailed(f"reading {path}: found no play; wanted one at least")
    if nulls or nans:
        raise CommandFailed(f"reading {path}: found {nulls:,} nulls and {nans:,} NaN; wanted whole numbers or text")


def _labels(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Numbers as they are, everything else as text; both sort."""
    if pa.types.is_integer(column.type):
        return column.to_numpy().astype(np.int64)
    return column.cast(pa.string()).to_numpy()


def sessions_of_each(listeners: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Positions:
    """A number for each session of each listener [plays], in order of the labels, which listeners may share."""
    who, which = (np.unique(column, return_inverse=True)[1] for column in (listeners, labels))
    return distinct(which, who)[1]


def sessions_by_silence(listeners: npt.NDArray[Any], started_ms: Positions) -> Positions:
    """A number for each session [plays]: half an hour of silence, from start to start, opens one."""
    codes = np.unique(listeners, return_inverse=True)[1]
    order = np.lexsort((started_ms, codes))
    opens = (np.diff(codes[order], prepend=-1) != 0) | opens_session(np.diff(started_ms[order], prepend=0))
    sessions = np.empty(len(order), np.int64)
    sessions[order] = np.cumsum(opens)
    return sessions
