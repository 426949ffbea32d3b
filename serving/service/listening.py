"""A listener as the models see them: the taste rows of this moment, weighed and turned into positions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import msgspec
import numpy as np

from models.base import Floats, Positions, Recent, Taste, TrackPosition
from serving.service.cards import Cards
from serving.service.published import Snapshot
from warehouse.reading import CurrentTaste, taste_now, weight_of
from warehouse.rules.decay import UNIT
from warehouse.rules.opinions import UNWANTED
from warehouse.rules.quantity import DAY_MS, SECOND_MS
from warehouse.rules.sessions import opens_session
from warehouse.stores.rows import Rows
from warehouse.stores.tastes import StoredTaste, Tastes
from warehouse.taste import Entry, Heard, last_word, not_skipped

KEPT = 256  # listeners of the last moments: more would be a walk for Python's garbage collector
Name = TypeVar("Name", bound=Hashable)


class TrackHistory(msgspec.Struct, frozen=True, gc=False):
    """What a listener did with one track: `since_day` is the first known day of a counted play, `latest` the newest."""

    plays: int = 0
    skips: int = 0
    since_day: int = 0
    latest: Entry | None = None

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> TrackHistory:
        """The track's days, whichever of its names they go by."""
        if len(entries) == 1 and entries[0].plays > 0:  # the usual case, and this is done for every track of a taste
            (only,) = entries
            return cls(only.plays, only.skips, only.day, only)
        counted = [entry for entry in entries if entry.plays > 0]
        return cls(
            sum(entry.plays for entry in entries),
            sum(entry.skips for entry in entries),
            min((entry.day for entry in counted), default=0),
            max(counted, key=lambda entry: (entry.day, entry.last_started_ms or 0), default=None),
        )

    @property
    def last_play_id(self) -> str | None:
        """The play that a reason may cite, where its name is known."""
        return self.latest.last_play_id if self.latest else None


@dataclass(frozen=True)
class Listening:
    """One listener's taste, by track."""

    taste: CurrentTaste

    @cached_property
    def entries(self) -> dict[str, list[Entry]]:
        """The days of every track with a counted play or a skip."""
        entries: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self.taste.entries:
            entries[entry.track_id].append(entry)
        return dict(entries)

    @cached_property
    def last_two(self) -> tuple[Heard | None, Heard | None]:
        """The current play and the one before it, skips left out."""
        whole = not_skipped(self.taste.recent)
        return next(whole, None), next(whole, None)

    @cached_property
    def touched(self) -> frozenset[str]:
        """Whatever was heard, skipped or begun."""
        return frozenset(self.entries) | {heard.track_id for heard in self.taste.recent}

    @cached_property
    def judged(self) -> frozenset[str]:
        """Whatever anything was said of."""
        return frozenset(self.taste.opinions)

    def unwanted(self, named: Mapping[str, Name]) -> set[Name]:
        """Tracks whose last word, under whichever of their names, is a dislike, or not to recommend them.

        `named` says which names are of one track; what it lacks is left out.
        """
        said = sorted(self.taste.opinions.values(), key=last_word)
        last = {named[word.track_id]: word.kind for word in said if word.track_id in named}
        return {track for track, kind in last.items() if kind in UNWANTED}


@dataclass(frozen=True)
class Weighed:
    """A listening over the catalog of one snapshot.

    For each track of the taste [history] its history, and in `plays` the weight of its latest play, which a reason may
    cite: 0 where that play's name isn't known. `current_place` is where the current play is the latest of its track,
    `before_current` the taste had the current play never been. `touched` and `unwanted` are positions.
    """

    listening: Listening
    taste: Taste
    histories: tuple[TrackHistory, ...]
    plays: Floats
    touched: Positions
    unwanted: Positions
    current_place: int | None
    before_current: Taste


def weighed(listening: Listening, snapshot: Snapshot, cards: Cards) -> Weighed:
    """The listening as the snapshot's models take it: tracks in order of first hearing, those they don't know left out.

    Raises `RowsUnavailable`.
    """
    positions = positions_of(listening.touched | listening.judged, snapshot, cards)
    weights: defaultdict[int, int] = defaultdict(int)
    entries: defaultdict[int, list[Entry]] = defaultdict(list)
    for name, weight in listening.taste.weights(snapshot.today).items():
        if name in positions:
            weights[positions[name]] += weight
            entries[positions[name]] += listening.entries[name]
    known = {at: TrackHistory.of(days) for at, days in entries.items()}
    order = sorted(known, key=lambda at: (known[at].since_day, at))
    histories = tuple([known[at] for at in order])
    plays = np.array([_latest_weight(history, snapshot.today) for history in histories], np.float64)
    last, last_but_one = listening.last_two
    current, previous = _position(last, positions), _position(last_but_one, positions)
    recent = _recent(listening, positions, last, None)
    taste = Taste(
        np.array(order, np.int64), np.array([weights[at] / UNIT for at in order], np.float64), current, recent
    )
    place = _current_place(listening, histories)
    before = taste if place is None else taste.without(place, float(plays[place]))
    return Weighed(
        listening,
        taste,
        histories,
        plays,
        in_order(positions[track] for track in listening.touched if track in positions),
        in_order(listening.unwanted(positions)),
        place,
        replace(before, current=previous, recent=_recent(listening, positions, last_but_one, last)),
    )


def _position(heard: Heard | None, positions: Mapping[str, int]) -> TrackPosition | None:
    at = positions.get(heard.track_id) if heard else None
    return None if at is None else TrackPosition(at)


def _recent(listening: Listening, positions: Mapping[str, int], current: Heard | None, never: Heard | None) -> Recent:
    """The counted plays in order, and the current one though it may not count, as of when the last of them began.

    The session is what went on without half an hour of silence up to there; `never` is left out.
    """
    plays = (play for play in listening.taste.recent if play is not never)
    heard = [play for play in plays if (play.counts and not play.skipped) or play is current]
    known = [play for play in heard if play.track_id in positions]
    if not known:
        return Recent.none()
    breaks = (at for at in range(1, len(heard)) if opens_session(heard[at - 1].started_ms - heard[at].ended_ms))
    session = next(breaks, len(heard))
    tracks = np.array([positions[play.track_id] for play in known], np.int64)[::-1]
    started_ms = np.array([play.started_ms for play in known], np.int64)[::-1]
    in_session = sum(play.track_id in positions for play in heard[:session])
    return Recent(tracks, (started_ms[-1] - started_ms) / SECOND_MS, in_session)


def _current_place(listening: Listening, histories: Sequence[TrackHistory]) -> int | None:
    current = listening.taste.current
    if current is None or not current.counts:
        return None
    return next((at for at, history in enumerate(histories) if history.last_play_id == current.play_id), None)


def positions_of(tracks: Iterable[str], snapshot: Snapshot, cards: Cards) -> dict[str, int]:
    """Where the models know each track; one told by another name is found by its card. Raises `RowsUnavailable`."""
    tracks = frozenset(tracks)
    found = {track: at for track in tracks if (at := snapshot.position(track)) is not None}
    if len(found) < len(tracks):
        for name, card in cards.known(track for track in tracks if track not in found).items():
            if (at := snapshot.position(card.track_id)) is not None:
                found[name] = at
    return found


def in_order(positions: Iterable[int]) -> Positions:
    """Each of them once, ascending."""
    return np.array(sorted(set(positions)), np.int64)


def _latest_weight(history: TrackHistory, today: int) -> float:
    if history.latest is None or history.last_play_id is None:
        return 0.0
    return weight_of(history.latest.day, today) / UNIT


class Listeners:
    """Reads listeners, and keeps what it made of them while their rows are the same bytes."""

    def __init__(self, rows: Rows, cards: Cards) -> None:
        self._tastes = Tastes(rows)
        self._cards = cards
        self._kept: dict[str, tuple[StoredTaste, Listening]] = {}
        self._weighed: dict[str, tuple[Listening, Snapshot, Weighed]] = {}

    def now(self, listener_id: str) -> Listening:
        """What is known at this moment; nothing, for a listener nobody has told of. Raises `RowsUnavailable`."""
        stored = self._tastes.stored(listener_id)
        kept = self._kept.get(listener_id)
        if kept is not None and kept[0] == stored:
            return kept[1]
        base, events = self._tastes.read(listener_id, stored)
        names = self._cards.own_names(event.heard.track_id for event in events if event.heard)
        listening = Listening(taste_now(base, events, names))
        self._kept[listener_id] = (stored, listening)
        if len(self._kept) > KEPT:
            self._kept.clear()
        return listening

    def weighed_before(self, listener_id: str, snapshot: Snapshot, day: int) -> Weighed:
        """The plays before that day, since 1970-01-01, and all that is said by now. Raises `RowsUnavailable`."""
        taste = self.now(listener_id).taste
        entries = tuple(entry for entry in taste.entries if entry.day < day)
        recent = tuple(heard for heard in taste.recent if heard.started_ms < day * DAY_MS)
        return weighed(Listening(replace(taste, entries=entries, recent=recent)), snapshot, self._cards)

    def weighed(self, listener_id: str, snapshot: Snapshot) -> Weighed:
        """`now`, over a snapshot's catalog. Raises `RowsUnavailable`."""
        listening = self.now(listener_id)
        kept = self._weighed.get(listener_id)
        if kept is not None and kept[0] is listening and kept[1] is snapshot:
            return kept[2]
        fresh = weighed(listening, snapshot, self._cards)
        self._weighed[listener_id] = (listening, snapshot, fresh)
        if len(self._weighed) > KEPT:
            self._weighed.clear()
        return fresh
