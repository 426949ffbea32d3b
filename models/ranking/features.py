"""The columns that the forest reads: what each source says of a track, and what kind of moment it is.

A row is a function of the taste and the track alone, whatever other candidates there are: so a score can be computed
again for any track, and with any play taken back. A rank is among all that a source names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.base import Floats, Positions, Scores
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence, OfSession
from models.ranking.sparse import Few

NEVER_S = 1e9  # seconds since the last play of a track that was never played


NAMES: tuple[str, ...] = (
    "follows", "follows_share", "follows_rank", "lift",
    "follows_both", "follows_both_share", "follows_earlier", "follows_earlier_share",
    "skips", "skips_share", "skips_rank", "precedes",
    "near", "near_share", "near_rank", "near_current",
    "neighbours", "neighbours_share", "neighbours_rank",
    "session_cosine", "current_cosine", "times_in_session",
    "own_weight", "own_activation", "own_follows", "own_follows_later",
    "own_ago_s", "als",
    "popularity", "popularity_of_current", "session_length", "session_repeats", "follows_total",
    "history_plays", "history_tracks", "history_tracks_a_play", "gap_s",
)  # fmt: skip
ALS_COLUMN = NAMES.index("als")


@dataclass(frozen=True)
class Described:
    """Rows in two parts [items, some columns]: what the session alone decides, and what the own plays do."""

    session: Scores
    own: Scores

    @classmethod
    def of(cls, corpus: Corpus, evidence: Evidence, items: Positions) -> Self:
        """These tracks as they are seen now."""
        session = _table(_of_session(corpus, evidence.session, items), len(items))
        return cls(session, _table(_of_own(evidence, items), len(items)))

    def after(self, removal: Removal, corpus: Corpus, items: Positions) -> Described:
        """The same tracks with a play taken back: no more is computed again than can have changed."""
        less = removal.evidence
        session = (
            self.session if removal.keeps_session else _table(_of_session(corpus, less.session, items), len(items))
        )
        own = self.own if removal.keeps_own else _table(_of_own(less, items), len(items))
        return Described(session, own)

    def only(self, chosen: Positions) -> Described:
        """Those at these places."""
        return Described(self.session[chosen], self.own[chosen])

    def rows(self, corpus: Corpus, evidence: Evidence, items: Positions) -> Scores:
        """All columns."""
        return np.concatenate([self.session, self.own, _table(_of_moment(corpus, evidence, items), len(items))], axis=1)


@dataclass(frozen=True)
class Removal:
    """The evidence less one play, and which parts of the rows that cannot have changed."""

    evidence: Evidence
    keeps_session: bool
    keeps_own: bool


def features(corpus: Corpus, evidence: Evidence, items: Positions) -> Scores:
    """One row for each of these tracks [items, names], float32 and finite."""
    return Described.of(corpus, evidence, items).rows(corpus, evidence, items)


def _table(columns: list[Floats | float], rows: int) -> Scores:
    table = np.empty((rows, len(columns)), np.float32)
    for place, column in enumerate(columns):
        table[:, place] = column
    return table


def _of_session(corpus: Corpus, session: OfSession, items: Positions) -> list[Floats | float]:
    follows = session.follows.at(items)
    share = follows / max(session.follows.total, 1e-9)
    directions = corpus.directions[items]
    current = session.current
    return [
        follows, share, session.follows.ranks(items), share / np.maximum(corpus.shares[items], 1e-9),
        *_with_share(session.follows_both, items), *_with_share(session.follows_earlier, items),
        *_with_share(session.skips, items), session.skips.ranks(items), session.precedes.at(items),
        *_with_share(session.near, items), session.near.ranks(items), session.near_current.at(items),
        *_with_share(session.neighbours, items), session.neighbours.ranks(items),
        directions @ session.direction, 0.0 if current is None else directions @ corpus.directions[current],
        session.times.at(items),
    ]  # fmt: skip


def _of_own(evidence: Evidence, items: Positions) -> list[Floats | float]:
    """All zero, and the age without end, for a track that the listener never played."""
    own = evidence.own
    ago = own.ago.at(items)
    ago[ago == 0] = NEVER_S
    return [
        own.weights.at(items), own.activation.at(items), own.follows.at(items), own.follows_later.at(items), ago,
    ]  # fmt: skip


def _of_moment(corpus: Corpus, evidence: Evidence, items: Positions) -> list[Floats | float]:
    session, recent = evidence.session, evidence.taste.recent
    current, plays = session.current, len(recent.tracks)
    return [
        corpus.als.vectors[items] @ evidence.vector,
        corpus.shares[items], 0.0 if current is None else float(corpus.shares[current]),
        float(recent.session), 1.0 - len(session.times.items) / max(len(session.plays), 1), session.follows.total,
        float(plays), float(len(evidence.taste.tracks)), len(evidence.taste.tracks) / max(plays, 1),
        float(recent.ago_s[-2] - recent.ago_s[-1]) if plays > 1 else -1.0,
    ]  # fmt: skip


def _with_share(found: Few, items: Positions) -> tuple[Floats, Floats]:
    scores = found.at(items)
    return scores, scores / max(found.total, 1e-9)
