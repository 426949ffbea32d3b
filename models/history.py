"""From tables of what was played when to what models learn from, as of any day.

The decay and the bound on a taste are `warehouse.rules.decay`'s; `features.matrix` applies the same in Spark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array, csr_array

from models.base import Catalog, Floats, Interactions, Positions, TrackId
from warehouse.rules.decay import OLDEST_AGE, TASTE_ENTRIES, UNIT, decay_weights
from warehouse.rules.quantity import DAY_MS
from warehouse.rules.sessions import opens_session

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class History:
    """Rows of `features.taste` and `features.transitions` as codes: listeners and tracks by place in their sorted ids.

    Days count from 1970-01-01. `last_started_ms` is -1 where it is unknown.
    """

    listener_ids: npt.NDArray[np.object_]
    track_ids: npt.NDArray[np.object_]
    listeners: Positions
    tracks: Positions
    days: Positions
    plays: Positions
    last_started_ms: Positions
    before: Positions
    after: Positions
    times: Positions
    transition_days: Positions

    @classmethod
    def from_tables(cls, taste: pa.Table, transitions: pa.Table) -> History:
        """Of the two tables, by their declared column names; further columns are of no account."""
        listener_ids, listeners = _coded(taste["listener_id"])
        track_ids, (tracks, before, after) = _coded_together(
            taste["track_id"], transitions["from_track_id"], transitions["to_track_id"]
        )
        return cls(
            listener_ids,
            track_ids,
            listeners,
            tracks,
            _integers(pc.cast(taste["day"], pa.int32())),
            _integers(taste["plays"]),
            _integers(pc.fill_null(taste["last_started_ms"], -1)),
            before,
            after,
            _integers(transitions["times"]),
            _integers(pc.cast(transitions["day"], pa.int32())),
        )

    @classmethod
    def from_plays(cls, listeners: npt.NDArray[Any], tracks: npt.NDArray[Any], started_ms: Positions) -> History:
        """Of plays that all count, by any labels; lengths are unknown, so silence runs from start to start."""
        listener_ids, listener = np.unique(listeners, return_inverse=True)
        track_ids, track = np.unique(tracks, return_inverse=True)
        order = np.lexsort((started_ms, listener))
        who, what, when = listener[order], track[order], started_ms[order]
        day = when // DAY_MS
        entries, place, plays = distinct(who, what, day)
        last = np.full(len(plays), -1, np.int64)
        np.maximum.at(last, place, when)
        follows = (who[1:] == who[:-1]) & ~opens_session(when[1:] - when[:-1])
        steps, _, times = distinct(what[:-1][follows], what[1:][follows], day[1:][follows])
        who, what, day = entries
        return cls(listener_ids, track_ids, who, what, day, plays, last, steps[0], steps[1], times, steps[2])

    def span(self) -> tuple[date, date]:
        """The first day with a counted play, and the day after the last. Raises ValueError where there is none."""
        days = self.days[self.plays > 0]
        if not len(days):
            raise ValueError("a history without a counted play; wanted one at least")
        return day_of(days.min()), day_of(days.max() + 1)

    def known_before(self, day: date) -> Known:
        """What was known when `day` began: only plays of earlier days, decayed as of then."""
        end = day_number(day)
        rows = self._newest_entries(np.flatnonzero(self.days < end))
        age_days = end - 1 - self.days[rows]
        fixed = self.plays[rows] * np.array(decay_weights(), np.int64)[np.minimum(age_days, OLDEST_AGE)]
        rows, fixed = rows[fixed > 0], fixed[fixed > 0]
        listeners, row_of = np.unique(self.listeners[rows], return_inverse=True)
        tracks, column_of = np.unique(self.tracks[rows], return_inverse=True)
        shape = (len(listeners), len(tracks))
        exact = csr_array(coo_array((fixed, (row_of, column_of)), shape=shape))
        weights = csr_array((exact.data / UNIT, exact.indices, exact.indptr), shape=shape).astype(np.float32)
        popularity = np.bincount(column_of, fixed, len(tracks)).astype(np.float64) / UNIT
        return Known(
            listeners,
            tracks,
            Interactions(weights, self._transitions_before(end, tracks), popularity),
            self._last_tracks(rows, row_of, column_of, len(listeners)),
            np.bincount(row_of, self.plays[rows], len(listeners)).astype(np.int64),
        )

    def catalog(self, tracks: Positions) -> Catalog:
        """The ids of these codes, in their order."""
        return Catalog(tuple(TrackId(track) for track in self.track_ids[tracks]))

    def _newest_entries(self, rows: Positions) -> Positions:
        """Of these rows the newest `TASTE_ENTRIES` of each listener; of one day, by plays and then by track."""
        order = rows[np.lexsort((self.tracks[rows], -self.plays[rows], -self.days[rows], self.listeners[rows]))]
        listeners = self.listeners[order]
        place = np.arange(len(order)) - np.searchsorted(listeners, listeners)
        return order[place < TASTE_ENTRIES]

    def _transitions_before(self, end: int, tracks: Positions) -> csr_array[Any, tuple[int, int]]:
        earlier = (self.transition_days < end) & np.isin(self.before, tracks) & np.isin(self.after, tracks)
        rows, columns = np.searchsorted(tracks, self.before[earlier]), np.searchsorted(tracks, self.after[earlier])
        shape = (len(tracks), len(tracks))
        return csr_array(coo_array((self.times[earlier].astype(np.float32), (rows, columns)), shape=shape))

    def _last_tracks(self, rows: Positions, row_of: Positions, column_of: Positions, listeners: int) -> Positions:
        last = np.full(listeners, -1, np.int64)
        order = np.argsort(self.last_started_ms[rows], kind="stable")
        order = order[self.last_started_ms[rows][order] >= 0]
        last[row_of[order]] = column_of[order]  # the latest comes last, and stays
        return last


@dataclass(frozen=True)
class Known:
    """What was known on a day. `listeners` and `tracks` are codes of the history; positions are places in them.

    `last_tracks` [listeners] is the position of the track played last, -1 where unknown; `plays` [listeners] counts.
    """

    listeners: Positions
    tracks: Positions
    interactions: Interactions
    last_tracks: Positions
    plays: Positions


def distinct(*columns: Positions) -> tuple[list[Positions], Positions, Positions]:
    """The distinct rows of these columns in order, the place of each row among them, and how many rows each stands for.

    Each row is told by one integer; raises OverflowError where the columns span more rows than 64 bits can number.
    """
    lows = [int(column.min(initial=0)) for column in columns]
    widths = [int(column.max(initial=0)) - low + 1 for column, low in zip(columns, lows, strict=True)]
    if prod(widths) >= 2**63:
        raise OverflowError(f"numbering rows of columns as wide as {widths}; wanted less than 2**63 possible rows")
    key = np.zeros(len(columns[0]), np.int64)
    for column, low, width in zip(columns, lows, widths, strict=True):
        key = key * width + (column - low)
    keys, places, counts = np.unique(key, return_inverse=True, return_counts=True)
    found: list[Positions] = []
    for low, width in zip(reversed(lows), reversed(widths), strict=True):
        keys, rest = np.divmod(keys, width)
        found.insert(0, rest + low)
    return found, places, counts


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The day of such a number."""
    return _EPOCH + timedelta(days=int(number))


def _coded(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.object_], Positions]:
    ids, (codes,) = _coded_together(column)
    return ids, codes


def _coded_together(*columns: pa.ChunkedArray) -> tuple[npt.NDArray[np.object_], list[Positions]]:
    """The sorted ids of all columns, and each column as places in them."""
    chunks = [chunk for column in columns for chunk in column.cast(pa.string()).chunks]
    every = pa.chunked_array(chunks, pa.string())
    ids = pc.unique(every).sort()
    return ids.to_numpy(zero_copy_only=False), [_integers(pc.index_in(c.cast(pa.string()), ids)) for c in columns]


def _integers(column: pa.ChunkedArray) -> Positions:
    return column.to_numpy().astype(np.int64)


def weights_of(matrix: csr_array[Any, tuple[int, int]], row: int) -> tuple[Positions, Floats]:
    """One row's positions and weights."""
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[part].astype(np.int64), matrix.data[part].astype(np.float64)
