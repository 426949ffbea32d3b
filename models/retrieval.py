"""Exact search for the largest inner products, by the Cauchy-Schwarz bound: |q . y| <= |q| |y|.

Items lie in order of length, longest first. The k-th best score of the first few bounds how short an item may be and
still matter; only items up to there are scored. Few are, where lengths fall off steeply, as popularity makes them fall
in factor models; in the worst case all are, and the answer is exact still.

A score is the inner product of float32 vectors, summed in float64, rounded to float32; ties go to the lower position.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.base import NOBODY, Positions, Ranked, Scores, ranked

FIRST = 512  # the longest items, whose scores give the bound; at least the wanted number
BATCH = 1024  # queries scored together
CELLS = 1 << 20  # scores that are in memory at a time


@dataclass(frozen=True)
class InnerProducts:
    """`vectors` [items, factors] float32 in order of length, their `lengths` [items], their `positions` [items].

    `places` [items] is the inverse: where in that order each position lies.
    """

    vectors: Scores
    lengths: Scores
    positions: Positions
    places: Positions

    @classmethod
    def build(cls, vectors: Scores) -> Self:
        """An index over items by position. Raises ValueError for what is not finite."""
        if not np.isfinite(vectors).all():
            raise ValueError("an index over vectors with NaN or infinity; wanted numbers")
        lengths = np.sqrt(np.einsum("if,if->i", vectors, vectors, dtype=np.float64))
        order = np.argsort(-lengths, kind="stable")
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return cls(np.ascontiguousarray(vectors[order], np.float32), lengths[order].astype(np.float32), order, places)

    def __len__(self) -> int:
        return len(self.positions)

    def best(self, query: npt.NDArray[np.floating], k: int, exclude: Positions | None = None) -> Ranked:
        """The best `k` items for one query [factors], none of those in `exclude`."""
        vector = query.astype(np.float32)
        barred = None if exclude is None or not len(exclude) else self.places[exclude]
        places = self._candidates_of_one(vector, k, barred)
        exact = self.vectors[places].astype(np.float64) @ vector.astype(np.float64)
        return ranked(self.positions[places], exact, k)

    def best_many(self, queries: npt.NDArray[np.floating], k: int) -> tuple[Positions, Scores]:
        """The best `k` items and scores [queries, k] of each query; `NOBODY` and minus infinity fill short lists."""
        vectors = np.ascontiguousarray(queries, np.float32)
        items = np.full((len(vectors), k), NOBODY, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        wanted = min(k, len(self))
        for start in range(0, len(vectors) if wanted else 0, BATCH):
            part = slice(start, start + BATCH)
            items[part, :wanted], scores[part, :wanted] = self._best_of_batch(vectors[part], wanted)
        return items, scores

    def _best_of_batch(self, vectors: Scores, k: int) -> tuple[Positions, Scores]:
        rows, places = self._candidates(vectors, k)
        exact = np.einsum("cf,cf->c", self.vectors[places], vectors[rows], dtype=np.float64).astype(np.float32)
        positions = self.positions[places]
        order = np.lexsort((positions, -exact, rows))
        starts = np.searchsorted(rows[order], np.arange(len(vectors)))
        best = order[starts[:, None] + np.arange(k)]
        return positions[best], exact[best]

    def _candidates_of_one(self, vector: Scores, k: int, barred: Positions | None) -> Positions:
        """Places that hold the best `k` and little else, block after block, each four times as long as the last."""
        length = float(np.linalg.norm(vector))
        places, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        start, size, threshold, reach = 0, max(FIRST, 2 * k), -np.inf, len(self) if k else 0
        while start < reach:
            stop = min(start + size, reach)
            block = self.vectors[start:stop] @ vector
            if barred is not None:
                block[barred[(barred >= start) & (barred < stop)] - start] = -np.inf
            found = np.flatnonzero(block >= threshold) if threshold > -np.inf else np.flatnonzero(block > -np.inf)
            places, scores = np.concatenate([places, found + start]), np.concatenate([scores, block[found]])
            if len(scores) >= k:
                threshold = float(np.partition(scores, len(scores) - k)[len(scores) - k]) - self._slack(length)
                reach = self._reach(np.array([threshold]), np.array([length]))[0]
            start, size = stop, 4 * size
        return places[scores >= threshold]

    def _candidates(self, vectors: Scores, k: int) -> tuple[Positions, Positions]:
        """Pairs (query, place) that hold the best `k` of every query, and little else."""
        first = min(len(self), max(FIRST, 4 * k))
        leading = vectors @ self.vectors[:first].T
        lengths = np.linalg.norm(vectors, axis=1)
        threshold = np.partition(leading, first - k, axis=1)[:, first - k] - self._slack(lengths)
        found = [_at_least(leading, threshold, np.arange(len(vectors)), 0)]
        found.extend(self._beyond(vectors, threshold, self._reach(threshold, lengths), first))
        return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])

    def _beyond(
        self, vectors: Scores, threshold: Scores, reach: Positions, first: int
    ) -> Iterator[tuple[Positions, Positions]]:
        """Candidates after the first items, queries of like reach together."""
        order = np.argsort(reach, kind="stable")
        order = order[reach[order] > first]
        while len(order):
            stop = int(reach[order[-1]])
            width = max(1, CELLS // (stop - first))
            rows, order = order[-width:], order[:-width]
            yield _at_least(vectors[rows] @ self.vectors[first:stop].T, threshold[rows], rows, first)

    def _slack(self, lengths: Any) -> Any:
        """By how much two float32 sums together may be wrong, for queries of these lengths (Higham 2002, 3.1)."""
        return 4 * self.vectors.shape[1] * np.finfo(np.float32).eps * lengths * self.lengths[:1].sum()

    def _reach(self, threshold: npt.NDArray[np.floating], lengths: npt.NDArray[np.floating]) -> Positions:
        """How many items [queries] are long enough to reach the threshold; all, where it is not above zero."""
        shortest = np.divide(threshold, lengths, out=np.full(len(lengths), -1.0), where=(threshold > 0) & (lengths > 0))
        return len(self) - np.searchsorted(self.lengths[::-1], shortest.astype(np.float32))


def _at_least(scores: Scores, threshold: Scores, rows: Positions, offset: int) -> tuple[Positions, Positions]:
    """The (row, place) of every score [rows, places] that reaches its row's threshold."""
    row, place = np.divmod(np.flatnonzero(scores >= threshold[:, None]), scores.shape[1])
    return rows[row], place + offset
