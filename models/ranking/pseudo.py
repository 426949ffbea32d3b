"""Pseudo-impressions: moments of a history replayed, with the candidates as of then, labelled by what was played next.

No impression was logged in most data, so the list that would have been shown is made again: the corpus is counted from
the plays before the window that a moment lies in, the taste from the listener's own plays up to the moment. What came
after changes nothing but the label. It is no more than a stand-in: nobody saw these lists, so what was not played may
never have been offered, and a ranker that learns from them learns what people play, not what a recommendation adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Positions, Recent, Taste, TrackPosition
from models.ranking.candidates import candidates
from models.ranking.corpus import Corpus
from models.ranking.counting import Plays, fit_corpus
from models.ranking.evidence import Evidence
from models.ranking.features import features
from models.ranking.lists import List, Lists
from models.ranking.two_stage import TwoStageConfig
from warehouse.rules.decay import OLDEST_AGE, UNIT, decay_weights
from warehouse.rules.quantity import DAY_MS, SECOND_MS
from warehouse.taste import RECENT_PLAYS

_DAY_S = DAY_MS // SECOND_MS


@dataclass(frozen=True)
class Window:
    """A stretch of time [begins, ends), seconds, whose moments are told by what was known when it began."""

    begins_s: float
    ends_s: float
    plays: Plays
    tracks: int
    config: TwoStageConfig

    @cached_property
    def corpus(self) -> Corpus:
        """Of the plays before it, counted at its first use."""
        return corpus_before(self.plays, self.begins_s, self.tracks, self.config)


def windows(plays: Plays, tracks: int, config: TwoStageConfig) -> Iterator[Window]:
    """Those of equally many plays in the last share of them, but for one before which nothing was played."""
    edges = np.quantile(plays.started_s, np.linspace(1 - config.recent_share, 1, config.windows + 1))
    edges[-1] = np.inf
    for begins, ends in pairwise(edges.tolist()):
        if (plays.started_s < begins).any():
            yield Window(begins, ends, plays, tracks, config)


def replayed(window: Window, random: np.random.Generator) -> Lists:
    """Lists at moments of the window, drawn by chance."""
    config, plays = window.config, window.plays
    moments = moments_between(plays, window.begins_s, window.ends_s)
    drawn = np.sort(random.permutation(moments)[: max(config.moments // config.windows, 1)]).tolist()
    found = [_shown(window.corpus, plays, at, config, random) for at in drawn]
    return Lists.told([one for one in found if one is not None], len(drawn))


def moments_between(plays: Plays, begins_s: float, ends_s: float) -> Positions:
    """Places of the plays that began in [begins, ends) and were followed by another in their session."""
    at = plays.later(1)
    return at[(plays.started_s[at] >= begins_s) & (plays.started_s[at] < ends_s)]


def corpus_before(plays: Plays, moment_s: float, tracks: int, config: TwoStageConfig) -> Corpus:
    """What was known of everybody when the moment came."""
    known = plays.where(plays.started_s < moment_s)
    return fit_corpus(known, weights_at(known, moment_s, tracks, config), config.als)


def weights_at(plays: Plays, moment_s: float, tracks: int, config: TwoStageConfig) -> csr_array[Any, tuple[int, int]]:
    """What these plays, all of before the moment, weigh at it [listeners, tracks].

    The moment's day is the one that it ends: as of midnight, plays of yesterday are of today, as in features.matrix.
    """
    today = np.ceil(moment_s / _DAY_S) - 1
    values = _weights(plays.started_s, today, config).astype(np.float32)
    listeners = int(plays.listeners.max(initial=-1)) + 1
    weights = csr_array(coo_array((values, (plays.listeners, plays.tracks)), shape=(listeners, tracks)))
    weights.eliminate_zeros()
    return weights


def taste_at(plays: Plays, at: int, config: TwoStageConfig) -> Taste:
    """The listener's taste when play `at` had begun, that play included."""
    first = int(np.searchsorted(plays.listeners, plays.listeners[at]))
    until = slice(first, at + 1)
    ago_s = plays.started_s[at] - plays.started_s[until]
    each, heard, place = np.unique(plays.tracks[until], return_index=True, return_inverse=True)
    today = plays.started_s[at] // _DAY_S
    weights = np.bincount(place, _weights(plays.started_s[until], today, config), len(each)).astype(np.float64)
    order = np.argsort(heard)
    order = order[weights[order] > 0]
    session = int((plays.sessions[until] == plays.sessions[at]).sum())
    recent = Recent(plays.tracks[until][-RECENT_PLAYS:], ago_s[-RECENT_PLAYS:], min(session, RECENT_PLAYS))
    return Taste(each[order], weights[order], TrackPosition(int(plays.tracks[at])), recent)


def _shown(corpus: Corpus, plays: Plays, at: int, config: TwoStageConfig, random: np.random.Generator) -> List | None:
    """The rows of one list and what was played next; None where that was not among the candidates.

    Of the rest, `shown` at most, drawn at random.
    """
    (evidence,) = Evidence.read(corpus, [taste_at(plays, at, config)])
    items = candidates(corpus, evidence, config.depth, np.empty(0, np.int64)).items
    played = items == plays.tracks[at + 1]
    if not played.any():
        return None
    rest = random.permutation(np.flatnonzero(~played))[: config.shown]
    kept = np.sort(np.concatenate([np.flatnonzero(played), rest]))
    return List(
        int(plays.listeners[at]),
        features(corpus, evidence, items[kept]),
        played[kept].astype(np.int64),
        np.zeros(len(kept), np.int64),
    )


def _weights(started_s: Floats, today: float, config: TwoStageConfig) -> Floats:
    """By the rule of decay: by UTC days since the play's, `today` counting them since 1970-01-01."""
    if not config.decayed:
        return np.ones(len(started_s))
    age_days = (today - started_s // _DAY_S).astype(np.int64)
    return (np.array(decay_weights(), np.float64) / UNIT)[np.clip(age_days, 0, OLDEST_AGE)]
