"""Models that score every track at once: the one part of `Model` that is left to them is the scores themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from models.base import NOBODY, Citations, Floats, Model, Positions, Ranked, Scores, Taste, cited, ranked

CANDIDATES = 64  # plays of a long taste, the heaviest and the latest, whose removal is recomputed
NOISE = 1e-6  # a drop below this share of the largest score is rounding in float32, and is not cited
CELLS_AT_ONCE = 1 << 24


class ScoringModel(Model):
    """A model of which `score_many` is known. Lists, citations and batches follow from it."""

    @abstractmethod
    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        """Every track's score [tastes, tracks] float32, minus infinity where it must not be recommended.

        A caller may write into it.
        """

    def says_nothing(self, taste: Taste) -> bool:
        """Whether the taste holds nothing that this model reads: it then recommends nothing."""
        return not len(taste.tracks) and not len(taste.recent.tracks)

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        if self.says_nothing(taste):
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
        scores = self.score_many([taste])[0]
        if exclude is not None:
            scores[exclude] = -np.inf
        return ranked(np.arange(self.tracks), scores, k)

    def scores(self, taste: Taste, items: Positions) -> Floats:
        if self.says_nothing(taste):
            return np.zeros(len(items))
        return self.score_many([taste])[0][items].astype(np.float64)

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        """Each removal is recomputed: of the heaviest tracks and the latest, where there are many."""
        places = _candidates(taste)
        if not len(places) or not len(items):
            return Citations.none(len(items), limit)
        without = [taste.without(int(place), float(plays[place])) for place in places]
        kept = self.scores(taste, items)
        left = np.stack([self.scores(one, items) for one in without], axis=1)
        drops = np.where(plays[places] > 0, kept[:, None] - left, 0.0)
        found = cited(drops, limit, NOISE * float(np.abs(kept).max(initial=0.0)))
        found.places[:] = np.where(found.places >= 0, places[found.places], found.places)
        return found

    def recommend_many(self, tastes: Sequence[Taste], k: int, *, new_only: bool = False) -> Positions:
        lists = np.full((len(tastes), k), NOBODY, np.int64)
        at_once = max(1, CELLS_AT_ONCE // max(self.tracks, 1))
        for start in range(0, len(tastes), at_once):
            part = tastes[start : start + at_once]
            scores = self.score_many(part)
            for row, taste in enumerate(part):
                if new_only:
                    scores[row, taste.tracks] = -np.inf
                if self.says_nothing(taste):
                    scores[row] = -np.inf
            lists[start : start + len(part), : min(k, self.tracks)] = best_of_each(scores, k)
        return lists


def best_of_each(scores: Scores, k: int) -> Positions:
    """The best `k` columns of each row, by score and then by place; `NOBODY` where only minus infinity is left."""
    k = min(k, scores.shape[1])
    worst = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k, None]
    rows, columns = np.nonzero((scores >= worst) & (scores > -np.inf))
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = place < k
    best = np.full((len(scores), k), NOBODY, np.int64)
    best[rows[kept], place[kept]] = columns[kept]
    return best


def _candidates(taste: Taste) -> Positions:
    """Places in the taste: all, or half of them the heaviest and half those heard last."""
    if len(taste.tracks) <= CANDIDATES:
        return np.arange(len(taste.tracks))
    heaviest = np.argsort(-taste.weights, kind="stable")[: CANDIDATES // 2]
    latest = list(dict.fromkeys(taste.recent.tracks[::-1].tolist()))[: CANDIDATES // 2]
    return np.unique(np.concatenate([heaviest, np.flatnonzero(np.isin(taste.tracks, latest))]))
