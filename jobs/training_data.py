"""Tables -> arrays: what the models are fitted on, and the tastes that they are asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from models.base import Catalog, Interactions, Positions, Sequences, TrackId, first_of_session
from models.ranking.logged import Shown
from warehouse.rules.decay import UNIT
from warehouse.rules.outcomes import PLAYED
from warehouse.rules.quantity import SECOND_MS


@dataclass(frozen=True)
class TrainingData:
    """`interactions` over `catalog`, with the ids of their rows in `listeners`."""

    catalog: Catalog
    listeners: tuple[str, ...]
    interactions: Interactions


def training_data(matrix: pa.Table, transitions: pa.Table, sessions: pa.Table | None = None) -> TrainingData:
    """Arrays from features.matrix and features.transitions; ids in order of their text, so equal rows, equal arrays.

    The catalog is the tracks that somebody played; a transition from or to another is left out, and so is a play of
    core.sessions, which tells the order where it is given.
    """
    tracks, columns = _positions(matrix["track_id"])
    listeners, rows = _positions(matrix["listener_id"])
    weights = matrix["weight"].to_numpy() / UNIT
    shape = (len(listeners), len(tracks))
    table = csr_array((weights.astype(np.float32), (rows, columns)), shape=shape)
    popularity = np.bincount(columns, weights, minlength=len(tracks)).astype(np.float64)
    catalog = Catalog(tuple(TrackId(track) for track in tracks.to_pylist()))
    ordered = None if sessions is None else sequences(sessions, listeners, tracks)
    interactions = Interactions(table, _transition_counts(transitions, tracks), popularity, ordered)
    return TrainingData(catalog, tuple(listeners.to_pylist()), interactions)


def sequences(sessions: pa.Table, listeners: pa.Array, tracks: pa.Array) -> Sequences:
    """The plays of core.sessions in order, of these listeners and tracks; those of one moment in order of track."""
    who = pc.index_in(sessions["listener_id"], value_set=listeners)
    what = pc.index_in(sessions["track_id"], value_set=tracks)
    known = pc.and_(pc.is_valid(who), pc.is_valid(what))
    row, track = (column.filter(known).to_numpy().astype(np.int64) for column in (who, what))
    started_ms, opened_ms = (sessions[name].filter(known).to_numpy() for name in ("started_ms", "session_started_ms"))
    order = np.lexsort((track, started_ms, row))
    row, opened_ms = row[order], opened_ms[order]
    starts = np.searchsorted(row, np.arange(len(listeners) + 1))
    return Sequences(starts, track[order], np.cumsum(first_of_session(row, opened_ms)), started_ms[order] / SECOND_MS)


def shown_slots(outcomes: pa.Table, listeners: pa.Array, tracks: pa.Array) -> Shown:
    """The slots of features.outcomes by answer, of these listeners and tracks, that chance had a part in.

    What a shelf was certain to show is left out: from that a ranker would learn what it thinks itself.
    """
    drawn = outcomes.filter(pc.less(outcomes["propensity"], 1.0))
    ordered = drawn.sort_by([(name, "ascending") for name in ("shown_ms", "listener_id", "impression_id", "slot")])
    who = pc.index_in(ordered["listener_id"], value_set=listeners)
    what = pc.index_in(ordered["track_id"], value_set=tracks)
    known = pc.and_(pc.is_valid(who), pc.is_valid(what))
    answers = pc.index_in(ordered["impression_id"], value_set=pc.unique(ordered["impression_id"]))
    row, track, answer, slot, shown_ms = (
        column.filter(known).to_numpy().astype(np.int64)
        for column in (who, what, answers, ordered["slot"], ordered["shown_ms"])
    )
    played = pc.equal(ordered["outcome"], PLAYED).filter(known).to_numpy(zero_copy_only=False)
    return Shown(answer, row, track, slot, shown_ms / SECOND_MS, played.astype(np.int64))


def distinct_ids(ids: pa.ChunkedArray) -> pa.Array:
    """Each id once, in order of its text."""
    distinct = pc.unique(ids)
    return distinct.take(pc.sort_indices(distinct))


def _positions(ids: pa.ChunkedArray) -> tuple[pa.Array, Positions]:
    """The distinct ids in order, and the place of each row's among them."""
    distinct = distinct_ids(ids)
    return distinct, pc.index_in(ids, value_set=distinct).to_numpy().astype(np.int64)


def _transition_counts(transitions: pa.Table, tracks: pa.Array) -> csr_array:
    before = pc.index_in(transitions["from_track_id"], value_set=tracks)
    after = pc.index_in(transitions["to_track_id"], value_set=tracks)
    known = pc.and_(pc.is_valid(before), pc.is_valid(after))
    times = transitions["times"].filter(known).to_numpy().astype(np.float32)
    places = (before.filter(known).to_numpy().astype(np.int64), after.filter(known).to_numpy().astype(np.int64))
    counts = csr_array((times, places), shape=(len(tracks), len(tracks)))
    counts.sum_duplicates()
    return counts
