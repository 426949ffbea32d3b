"""Whether the two stages are better than what they would replace: the next track after the split, by plays before it.

Everybody's plays before the split train; at moments after it the listener's own plays up to then are known, as in
serving. Of what came next, hit@20 is measured beside the transitions from the current track, filled up with what is
popular. Where a forest was learned from what had been shown, it is asked about what was shown after the split: of each
pair of a played and an unplayed track of one answer, whether it scores the played one higher, beside the first forest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import Floats, Positions, Taste
from models.evaluation.bootstrap import Interval, paired
from models.ranking.corpus import Corpus
from models.ranking.counting import Plays
from models.ranking.forest_training import TooLittleHistory
from models.ranking.logged import Shown, logged
from models.ranking.pseudo import moments_between, taste_at, weights_at
from models.ranking.training import Learned, fit_plays
from models.ranking.two_stage import TwoStage, TwoStageConfig

K = 20
MOMENTS = 1_000
NEXT_TRACK = "two-stage hit@20 (the next track)"
NEXT_TRACK_OF_TRANSITIONS = "transitions hit@20 (the next track)"


@dataclass(frozen=True)
class _Beside:
    """What one model got right [listeners] and what the other did, both of so many that were `asked` [listeners]."""

    ours: Floats
    theirs: Floats
    asked: Floats

    @cached_property
    def difference(self) -> Interval:
        """Ours minus theirs."""
        return paired(self.ours, self.theirs, self.asked)

    @property
    def passed(self) -> bool:
        """Whether ours is not worse beyond chance."""
        return self.difference.high >= 0

    @property
    def shares(self) -> tuple[float, float]:
        """Of all that were asked, what each got right: ours and theirs."""
        total = self.asked.sum()
        return float(self.ours.sum() / total), float(self.theirs.sum() / total)

    def told(self) -> dict[str, Any]:
        """The difference with its interval, and the verdict, as JSON has them."""
        found = self.difference
        return {"difference": [found.mean, found.low, found.high], "passed": self.passed}


@dataclass(frozen=True)
class AnswersTrial(_Beside):
    """Pairs in the right order, by the forest that learned from answers beside the first one."""

    def figures(self) -> dict[str, Any]:
        """As JSON has them."""
        ours, theirs = self.shares
        return {"listeners": len(self.asked), "auc": ours, "auc of what is played next": theirs, **self.told()}


@dataclass(frozen=True)
class Trial(_Beside):
    """Hits at 20 over moments, by two stages beside transitions; what the forest had `learned` from."""

    learned: Learned
    answers: AnswersTrial | None = None

    def figures(self) -> dict[str, Any]:
        """As JSON has them."""
        ours, theirs = self.shares
        return {
            "moments": int(self.asked.sum()),
            "listeners": len(self.asked),
            NEXT_TRACK: ours,
            NEXT_TRACK_OF_TRANSITIONS: theirs,
            **self.told(),
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
    two_stage, transitions, asked = _by_listener(plays.listeners[drawn], ours, theirs, np.ones(len(drawn)))
    return Trial(two_stage, transitions, asked, learned, answered(model, plays, shown.between(split_s, np.inf)))


def answered(model: TwoStage, plays: Plays, shown: Shown) -> AnswersTrial | None:
    """The forest of answers on these, all later than what the model knows; None without either."""
    if model.of_shown is None:
        return None
    lists = logged(model.corpus, plays, shown, model.config)
    asked = np.flatnonzero(lists.pairs > 0)
    if not len(asked):
        return None
    of_shown = lists.ordered_rightly(model.recommending.scores_of(lists.rows))
    of_next = lists.ordered_rightly(model.scores_of(lists.rows))
    return AnswersTrial(*_by_listener(lists.listeners[asked], of_shown[asked], of_next[asked], lists.pairs[asked]))


def _by_listener(listeners: Positions, *values: npt.NDArray[Any]) -> list[Floats]:
    """The sums of values by listener, listeners ascending."""
    _, row = np.unique(listeners, return_inverse=True)
    return [np.bincount(row, each).astype(np.float64) for each in values]


def _followers(corpus: Corpus, taste: Taste) -> Positions:
    items, times = corpus.follows.row(int(taste.recent.tracks[-1]))
    found = items[np.argsort(-times, kind="stable")[:K]].astype(np.int64)
    return np.concatenate([found, np.setdiff1d(corpus.popular[:K], found, assume_unique=True)])[:K]
