"""Pseudo-impressions: moments of a history replayed, with the candidates as of then, labelled by what was played next.

No impression was logged in most data, so the list that would have been shown is made again: the corpus is counted from
the plays before the window that a moment lies in, the taste from the listener's own plays up to the moment. What came
after changes nothing but the label. It is no more than a stand-in: nobody saw these lists, so what was not played may
never have been offered, and a ranker that learns from them learns what people play, not what a recommendation adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Positions, Recent, Scores, Taste, TrackPosition
from models.progress import UNHEARD, Arrays, Checkpoint, Progress
from models.ranking.candidates import candidates
from models.ranking.corpus import Corpus
from models.ranking.counting import Plays, fit_corpus
from models.ranking.evidence import Evidence
from models.ranking.features import NAMES, features
from models.ranking.two_stage import TwoStageConfig
from warehouse.rules.decay import UNIT, decay_weights

RECENT_PLAYS = 500  # of a taste, in order: as many as serving reads
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Impressions:
    """Rows [candidates, columns], `sizes` [moments] of them for each moment; `played` [candidates] is 0 or 1."""

    rows: Scores
    played: Positions
    sizes: Positions
    asked: int

    @classmethod
    def none(cls) -> Self:
        """Nobody was asked."""
        return cls(np.empty((0, len(NAMES)), np.float32), np.empty(0, np.int64), np.empty(0, np.int64), 0)

    def and_then(self, lists: Sequence[tuple[Scores, Positions]], asked: int) -> Impressions:
        """These, and the rows and labels of further lists, from so many further moments."""
        if not lists:
            return replace(self, asked=self.asked + asked)
        rows, played = zip(*lists, strict=True)
        sizes = np.array([len(one) for one in rows], np.int64)
        return Impressions(
            np.concatenate([self.rows, *rows]),
            np.concatenate([self.played, *played]),
            np.concatenate([self.sizes, sizes]),
            self.asked + asked,
        )

    @property
    def found(self) -> float:
        """The share of the moments whose next track was among the candidates; the others teach nothing."""
        return len(self.sizes) / max(self.asked, 1)


def pseudo_impressions(plays: Plays, tracks: int, config: TwoStageConfig, progress: Progress = UNHEARD) -> Impressions:
    """Lists at moments drawn by the seed from the last share of the plays, window after window; each is kept."""
    random = np.random.default_rng(config.seed)
    edges = np.quantile(plays.started_s, np.linspace(1 - config.recent_share, 1, config.windows + 1))
    edges[-1] = np.inf
    begun, told = progress.latest(), Impressions.none()
    if begun:
        random.bit_generator.state = begun.told["random"]
        told = Impressions(**begun.arrays, asked=begun.told["asked"])
    for window, (begins, ends) in list(enumerate(pairwise(edges.tolist()), 1))[begun.step if begun else 0 :]:
        moments = moments_between(plays, begins, ends)
        drawn = np.sort(random.permutation(moments)[: max(config.moments // config.windows, 1)])
        shown: list[tuple[Scores, Positions]] = []
        if len(drawn) and (plays.started_s < begins).any():
            corpus = corpus_before(plays, begins, tracks, config)
            lists = (_shown(corpus, plays, int(at), config, random) for at in drawn)
            shown = [each for each in lists if each is not None]
        told = told.and_then(shown, len(drawn))
        arrays: Arrays = {"rows": told.rows, "played": told.played, "sizes": told.sizes}
        progress.keep(Checkpoint(window, arrays, {"random": random.bit_generator.state, "asked": told.asked}))
    return told


def moments_between(plays: Plays, begins_s: float, ends_s: float) -> Positions:
    """Places of the plays that began in [begins, ends) and were followed by another in their session."""
    at = plays.later(1)
    return at[(plays.started_s[at] >= begins_s) & (plays.started_s[at] < ends_s)]


def corpus_before(plays: Plays, moment_s: float, tracks: int, config: TwoStageConfig) -> Corpus:
    """What was known of everybody when the moment came."""
    known = plays.where(plays.started_s < moment_s)
    return fit_corpus(known, weights_at(known, moment_s, tracks, config), config.als)


def weights_at(plays: Plays, moment_s: float, tracks: int, config: TwoStageConfig) -> csr_array[Any, tuple[int, int]]:
    """What these plays weigh at the moment [listeners, tracks]."""
    values = _weights(moment_s - plays.started_s, config.decayed).astype(np.float32)
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
    weights = np.bincount(place, _weights(ago_s, config.decayed), len(each)).astype(np.float64)
    order = np.argsort(heard)
    order = order[weights[order] > 0]
    session = int((plays.sessions[until] == plays.sessions[at]).sum())
    recent = Recent(plays.tracks[until][-RECENT_PLAYS:], ago_s[-RECENT_PLAYS:], min(session, RECENT_PLAYS))
    return Taste(each[order], weights[order], TrackPosition(int(plays.tracks[at])), recent)


def _shown(
    corpus: Corpus, plays: Plays, at: int, config: TwoStageConfig, random: np.random.Generator
) -> tuple[Scores, Positions] | None:
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
    return features(corpus, evidence, items[kept]), played[kept].astype(np.int64)


def _weights(ago_s: Floats, decayed: bool) -> Floats:
    if not decayed:
        return np.ones(len(ago_s))
    table = np.array([*decay_weights(), 0], np.float64) / UNIT
    return table[np.clip((ago_s // _DAY_S).astype(np.int64), 0, len(table) - 1)]
