"""What a model may know, and what it is asked: the last session out, and a global split by time.

Positions below `known` are tracks of the training data; tracks that only the test holds come after them, so that they
count as relevant and are never recommended. Of the split by time nothing from after its boundary reaches the training
side. With the last session of each listener out, nothing of the listener's own from then on does; what others played
later does, as in the published protocols of next tracks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Interactions, Positions, Recent, Sequences, Taste, TrackPosition
from models.history import History, Known, day_number, day_of, distinct, weights_of
from warehouse.rules.quantity import SECOND_MS
from warehouse.taste import RECENT_PLAYS

LAST_SESSION, TIME = "last-session", "time"
FEWEST_SESSIONS = 3
TEST_SHARE, FEWEST_TEST_DAYS = 0.10, 7
LISTENERS_AT_MOST, SAMPLE_SEED = 20_000, 13


class SplitImpossible(Exception):
    """The plays cannot be split as asked; says what was found and what was wanted."""


@dataclass(frozen=True)
class Cases:
    """Test cases: what each asks of a model, and the answers that count as right.

    `listener` [cases] is a place in 0..listeners-1; the relevant positions of case i are
    `relevant[starts[i]:starts[i + 1]]`, each once. `trained` are tastes by the training data alone, `fresh` by all that
    is known at that moment: in the last session also the tracks up to and including the current one.
    """

    listener: Positions
    starts: Positions
    relevant: Positions
    trained: tuple[Taste, ...]
    fresh: tuple[Taste, ...]

    def __len__(self) -> int:
        return len(self.listener)

    def answers(self, case: int) -> Positions:
        """What is relevant in that case."""
        return self.relevant[self.starts[case] : self.starts[case + 1]]


@dataclass(frozen=True)
class Split:
    """`boundary` says in words where the line is. `activity` [listeners] counts plays in the training data.

    Where `new_only`, tracks of the taste that is asked about are not recommended, and none of them is relevant. Where
    there are `candidates`, nothing else is ranked.
    """

    name: str
    boundary: str
    known: int
    train: Interactions
    cases: Cases
    activity: Positions
    new_only: bool = False
    candidates: Positions | None = None

    def barred(self, taste: Taste) -> Positions | None:
        """What is not to be recommended to that taste; None where anything may be."""
        own = taste.tracks if self.new_only else None
        if self._others is None or own is None:
            return own if self._others is None else self._others
        return np.union1d(self._others, own)

    @cached_property
    def _others(self) -> Positions | None:
        return None if self.candidates is None else np.setdiff1d(np.arange(self.known), self.candidates)


@dataclass(frozen=True)
class SessionPlays:
    """One row a play: labels of the listener, track and session, and the start (UTC, milliseconds).

    A session is one listener's: no two listeners share its label.
    """

    listeners: npt.NDArray[Any]
    tracks: npt.NDArray[Any]
    sessions: npt.NDArray[Any]
    started: Positions

    def where(self, chosen: npt.NDArray[Any]) -> SessionPlays:
        """Those that a mask or places choose."""
        return SessionPlays(self.listeners[chosen], self.tracks[chosen], self.sessions[chosen], self.started[chosen])


def last_session(plays: SessionPlays) -> Split:
    """Hold out the last session of every listener with at least 3; each step within it is a case.

    Weights are plain counts of plays, undecayed, and a taste is in the order of first hearing.
    Raises `SplitImpossible` where nobody has 3 sessions, or no session that is held out has a next track.
    """
    ordered, held = _last_sessions_held(plays)
    if not held.any():
        raise SplitImpossible(f"last session out: nobody has {FEWEST_SESSIONS} sessions; wanted one listener at least")
    track_of, known = training_first(ordered.tracks, ~held)
    placed = replace(ordered, tracks=track_of)
    return _session_split(Training.of(placed.where(~held), known), placed.where(held), known)


def everything(plays: SessionPlays) -> tuple[Interactions, npt.NDArray[Any]]:
    """All plays as training data, and the labels of its tracks by position."""
    ordered = plays.where(np.lexsort((plays.started, plays.sessions)))
    labels, tracks = np.unique(ordered.tracks, return_inverse=True)
    return Training.of(replace(ordered, tracks=tracks), len(labels)).interactions, labels


def without_last_sessions(plays: SessionPlays) -> SessionPlays:
    """The plays that `last_session` trains on."""
    ordered, held = _last_sessions_held(plays)
    return ordered.where(~held)


def _last_sessions_held(plays: SessionPlays) -> tuple[SessionPlays, npt.NDArray[np.bool_]]:
    order = np.lexsort((plays.started, plays.sessions))  # stable: plays of one second stay in the order of the file
    ordered = plays.where(order)
    return ordered, np.isin(ordered.sessions, _last_sessions(ordered.listeners, ordered.sessions, ordered.started))


def time_split(history: History, split_day: date, as_of: date) -> Split:
    """Train on plays before `split_day`; ask each listener with a play in [`split_day`, `as_of`) for those tracks.

    The current track is the last one before the split. At most 20,000 listeners are asked, drawn by a fixed seed.
    Raises `SplitImpossible` where either side has no play.
    """
    before = history.known_before(split_day)
    later = (history.days >= day_number(split_day)) & (history.days < day_number(as_of)) & (history.plays > 0)
    if not later.any() or not before.interactions.weights.nnz:
        raise SplitImpossible(f"split at {split_day} as of {as_of}: no play on one side; wanted some on both")
    (listeners, tracks), _, _ = distinct(history.listeners[later], history.tracks[later])
    chosen = np.isin(listeners, _sampled(np.unique(listeners)))
    asked, starts = np.unique(listeners[chosen], return_index=True)
    rows = places_among(asked, before.listeners)
    tastes = tuple(_taste_of(before, int(row)) for row in rows)
    activity = np.where(rows >= 0, before.plays[rows], 0)
    relevant = _known_or_beyond(tracks[chosen], before.tracks)
    cases = Cases(np.arange(len(asked)), np.append(starts, len(relevant)), relevant, tastes, tastes)
    boundary = f"plays before {split_day} train; plays from {split_day} up to, not including, {as_of} test"
    return Split(TIME, boundary, len(before.tracks), before.interactions, cases, activity)


def default_split_day(days: Positions, plays: Positions) -> date:
    """The newest days with a tenth of all plays are for testing, a week of them at least, and never more than half.

    `plays` [rows] are on `days` [rows], counted from 1970-01-01, in any order. Only days with plays count, so a few
    plays long after all others leave the test to those others. Raises `SplitImpossible` where two such days are not.
    """
    each, places = np.unique(days[plays > 0], return_inverse=True)
    if len(each) < 2:
        found = "one day" if len(each) else "no day"
        raise SplitImpossible(f"plays on {found}; wanted two at least to split in time")
    newest = np.bincount(places, plays[plays > 0])[::-1].cumsum()
    tenth = int(np.searchsorted(newest, round(TEST_SHARE * newest[-1]))) + 1
    return day_of(each[-min(max(FEWEST_TEST_DAYS, tenth), len(each) // 2)])


@dataclass(frozen=True)
class Training:
    """Rows are `listener_labels`; a history in order of first hearing is `tastes` by row.

    Their `recent` are as old as they were when the listener's last training play began.
    """

    listener_labels: npt.NDArray[Any]
    interactions: Interactions
    tastes: tuple[Taste, ...]
    activity: Positions
    last_ms: Positions

    @classmethod
    def of(cls, plays: SessionPlays, known: int) -> Training:
        """Of plays whose tracks are positions below `known`, in order of session and start."""
        listeners, tracks, sessions, started = plays.listeners, plays.tracks, plays.sessions, plays.started
        labels, rows = np.unique(listeners, return_inverse=True)
        ones = np.ones(len(tracks), np.float32)
        weights = csr_array(coo_array((ones, (rows, tracks)), shape=(len(labels), known)))
        transitions = followed(tracks, sessions, known)
        popularity = np.bincount(tracks, minlength=known).astype(np.float64)
        sequences = _sequences(rows, tracks, sessions, started, len(labels))
        interactions = Interactions(weights, transitions, popularity, sequences)
        last_ms = np.zeros(len(labels), np.int64)
        np.maximum.at(last_ms, rows, started)
        activity = np.bincount(rows, minlength=len(labels))
        return cls(labels, interactions, tuple(_by_first_hearing(sequences)), activity, last_ms)


def _sequences(
    rows: Positions, tracks: Positions, sessions: npt.NDArray[Any], started_ms: Positions, listeners: int
) -> Sequences:
    order = np.lexsort((started_ms, rows))
    starts = np.searchsorted(rows[order], np.arange(listeners + 1))
    changes = (np.diff(rows[order], prepend=-1) != 0) | np.append(True, sessions[order][1:] != sessions[order][:-1])
    return Sequences(starts, tracks[order], np.cumsum(changes), started_ms[order] / SECOND_MS)


def _by_first_hearing(sequences: Sequences) -> Iterator[Taste]:
    for start, stop in pairwise(sequences.starts):
        yield Taste(*first_heard(sequences.tracks[start:stop]), recent=recent_of(sequences, start, stop))


def first_heard(played: Positions) -> tuple[Positions, Floats]:
    """The tracks of these plays, oldest first, in order of first hearing, and how often each was played."""
    heard, first, times = np.unique(played, return_index=True, return_counts=True)
    by_first = np.argsort(first)
    return heard[by_first], times[by_first].astype(np.float64)


def followed(tracks: Positions, sessions: npt.NDArray[Any], known: int) -> csr_array:
    """How often the column followed the row within a session [known, known], of plays in order."""
    follows = sessions[1:] == sessions[:-1]
    pairs = (tracks[:-1][follows], tracks[1:][follows])
    return csr_array(coo_array((np.ones(len(pairs[0]), np.float32), pairs), shape=(known, known)))


def recent_of(sequences: Sequences, start: int, stop: int, session: int = 0) -> Recent:
    """The latest of the plays at `start:stop`, as of the start of the last of them."""
    latest = slice(max(start, stop - RECENT_PLAYS), stop)
    started = sequences.started_s[latest]
    return Recent(sequences.tracks[latest], started[-1] - started if len(started) else started, session)


def _session_split(train: Training, held: SessionPlays, known: int) -> Split:
    step = np.flatnonzero(held.sessions[1:] == held.sessions[:-1])
    if not len(step):
        found = f"found {len(held.sessions):,} with a single play each"
        raise SplitImpossible(f"last session out: {found}; wanted one with a play and a next one at least")
    asked, listener = np.unique(held.listeners[step], return_inverse=True)
    rows = places_among(asked, train.listener_labels)
    opened = np.searchsorted(held.sessions, held.sessions[step])  # sessions are sorted: where each one begins
    trained, fresh = [], []
    for row, start, now in zip(rows[listener], opened, step, strict=True):
        current = TrackPosition(int(held.tracks[now])) if held.tracks[now] < known else None
        base = train.tastes[row] if row >= 0 else Taste.unknown()
        trained.append(Taste(base.tracks, base.weights, current, base.recent))
        since_last = held.started[now] - train.last_ms[row] if row >= 0 else 0
        so_far = slice(start, now + 1)
        fresh.append(_with_session(base, since_last, held.tracks[so_far], held.started[so_far], known, current))
    cases = Cases(listener, np.arange(len(step) + 1), held.tracks[step + 1], tuple(trained), tuple(fresh))
    activity = np.where(rows >= 0, train.activity[rows], 0)
    boundary = f"each listener's last session of at least {FEWEST_SESSIONS} tests; all other plays train"
    return Split(LAST_SESSION, boundary, known, train.interactions, cases, activity)


def _with_session(
    base: Taste,
    since_last_ms: int,
    heard: Positions,
    started_ms: Positions,
    known: int,
    current: TrackPosition | None,
) -> Taste:
    """The training taste and the plays of the session so far, each a play of today."""
    heard, started_ms, now_ms = heard[heard < known], started_ms[heard < known], started_ms[-1]
    tracks = np.concatenate([base.tracks, heard])
    weights = np.concatenate([base.weights, np.ones(len(heard))])
    each, first, place = np.unique(tracks, return_index=True, return_inverse=True)
    order = np.argsort(first)
    recent = Recent(
        np.concatenate([base.recent.tracks, heard])[-RECENT_PLAYS:],
        np.concatenate([base.recent.ago_s + since_last_ms / SECOND_MS, (now_ms - started_ms) / SECOND_MS])[
            -RECENT_PLAYS:
        ],
        min(len(heard), RECENT_PLAYS),
    )
    return Taste(each[order], np.bincount(place, weights, len(each)).astype(np.float64)[order], current, recent)


def _last_sessions(listeners: npt.NDArray[Any], sessions: npt.NDArray[Any], started: Positions) -> npt.NDArray[Any]:
    """The session that began last, of each listener with enough of them; rows are in order of session and start."""
    each, first = np.unique(sessions, return_index=True)
    _, owner, count = np.unique(listeners[first], return_inverse=True, return_counts=True)
    order = np.lexsort((each, started[first], owner))
    last = np.append(np.flatnonzero(np.diff(owner[order])), len(order) - 1)
    return each[order[last]][count[owner[order[last]]] >= FEWEST_SESSIONS]


def training_first(tracks: npt.NDArray[Any], in_training: npt.NDArray[np.bool_]) -> tuple[Positions, int]:
    """Positions of the plays' tracks, those of the training data first, and how many these are."""
    labels = np.unique(tracks[in_training])
    return _known_or_beyond(tracks, labels), len(labels)


def _known_or_beyond(labels: npt.NDArray[Any], known: npt.NDArray[Any]) -> Positions:
    """The place of each label among the sorted `known`; labels that are not among them get places after their end."""
    places = places_among(labels, known)
    unknown = places < 0
    places[unknown] = len(known) + np.unique(labels[unknown], return_inverse=True)[1]
    return places


def places_among(labels: npt.NDArray[Any], among: npt.NDArray[Any]) -> Positions:
    """The place of each label in the sorted `among`, -1 where it is not there."""
    if not len(among):
        return np.full(len(labels), -1, np.int64)
    place = np.minimum(np.searchsorted(among, labels), len(among) - 1)
    return np.where(among[place] == labels, place, -1).astype(np.int64)


def _taste_of(known: Known, row: int) -> Taste:
    if row < 0:
        return Taste.unknown()
    last = int(known.last_tracks[row])
    return Taste(*weights_of(known.interactions.weights, row), TrackPosition(last) if last >= 0 else None)


def _sampled(listeners: Positions) -> Positions:
    if len(listeners) <= LISTENERS_AT_MOST:
        return listeners
    return np.random.default_rng(SAMPLE_SEED).choice(listeners, LISTENERS_AT_MOST, replace=False)


def per_listener(cases: Cases, values: Floats) -> Floats:
    """Sums of the cases' values by listener [listeners]."""
    return np.bincount(cases.listener, values).astype(np.float64)
