"""The product of a sparse matrix with a dense one, on all cores: scipy takes one.

Each row is a sum in the order of the sparse matrix, as scipy has it, so that both give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from scipy.sparse import csr_array

from models.base import Scores

_WIDE = 128  # columns from which on the loop is worth compiling, which takes a second


def product(matrix: csr_array, dense: Scores) -> Scores:
    """`matrix` [rows, columns] times `dense` [columns, width], [rows, width], all float32."""
    if dense.shape[1] < _WIDE:
        found: Scores = matrix @ dense
        return found
    found = np.zeros((matrix.shape[0], dense.shape[1]), np.float32)
    _add_product(matrix.indptr, matrix.indices, matrix.data, np.ascontiguousarray(dense), found)
    return found


@njit(parallel=True)
def _add_product(starts: Any, columns: Any, values: Any, dense: Any, found: Any) -> None:
    for row in prange(len(found)):
        sums = found[row]
        for entry in range(starts[row], starts[row + 1]):
            value, other = values[entry], dense[columns[entry]]
            for column in range(len(sums)):
                sums[column] += value * other[column]
