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
LISTED = 1 << 22  # items that the lists of a batch hold together, where lists are of several lengths
TILE_QUERIES, TILE_ITEMS = 256, 1024  # scores that fit a core's cache


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
        found = self._candidates(vectors, k)
        exact = np.einsum("cf,cf->c", self.vectors[found.places], vectors[found.rows], dtype=np.float64)
        exact = exact.astype(np.float32)
        positions = self.positions[found.places]
        order = np.lexsort((positions, -exact, found.rows))
        starts = np.searchsorted(found.rows[order], np.arange(len(vectors)))
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

    def _candidates(self, vectors: Scores, k: int) -> _Found:
        """The best `k` of every query, and little else, block after block as for one."""
        lengths = np.linalg.norm(vectors, axis=1)
        start = min(len(self), max(FIRST, 4 * k))
        leading = vectors @ self.vectors[:start].T
        threshold = np.partition(leading, start - k, axis=1)[:, start - k] - self._slack(lengths)
        found = _Found.at_least(leading, threshold, np.arange(len(vectors)), 0)
        reach = self._reach(threshold, lengths)
        while len(rows := np.flatnonzero(reach > start)):
            stop = min(len(self), 4 * start)
            rows = rows[np.argsort(-reach[rows], kind="stable")]
            found = _Found.together(found, *self._block(vectors, rows, threshold, reach, start, stop))
            threshold = found.worst_of_best(k, len(vectors)) - self._slack(lengths)
            found, reach, start = found.reaching(threshold), self._reach(threshold, lengths), stop
        return found

    def _block(
        self, vectors: Scores, rows: Positions, threshold: Scores, reach: Positions, start: int, stop: int
    ) -> Iterator[_Found]:
        """What these queries, the farthest reaching first, find from `start` to `stop`, tile by tile."""
        for group in np.split(rows, range(TILE_QUERIES, len(rows), TILE_QUERIES)):
            asked, last = vectors[group], min(stop, int(reach[group[0]]))
            for begin in range(start, last, TILE_ITEMS):
                scores = asked @ self.vectors[begin : min(begin + TILE_ITEMS, last)].T
                yield _Found.at_least(scores, threshold[group], group, begin)

    def _slack(self, lengths: Any) -> Any:
        """By how much two float32 sums together may be wrong, for queries of these lengths (Higham 2002, 3.1)."""
        return 4 * self.vectors.shape[1] * np.finfo(np.float32).eps * lengths * self.lengths[:1].sum()

    def _reach(self, threshold: npt.NDArray[np.floating], lengths: npt.NDArray[np.floating]) -> Positions:
        """How many items [queries] are long enough to reach the threshold; all, where it is not above zero."""
        shortest = np.divide(threshold, lengths, out=np.full(len(lengths), -1.0), where=(threshold > 0) & (lengths > 0))
        return len(self) - np.searchsorted(self.lengths[::-1], shortest.astype(np.float32))


@dataclass(frozen=True)
class _Found:
    """Scores that reached the threshold of their query, with the query's row and the item's place."""

    rows: Positions
    places: Positions
    scores: Scores

    @classmethod
    def at_least(cls, scores: Scores, threshold: Scores, rows: Positions, offset: int) -> _Found:
        """Those of a tile [rows, places] whose places begin at `offset`."""
        cells = np.flatnonzero(scores >= threshold[:, None])
        row, place = np.divmod(cells, scores.shape[1])
        return cls(rows[row], place + offset, scores.ravel()[cells])

    @classmethod
    def together(cls, *parts: _Found) -> _Found:
        """All of them."""
        rows, places, scores = zip(*((part.rows, part.places, part.scores) for part in parts), strict=True)
        return cls(np.concatenate(rows), np.concatenate(places), np.concatenate(scores))

    def worst_of_best(self, k: int, queries: int) -> Scores:
        """The k-th best score of each query [queries]; each must have as many."""
        order = np.lexsort((-self.scores, self.rows))
        return self.scores[order[np.searchsorted(self.rows[order], np.arange(queries)) + k - 1]]

    def reaching(self, threshold: Scores) -> _Found:
        """Those that reach a higher threshold too."""
        kept = self.scores >= threshold[self.rows]
        return _Found(self.rows[kept], self.places[kept], self.scores[kept])


def batches(lengths: Positions) -> Iterator[slice]:
    """Lists of ascending `lengths`, at most `BATCH` at once, and no more than fit in memory where all are as long."""
    start = 0
    while start < len(lengths):
        together = np.arange(1, BATCH + 1)[: len(lengths) - start] * lengths[start : start + BATCH]
        stop = start + max(1, int(np.searchsorted(together, LISTED, side="right")))
        yield slice(start, stop)
        start = stop
