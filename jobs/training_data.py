"""Tables -> arrays: what the models are fitted on, and the tastes that they are asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from models.base import Catalog, Interactions, Positions, TrackId
from warehouse.rules.decay import UNIT


@dataclass(frozen=True)
class TrainingData:
    """`interactions` over `catalog`, with the ids of their rows in `listeners`."""

    catalog: Catalog
    listeners: tuple[str, ...]
    interactions: Interactions


def training_data(matrix: pa.Table, transitions: pa.Table) -> TrainingData:
    """Arrays from features.matrix and features.transitions; ids in order of their text, so equal rows, equal arrays.

    The catalog is the tracks that somebody played; a transition from or to another is left out.
    """
    tracks, columns = _positions(matrix["track_id"])
    listeners, rows = _positions(matrix["listener_id"])
    weights = matrix["weight"].to_numpy() / UNIT
    shape = (len(listeners), len(tracks))
    table = csr_array((weights.astype(np.float32), (rows, columns)), shape=shape)
    popularity = np.bincount(columns, weights, minlength=len(tracks)).astype(np.float64)
    catalog = Catalog(tuple(TrackId(track) for track in tracks.to_pylist()))
    interactions = Interactions(table, _transition_counts(transitions, tracks), popularity)
    return TrainingData(catalog, tuple(listeners.to_pylist()), interactions)


def _positions(ids: pa.ChunkedArray) -> tuple[pa.Array, Positions]:
    """The distinct ids in order, and the place of each row's among them."""
    distinct = pc.unique(ids)
    distinct = distinct.take(pc.sort_indices(distinct))
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
