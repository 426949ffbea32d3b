"""Whether the two stages are better than what they would replace: the next track after the split, by plays before it.

Everybody's plays before the split train; at moments after it the listener's own plays up to then are known, as in
serving. Of what came next, hit@20 is measured beside the transitions from the current track, filled up with what is
popular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base import Floats, Positions, Taste
from models.evaluation.bootstrap import Interval, paired
from models.ranking.corpus import Corpus
from models.ranking.counting import Plays
from models.ranking.pseudo import moments_between, taste_at, weights_at
from models.ranking.training import TooLittleHistory, fit_plays
from models.ranking.two_stage import TwoStageConfig

K = 20
MOMENTS = 1_000


@dataclass(frozen=True)
class Trial:
    """Hits at 20 [listeners], summed over each one's `moments` [listeners]."""

    two_stage: Floats
    transitions: Floats
    moments: Floats

    @property
    def difference(self) -> Interval:
        """Two stages minus transitions."""
        return paired(self.two_stage, self.transitions, self.moments)

    @property
    def passed(self) -> bool:
        """Whether the two stages are not worse beyond chance."""
        return self.difference.high >= 0

    def figures(self) -> dict[str, float | int | list[float] | bool]:
        """As JSON has them."""
        found, total = self.difference, self.moments.sum()
        return {
            "moments": int(total),
            "listeners": len(self.moments),
            "hit@20": float(self.two_stage.sum() / total),
            "transitions hit@20": float(self.transitions.sum() / total),
            "difference": [found.mean, found.low, found.high],
            "passed": self.passed,
        }


def trial(plays: Plays, split_s: float, tracks: int, config: TwoStageConfig) -> Trial:
    """Fit before the split and ask after it. Raises `TooLittleHistory`."""
    known = plays.where(plays.started_s < split_s)
    moments = moments_between(plays, split_s, np.inf)
    if not len(moments) or not len(known.tracks):
        raise TooLittleHistory(f"{len(known.tracks)} plays before the split, {len(moments)} moments after it")
    model = fit_plays(known, weights_at(known, split_s, tracks, config), config)
    drawn = np.sort(np.random.default_rng(config.seed).permutation(moments)[:MOMENTS])
    tastes = [taste_at(plays, int(at), config) for at in drawn]
    wanted = plays.tracks[drawn + 1]
    ours = (model.recommend_many(tastes, K) == wanted[:, None]).any(axis=1)
    theirs = np.array([track in _followers(model.corpus, taste) for track, taste in zip(wanted, tastes, strict=True)])
    _, row = np.unique(plays.listeners[drawn], return_inverse=True)
    return Trial(*(np.bincount(row, values).astype(np.float64) for values in (ours, theirs, np.ones(len(row)))))


def _followers(corpus: Corpus, taste: Taste) -> Positions:
    items, times = corpus.follows.row(int(taste.recent.tracks[-1]))
    found = items[np.argsort(-times, kind="stable")[:K]].astype(np.int64)
    return np.concatenate([found, np.setdiff1d(corpus.popular[:K], found, assume_unique=True)])[:K]
