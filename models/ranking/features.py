"""The columns that the forest reads: what each source says of a track, and what kind of moment it is.

A row is a function of the taste and the track alone, whatever other candidates there are: so a score can be computed
again for any track, and with any play taken back. A rank is among all that a source names.
"""

from __future__ import annotations

import numpy as np

from models.base import Positions, Scores
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence, OfSession, Own, Said
from models.ranking.sparse import among

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
_LIFT, _SESSION_COSINE, _CURRENT_COSINE, _POPULARITY = (
    NAMES.index(name) for name in ("lift", "session_cosine", "current_cosine", "popularity")
)
_OF_SAID = {
    Said.FOLLOWS: "follows", Said.FOLLOWS_BOTH: "follows_both", Said.FOLLOWS_EARLIER: "follows_earlier",
    Said.SKIPS: "skips", Said.PRECEDES: "precedes", Said.NEAR: "near", Said.NEAR_CURRENT: "near_current",
    Said.NEIGHBOURS: "neighbours", Said.TIMES: "times_in_session",
}  # fmt: skip
_SCORES = [NAMES.index(_OF_SAID[said]) for said in Said]
_SHARED = [said for said in Said if f"{_OF_SAID[said]}_share" in NAMES]
_SHARES = [NAMES.index(f"{_OF_SAID[said]}_share") for said in _SHARED]
_RANKED = [said for said in Said if f"{_OF_SAID[said]}_rank" in NAMES]
_RANKS = [NAMES.index(f"{_OF_SAID[said]}_rank") for said in _RANKED]
_OWN = slice(NAMES.index("own_weight"), NAMES.index("own_ago_s") + 1)  # in the order of `Own`
_NEVER_PLAYED = (0.0, 0.0, 0.0, 0.0, NEVER_S)
_OF_ALL = slice(NAMES.index("popularity_of_current"), len(NAMES))  # what all rows of a moment have in common


def features(corpus: Corpus, evidence: Evidence, items: Positions) -> Scores:
    """One row for each of these tracks [items, names], float32 and finite."""
    rows = np.empty((len(items), len(NAMES)), np.float32)
    rows[:, _POPULARITY] = corpus.shares[items]
    _write_session(rows, corpus, evidence.session, items)
    _write_als(rows, corpus, evidence, items)
    _write_own(rows, evidence, items)
    _write_moment(rows, corpus, evidence)
    return rows


def features_less(corpus: Corpus, evidence: Evidence, rows: Scores, less: Evidence, items: Positions) -> Scores:
    """The rows of these tracks, written over, with a play taken back: only what can have changed is computed again."""
    if less.session is not evidence.session:
        _write_session(rows, corpus, less.session, items)
    if less.vector is not evidence.vector:
        _write_als(rows, corpus, less, items)
    if among(items, evidence.heard).any():
        _write_own(rows, less, items)
    _write_moment(rows, corpus, less)
    return rows


def _write_session(rows: Scores, corpus: Corpus, session: OfSession, items: Positions) -> None:
    places = session.named.places(items)
    scores = session.named.at(places)
    shares = scores / np.maximum(session.named.totals, 1e-9)[:, None]
    directions = corpus.directions[items]
    current = session.current
    rows[:, _SCORES] = scores.T
    rows[:, _SHARES] = shares[_SHARED].T
    rows[:, _RANKS] = session.named.ranks(places[_RANKED]).T
    rows[:, _LIFT] = shares[Said.FOLLOWS] / np.maximum(corpus.shares[items], 1e-9)
    rows[:, _SESSION_COSINE] = directions @ session.direction
    rows[:, _CURRENT_COSINE] = 0.0 if current is None else directions @ corpus.directions[current]


def _write_als(rows: Scores, corpus: Corpus, evidence: Evidence, items: Positions) -> None:
    rows[:, ALS_COLUMN] = corpus.als.vectors[items] @ evidence.vector


def _write_own(rows: Scores, evidence: Evidence, items: Positions) -> None:
    """All zero, and the age without end, for a track that the listener never played."""
    if not among(items, evidence.heard).any():
        rows[:, _OWN] = _NEVER_PLAYED
        return
    scores = evidence.own.at(evidence.own.places(items))
    scores[Own.AGO][scores[Own.AGO] == 0] = NEVER_S
    rows[:, _OWN] = scores.T


def _write_moment(rows: Scores, corpus: Corpus, evidence: Evidence) -> None:
    session, recent, tracks = evidence.session, evidence.taste.recent, len(evidence.taste.tracks)
    current, plays = session.current, len(recent.tracks)
    rows[:, _OF_ALL] = (
        0.0 if current is None else corpus.shares[current],
        recent.session,
        1.0 - session.named.counts[Said.TIMES] / max(len(session.plays), 1),
        session.named.totals[Said.FOLLOWS],
        plays,
        tracks,
        tracks / max(plays, 1),
        recent.ago_s[-2] - recent.ago_s[-1] if plays > 1 else -1.0,
    )
