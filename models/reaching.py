"""Models that reach a few tracks of the catalog for a taste: those are scored, and nothing else is recommended.

Beside the scores of everything, which blends read, they answer from what they reach alone: a large catalog costs
them little.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from models.base import Floats, Interactions, Model, Positions, Ranked, Scores, Sequences, Taste, ranked
from models.scoring import ScoringModel


class ReachingModel(ScoringModel):
    """A model of which `reached` is known."""

    @abstractmethod
    def reached(self, taste: Taste) -> tuple[Positions, Floats]:
        """The tracks that it has something to say of, each once and ascending, and their scores, all above zero."""

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        scores = np.zeros((len(tastes), self.tracks), np.float32)
        for row, taste in zip(scores, tastes, strict=True):
            items, values = self.reached(taste)
            row[items] = values
        return scores

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        items, values = self.reached(taste)
        if exclude is not None:
            left = ~np.isin(items, exclude)
            items, values = items[left], values[left]
        return ranked(items, values, k)

    def scores(self, taste: Taste, items: Positions) -> Floats:
        return looked_up(*self.reached(taste), items)

    recommend_many = Model.recommend_many  # which asks `recommend`: that of scoring models scores the whole catalog


def looked_up(positions: Positions, values: Floats, items: Positions) -> Floats:
    """The value of each item [items]; 0 where it is not among the ascending positions."""
    if not len(positions):
        return np.zeros(len(items))
    place = np.minimum(np.searchsorted(positions, items), len(positions) - 1)
    return np.where(positions[place] == items, values[place], 0.0)


def summed(items: Positions, values: Floats, tracks: int) -> Floats:
    """The sum of the values of each track [tracks]."""
    return np.bincount(items, values, tracks).astype(np.float64, copy=False)  # of nothing it makes integers


def above_zero(totals: Floats) -> tuple[Positions, Floats]:
    """The places of the totals [tracks] that are above zero, and these."""
    items = np.flatnonzero(totals > 0)
    return items, totals[items]


def latest_first(taste: Taste, most: int) -> Positions:
    """The session so far, latest first, at most so many plays.

    Without a session it is the current track alone, and without that one the latest plays that are known.
    """
    recent = taste.recent
    if not recent.session and taste.current is not None:
        return np.array([taste.current], np.int64)
    return (recent.in_session if recent.session else recent.tracks)[::-1][:most]


def told_order(interactions: Interactions, learner: str) -> Sequences:
    """The plays in order. Raises ValueError where they are not known."""
    if interactions.sequences is None:
        raise ValueError(f"fitting {learner}: found no order of plays, wanted interactions with sequences")
    return interactions.sequences


def rows_joined(starts: Positions, rows: Positions, most: int | None = None) -> tuple[Positions, Positions]:
    """For rows that are `starts[i]:starts[i + 1]` of flat arrays: the places of the first `most` of each, and whose.

    Without `most` they are all of each. The second is the place in `rows`, not the row.
    """
    lengths = starts[rows + 1] - starts[rows]
    if most is not None:
        lengths = np.minimum(lengths, most)
    whose = np.repeat(np.arange(len(rows)), lengths)
    skipped = starts[rows] - (np.cumsum(lengths) - lengths)
    return np.arange(len(whose)) + skipped[whose], whose
