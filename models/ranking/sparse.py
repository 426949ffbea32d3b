"""Scores of few tracks among many, by several sources at once, and ragged rows of them: what candidates are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Positions

UNRANKED = 999.0  # the rank of a track that a source does not name


class Term(NamedTuple):
    """`items` that a source names, in any order and perhaps more than once; `scores` beside them, times a weight."""

    source: int
    items: npt.NDArray[np.integer]
    scores: npt.NDArray[np.floating]
    weight: float = 1.0


@dataclass(frozen=True)
class Named:
    """The tracks that each of some sources names, with scores above 0; every other track of the catalog scores 0.

    An entry is a track that a source names: `keys` [entries] are source * tracks + item, ascending, each once. All
    sources lie in one array because numpy takes as long for ten of them as for one, where they are this short.
    """

    sources: int
    tracks: int
    keys: Positions
    scores: Floats

    @classmethod
    def summed(cls, sources: int, tracks: int, terms: Sequence[Term]) -> Self:
        """The scores of a track that a source names more than once are added."""
        lengths = [len(term.items) for term in terms]
        if not sum(lengths):
            return cls(sources, tracks, np.empty(0, np.int64), np.empty(0, np.float64))
        offsets = np.array([term.source * tracks for term in terms], np.int64)
        keys = np.concatenate([term.items for term in terms]) + np.repeat(offsets, lengths)
        scores = np.concatenate([term.scores for term in terms]) * np.repeat([term.weight for term in terms], lengths)
        order = in_order(keys)
        keys = keys[order]
        first = starts_of_runs(keys)
        return cls(sources, tracks, keys[first], np.add.reduceat(scores[order], first))

    def split(self, sources: int) -> list[Named]:
        """So many sources after another, counted from 0 in each part."""
        width = sources * self.tracks
        edges = self.keys.searchsorted(np.arange(0, self.sources + 1, sources) * self.tracks).tolist()
        return [
            Named(sources, self.tracks, self.keys[begin:end] - part * width, self.scores[begin:end])
            for part, (begin, end) in enumerate(pairwise(edges))
        ]

    @cached_property
    def source_of(self) -> Positions:
        """The source of each entry."""
        return self.keys // self.tracks

    @cached_property
    def totals(self) -> Floats:
        """The sum of all scores of each source [sources]."""
        return np.bincount(self.source_of, self.scores, self.sources).astype(np.float64)

    @cached_property
    def counts(self) -> Positions:
        """How many tracks each source names [sources]."""
        return np.bincount(self.source_of, minlength=self.sources)

    def places(self, items: Positions) -> Positions:
        """The entry of each source for each of these items [sources, items], -1 where it does not name it."""
        wanted = np.arange(self.sources)[:, None] * self.tracks + items
        place = self.keys.searchsorted(wanted)
        return np.where(np.append(self.keys, -1)[place] == wanted, place, -1)

    def at(self, places: Positions) -> Floats:
        """The scores at these places, 0 at -1."""
        return np.append(self.scores, 0.0)[places]

    def ranks(self, places: Positions) -> Floats:
        """The ranks at these places, from 0, among all that the source names; `UNRANKED` at -1."""
        rank = np.empty(len(self.keys) + 1)
        rank[self.order] = np.minimum(_along_runs(self.source_of), UNRANKED)
        rank[-1] = UNRANKED
        return rank[places]

    @cached_property
    def order(self) -> Positions:
        """The entries source after source, of each the best first, ties by position."""
        falling = np.argsort(-self.scores)
        place = np.empty(len(self.scores), np.int64)  # among all scores, equal ones at the same
        place[falling] = np.cumsum(np.diff(self.scores[falling], prepend=np.inf) != 0)
        return in_order(self.source_of * (len(place) + 1) + place)

    def best(self, depths: Positions, barred: Positions) -> tuple[Positions, Positions, Positions]:
        """Of each source at most its depth of items with the largest scores, none of those in `barred`, which ascend.

        They are items, sources and ranks, source after source.
        """
        keys = self.keys[self.order]
        sources = self.source_of  # in that order, which is by source as well
        items = keys - sources * self.tracks
        allowed = ~among(items, barred)
        items, sources = items[allowed], sources[allowed]
        ranks = _along_runs(sources)
        kept = ranks < depths[sources]
        return items[kept], sources[kept], ranks[kept]


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

    def row(self, at: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The items and values of one row."""
        part = slice(self.starts[at], self.starts[at + 1])
        return self.items[part], self.values[part]

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
    place = np.minimum(barred.searchsorted(items), len(barred) - 1)
    found: npt.NDArray[np.bool_] = barred[place] == items
    return found


def in_order(keys: Positions) -> Positions:
    """The places of these numbers in ascending order, equal ones as they come.

    A million of them may be up to 2^43, twice as many half as large: the place rides in the low bits, as numpy sorts
    integers ten times as fast as it finds a stable order of them.
    """
    bits = len(keys).bit_length()
    packed = keys << bits | np.arange(len(keys))
    packed.sort()
    return packed & ((1 << bits) - 1)


def starts_of_runs(ordered: npt.NDArray[np.integer]) -> Positions:
    """Where each run of equal numbers begins."""
    opens = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=opens[1:])
    return opens.nonzero()[0]


def _along_runs(ordered: Positions) -> Positions:
    """The place of each within its run of equal numbers, from 0; they are few, small and ascend."""
    return (
        np.arange(len(ordered)) - ordered.searchsorted(np.arange(ordered[-1] + 1))[ordered] if len(ordered) else ordered
    )


def heaviest(matrix: csr_array[Any, tuple[int, int]], k: int) -> csr_array[Any, tuple[int, int]]:
    """The `k` largest entries of each row, ties by column."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    chosen = order[place < k]
    return csr_array(coo_array((matrix.data[chosen], (rows[chosen], matrix.indices[chosen])), shape=matrix.shape))
