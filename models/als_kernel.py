"""A half-step of ALS by conjugate gradients, compiled: a penalty of its own for each row, and no system is ever formed.

Takács, Pilászy and Tikk 2011, "Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative
Filtering": a few steps from where the row was last time reach almost what solving it would, at d a positive and d^2 a
row instead of d^2 and d^3. Rows do not touch each other, so the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads
from scipy.sparse import csr_matrix

from models.base import Floats, Scores

_CHUNKS = 256
_SOLVED = 1e-20  # the squared residual from which on a step would divide by nothing


def descend(confidence: csr_matrix, own: Scores, other: Scores, penalties: Floats, steps: int, threads: int) -> None:
    """Bring `own` [rows, factors] nearer to the minimum of the loss, `other` [columns, factors] fixed, in place.

    `confidence` [rows, columns] holds 1 + alpha r, `penalties` [rows] what multiplies the squared length of each row.
    A row without a positive becomes zero. `threads` of 0 takes every core.
    """
    before = get_num_threads()
    set_num_threads(min(threads, before) or before)
    try:
        parts = (confidence.indptr, confidence.indices, confidence.data)
        _compiled(own.shape[1])(*parts, own, other, other.T @ other, penalties.astype(np.float32), steps)
    finally:
        set_num_threads(before)


@cache
def _compiled(factors: int) -> Callable[..., None]:
    """The loop over rows, twice as fast where the compiler knows the number of factors and meets no slice."""
    begun, stepped = _begun(factors), _stepped(factors)

    @njit(parallel=True, fastmath=True)
    def rows(
        starts: Any, columns: Any, values: Any, own: Any, other: Any, gram: Any, penalties: Any, steps: int
    ) -> None:
        count = own.shape[0]
        for index in prange(_CHUNKS):
            chunk = np.int64(index)  # prange counts without a sign, and mixing both makes floats
            x, left = np.empty(factors, np.float32), np.empty(factors, np.float32)
            along, image = np.empty(factors, np.float32), np.empty(factors, np.float32)
            for row in range(chunk * count // _CHUNKS, (chunk + 1) * count // _CHUNKS):
                if starts[row] == starts[row + 1]:
                    own[row] = 0
                    continue
                for f in range(factors):
                    x[f] = own[row, f]
                begun(starts, columns, values, row, x, other, gram, penalties[row], left, image)
                for f in range(factors):
                    along[f] = left[f]
                for _ in range(steps):
                    stepped(starts, columns, values, row, x, other, gram, penalties[row], left, along, image)
                for f in range(factors):
                    own[row, f] = x[f]

    compiled: Callable[..., None] = rows
    return compiled


def _begun(factors: int) -> Callable[..., None]:
    """Put what is left of the row's equations at x, b - A x, into `left`."""
    times = _times(factors)

    @njit(fastmath=True, inline="always")
    def begun(
        starts: Any,
        columns: Any,
        values: Any,
        row: Any,
        x: Any,
        other: Any,
        gram: Any,
        penalty: Any,
        left: Any,
        image: Any,
    ) -> None:
        times(starts, columns, values, row, x, other, gram, penalty, image)
        for f in range(factors):
            left[f] = -image[f]
        for entry in range(starts[row], starts[row + 1]):
            column, value = columns[entry], values[entry]
            for f in range(factors):
                left[f] += value * other[column, f]

    found: Callable[..., None] = begun
    return found


def _stepped(factors: int) -> Callable[..., None]:
    """One step of x `along` a direction that no earlier step has gone, and the next direction."""
    times = _times(factors)

    @njit(fastmath=True, inline="always")
    def stepped(
        starts: Any,
        columns: Any,
        values: Any,
        row: Any,
        x: Any,
        other: Any,
        gram: Any,
        penalty: Any,
        left: Any,
        along: Any,
        image: Any,
    ) -> None:
        before, bend, after = np.float32(0), np.float32(0), np.float32(0)
        for f in range(factors):
            before += left[f] * left[f]
        if before < _SOLVED:
            return
        times(starts, columns, values, row, along, other, gram, penalty, image)
        for f in range(factors):
            bend += along[f] * image[f]
        step = before / bend
        for f in range(factors):
            x[f] += step * along[f]
            left[f] -= step * image[f]
            after += left[f] * left[f]
        for f in range(factors):
            along[f] = left[f] + after / before * along[f]

    found: Callable[..., None] = stepped
    return found


def _times(factors: int) -> Callable[..., None]:
    """Put the row's equations times a vector, (Y'Y + Y_S' diag(c - 1) Y_S + penalty I) v, into `image`."""

    @njit(fastmath=True, inline="always")
    def times(
        starts: Any, columns: Any, values: Any, row: Any, vector: Any, other: Any, gram: Any, penalty: Any, image: Any
    ) -> None:
        for f in range(factors):
            image[f] = penalty * vector[f]
        for by in range(factors):
            share = vector[by]
            for f in range(factors):
                image[f] += share * gram[by, f]
        for entry in range(starts[row], starts[row + 1]):
            column, share = columns[entry], np.float32(0)
            for f in range(factors):
                share += other[column, f] * vector[f]
            share *= values[entry] - np.float32(1)
            for f in range(factors):
                image[f] += share * other[column, f]

    found: Callable[..., None] = times
    return found
