"""Whether the two stages are better than what they would replace: the next track after the split, by plays before it.

Everybody's plays before the split train; at moments after it the listener's own plays up to then are known, as in
serving. Of what came next, hit@20 is measured beside the transitions from the current track, filled up with what is
popular. Where a forest was learned from what had been shown, it is asked about what was shown after the split: of each
pair of a played and an unplayed track of one answer, whether it scores the played one higher, beside the first forest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.base import Floats, Positions, Taste
from models.evaluation.bootstrap import Interval, paired
from models.ranking.corpus import Corpus
from models.ranking.counting import Plays
from models.ranking.logged import Shown, logged
from models.ranking.pseudo import moments_between, taste_at, weights_at
from models.ranking.training import Learned, TooLittleHistory, fit_plays
from models.ranking.two_stage import TwoStage, TwoStageConfig

K = 20
MOMENTS = 1_000
NEXT_TRACK = "two-stage hit@20 (the next track)"
NEXT_TRACK_OF_TRANSITIONS = "transitions hit@20 (the next track)"


@dataclass(frozen=True)
class AnswersTrial:
    """Pairs in the right order [listeners] by the forest that learned from answers and by the first one, of `pairs`."""

    of_shown: Floats
    of_next: Floats
    pairs: Floats

    @property
    def difference(self) -> Interval:
        """The forest of answers minus the first one."""
        return paired(self.of_shown, self.of_next, self.pairs)

    @property
    def passed(self) -> bool:
        """Whether it is not worse beyond chance."""
        return self.difference.high >= 0

    def figures(self) -> dict[str, Any]:
        """As JSON has them."""
        found, total = self.difference, self.pairs.sum()
        return {
            "listeners": len(self.pairs),
            "auc": float(self.of_shown.sum() / total),
            "auc of what is played next": float(self.of_next.sum() / total),
            "difference": [found.mean, found.low, found.high],
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Trial:
    """Hits at 20 [listeners], summed over each one's `moments` [listeners]; what the forest had `learned` from."""

    two_stage: Floats
    transitions: Floats
    moments: Floats
    learned: Learned
    answers: AnswersTrial | None = None

    @property
    def difference(self) -> Interval:
        """Two stages minus transitions."""
        return paired(self.two_stage, self.transitions, self.moments)

    @property
    def passed(self) -> bool:
        """Whether the two stages are not worse beyond chance."""
        return self.difference.high >= 0

    def figures(self) -> dict[str, Any]:
        """As JSON has them."""
        found, total = self.difference, self.moments.sum()
        return {
            "moments": int(total),
            "listeners": len(self.moments),
            NEXT_TRACK: float(self.two_stage.sum() / total),
            NEXT_TRACK_OF_TRANSITIONS: float(self.transitions.sum() / total),
            "difference": [found.mean, found.low, found.high],
            "passed": self.passed,
            "learned": asdict(self.learned),
            **({} if self.answers is None else {"shown": self.answers.figures()}),
        }


def trial(plays: Plays, split_s: float, tracks: int, config: TwoStageConfig, shown: Shown | None = None) -> Trial:
    """Fit before the split and ask after it. Raises `TooLittleHistory`."""
    known = plays.where(plays.started_s < split_s)
    moments = moments_between(plays, split_s, np.inf)
    if not len(moments) or not len(known.tracks):
        raise TooLittleHistory(f"{len(known.tracks)} plays before the split, {len(moments)} moments after it")
    shown = Shown.nothing() if shown is None else shown
    weights = weights_at(known, split_s, tracks, config)
    model, learned = fit_plays(known, weights, config, shown.settled(split_s))
    drawn = np.sort(np.random.default_rng(config.seed).permutation(moments)[:MOMENTS])
    tastes = [taste_at(plays, int(at), config) for at in drawn]
    wanted = plays.tracks[drawn + 1]
    ours = (model.recommend_many(tastes, K) == wanted[:, None]).any(axis=1)
    theirs = np.array([track in _followers(model.corpus, taste) for track, taste in zip(wanted, tastes, strict=True)])
    _, row = np.unique(plays.listeners[drawn], return_inverse=True)
    two_stage, transitions, each = (
        np.bincount(row, values).astype(np.float64) for values in (ours, theirs, np.ones(len(row)))
    )
    return Trial(two_stage, transitions, each, learned, answered(model, plays, shown.between(split_s, np.inf)))


def answered(model: TwoStage, plays: Plays, shown: Shown) -> AnswersTrial | None:
    """The forest of answers on these, all later than what the model knows; None without either."""
    if model.of_shown is None:
        return None
    lists = logged(model.corpus, plays, shown, model.config)
    asked = np.flatnonzero(lists.pairs > 0)
    if not len(asked):
        return None
    _, unit = np.unique(lists.listeners[asked], return_inverse=True)
    of_shown, of_next, pairs = (
        np.bincount(unit, values[asked]).astype(np.float64)
        for values in (
            lists.ordered_rightly(model.recommending.scores_of(lists.rows)),
            lists.ordered_rightly(model.scores_of(lists.rows)),
            lists.pairs,
        )
    )
    return AnswersTrial(of_shown, of_next, pairs)


def _followers(corpus: Corpus, taste: Taste) -> Positions:
    items, times = corpus.follows.row(int(taste.recent.tracks[-1]))
    found = items[np.argsort(-times, kind="stable")[:K]].astype(np.int64)
    return np.concatenate([found, np.setdiff1d(corpus.popular[:K], found, assume_unique=True)])[:K]
