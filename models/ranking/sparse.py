"""Scores of few tracks among many, and ragged rows of them: what candidate sources are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Positions

UNRANKED = 999.0  # the rank of a track that a source does not name


@dataclass(frozen=True)
class Few:
    """`items` ascending, each once, with their `scores` above 0; every other track scores 0."""

    items: Positions
    scores: Floats

    @classmethod
    def none(cls) -> Self:
        """No track is named."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float64))

    @classmethod
    def summed(cls, items: npt.NDArray[np.integer], scores: npt.NDArray[np.floating]) -> Self:
        """Of items in any order; the scores of one that comes more than once are added."""
        if not len(items):
            return cls.none()
        order = np.argsort(items, kind="stable")
        ordered = items[order]
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        return cls(ordered[first].astype(np.int64), np.add.reduceat(scores[order].astype(np.float64), first))

    @cached_property
    def total(self) -> float:
        """The sum of all scores."""
        return float(self.scores.sum())

    @cached_property
    def order(self) -> Positions:
        """Places of the items by score, the best first, ties by position."""
        return np.argsort(-self.scores, kind="stable")

    def places(self, items: Positions) -> tuple[Positions, npt.NDArray[np.bool_]]:
        """Where each of these would be [items], and whether it is there."""
        if not len(self.items):
            return np.zeros(len(items), np.int64), np.zeros(len(items), bool)
        place = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        return place, self.items[place] == items

    def at(self, items: Positions) -> Floats:
        """The score of each of these [items]."""
        place, there = self.places(items)
        return np.where(there, self.scores[place], 0.0) if len(self.items) else np.zeros(len(items))

    def ranks(self, items: Positions) -> Floats:
        """The rank of each of these [items] among all that are named, from 0; `UNRANKED` for the others."""
        place, there = self.places(items)
        if not len(self.items):
            return np.full(len(items), UNRANKED)
        rank = np.empty(len(self.items))
        rank[self.order] = np.arange(len(self.items))
        return np.where(there, np.minimum(rank[place], UNRANKED), UNRANKED)

    def best(self, k: int, barred: Positions) -> Positions:
        """At most `k` items with the largest scores, none of those in `barred`, which ascend."""
        best = self.items[self.order[: k + len(barred)]]
        return best[~among(best, barred)][:k]


@dataclass(frozen=True)
class Lists:
    """Ragged rows: row i holds `items[starts[i]:starts[i + 1]]`, and the `values` beside them."""

    starts: Positions
    items: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]

    @classmethod
    def counted(cls, rows: Positions, columns: Positions, values: Floats, shape: tuple[int, int]) -> Self:
        """The sums of values by row and column, columns ascending."""
        return cls.of(csr_array(coo_array((values.astype(np.float32), (rows, columns)), shape=shape)))

    @classmethod
    def of(cls, matrix: csr_array[Any, tuple[int, int]]) -> Self:
        """The rows of a sparse matrix, columns ascending."""
        kept = csr_array(matrix)
        kept.sum_duplicates()
        return cls(kept.indptr.astype(np.int64), kept.indices.astype(np.int32), kept.data.astype(np.float32))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, at: int) -> Few:
        """One row, whose items ascend."""
        part = slice(self.starts[at], self.starts[at + 1])
        return Few(self.items[part].astype(np.int64), self.values[part].astype(np.float64))

    def weighted(self, rows: Positions, weights: npt.NDArray[np.floating]) -> Few:
        """The sum of some rows, each times its weight."""
        places, lengths = self.entries(rows)
        return Few.summed(self.items[places], self.values[places] * np.repeat(weights, lengths))

    def entries(self, rows: Positions) -> tuple[Positions, Positions]:
        """Where the entries of these rows lie, row after row, and how many each row has."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        return np.arange(total) + np.repeat(self.starts[rows] - (ends - lengths), lengths), lengths

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """As plain arrays, to be written with others."""
        return {f"{prefix}_starts": self.starts, f"{prefix}_items": self.items, f"{prefix}_values": self.values}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, npt.NDArray[Any]], columns: int) -> Self:
        """What `arrays` took apart. Raises ValueError where the parts do not fit together."""
        starts, items, values = (arrays[f"{prefix}_{part}"] for part in ("starts", "items", "values"))
        whole = len(starts) > 0 and starts[0] == 0 and starts[-1] == len(items) == len(values)
        if not whole or (np.diff(starts) < 0).any() or (len(items) and not 0 <= items.min() <= items.max() < columns):
            raise ValueError(f"{prefix}: found {len(items)} entries that are no rows over {columns} columns")
        if not np.isfinite(values).all():
            raise ValueError(f"{prefix}: found NaN or infinity, wanted numbers")
        return cls(starts.astype(np.int64), items.astype(np.int32), values.astype(np.float32))


def among(items: Positions, barred: Positions) -> npt.NDArray[np.bool_]:
    """Whether each of these is in `barred`, which ascend."""
    if not len(barred):
        return np.zeros(len(items), bool)
    place = np.minimum(np.searchsorted(barred, items), len(barred) - 1)
    found: npt.NDArray[np.bool_] = barred[place] == items
    return found


def heaviest(matrix: csr_array[Any, tuple[int, int]], k: int) -> csr_array[Any, tuple[int, int]]:
    """The `k` largest entries of each row, ties by column."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    chosen = order[place < k]
    return csr_array(coo_array((matrix.data[chosen], (rows[chosen], matrix.indices[chosen])), shape=matrix.shape))
