"""Compiled loops over the sparse Gram matrix of tracks: who is near whom, and the regressions on those alone.

Every track is solved by itself, so that neither the number of threads nor their order changes a bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from models.base import Floats, Positions

MOST_PAIRS = 1_000_000_000  # of tracks of one listener: their sums take at most 8 GB, and seconds to a minute


def gram(matrix: csr_array) -> csr_array:
    """X'X [tracks, tracks], rows sorted. Raises ValueError where there are more than `MOST_PAIRS` to add up."""
    pairs = (np.diff(matrix.indptr).astype(np.float64) ** 2).sum()
    if pairs > MOST_PAIRS:
        raise ValueError(f"tracks beside tracks: found {pairs:.3g} pairs in histories, wanted at most {MOST_PAIRS:.3g}")
    found = csr_array(csr_array(matrix.T) @ matrix)
    found.sort_indices()
    return found


def strongest(matrix: csr_array, divisors: Floats, k: int) -> tuple[Positions, Floats]:
    """The columns [rows, k] of the largest entries of each row over `divisors` [columns], and those entries [rows, k].

    The diagonal is left out, equal ones are in order of position, and -1 and 0 fill where a row has fewer above 0.
    """
    found, entries = np.full((matrix.shape[0], k), -1, np.int64), np.zeros((matrix.shape[0], k))
    _strongest(matrix.indptr, matrix.indices, matrix.data, divisors, found, entries)
    return found, entries


def regressions(matrix: csr_array, support: Positions, ridge: float) -> Floats:
    """For each track i the weights [tracks, k] of its support S: (G_SS + ridge I)^-1 G_Si, zero where S is filled up.

    `matrix` is the Gram matrix G. Raises LinAlgError where a system has no solution.
    """
    found = np.zeros(support.shape)
    with threadpool_limits(1, "blas"):
        _regressions(matrix.indptr, matrix.indices, matrix.data, support, ridge, found)
    if not np.isfinite(found).all():
        raise np.linalg.LinAlgError(f"regressions on {support.shape[1]} neighbours with ridge {ridge}: no solution")
    return found


def by_column(support: Positions, values: Floats) -> csr_array:
    """Column i of a sparse matrix [tracks, tracks] in float32: at the rows `support` [i] it has `values` [i]."""
    columns = np.repeat(np.arange(len(support)), support.shape[1])
    there = support.ravel() >= 0
    parts = (values.ravel()[there].astype(np.float32), (support.ravel()[there], columns[there]))
    found = csr_array(parts, shape=(len(support), len(support)))
    found.eliminate_zeros()
    found.sort_indices()
    return found


@njit(parallel=True, cache=True)
def _strongest(starts: Any, columns: Any, values: Any, divisors: Any, found: Any, entries: Any) -> None:
    for row in prange(len(found)):
        first, last = starts[row], starts[row + 1]
        strengths = np.empty(last - first)
        for place in range(last - first):
            column = columns[first + place]
            strengths[place] = -values[first + place] / divisors[column] if column != row else np.inf
        best = np.argsort(strengths, kind="mergesort")[: found.shape[1]]
        for place in range(len(best)):
            if strengths[best[place]] < 0:
                found[row, place] = columns[first + best[place]]
                entries[row, place] = values[first + best[place]]


@njit(parallel=True, cache=True)
def _regressions(starts: Any, columns: Any, values: Any, support: Any, ridge: float, found: Any) -> None:
    for index in prange(len(support)):
        track: Any = np.int64(index)  # prange counts without a sign, and mixing both makes floats
        size = 0
        while size < support.shape[1] and support[track, size] >= 0:
            size += 1
        if size == 0:
            continue
        system, target = np.zeros((size, size)), np.zeros(size)
        for place in range(size):
            row = support[track, place]
            target[place] = _entry(starts, columns, values, row, track)
            system[place, place] = _entry(starts, columns, values, row, row) + ridge
            for other in range(place):
                entry = _entry(starts, columns, values, row, support[track, other])
                system[place, other] = entry
                system[other, place] = entry
        found[track, :size] = np.linalg.solve(system, target)


@njit(cache=True)
def _entry(starts: Any, columns: Any, values: Any, row: int, column: int) -> Any:
    """The entry of a symmetric matrix, looked for in the shorter of its two rows."""
    if starts[row + 1] - starts[row] > starts[column + 1] - starts[column]:
        row, column = column, row
    first, last = starts[row], starts[row + 1]
    place = first + np.searchsorted(columns[first:last], column)
    return values[place] if place < last and columns[place] == column else np.float32(0.0)
