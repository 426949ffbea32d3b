"""Why a track is recommended, in a sentence that is true of the listener's plays, and the plays that it cites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from models.als import AlsModel
from models.popularity import Popularity
from models.ranking.candidates import NEAR, SESSIONS, SOURCES
from models.repeat import Repeat
from models.transitions import Transitions
from serving.answers import Cite
from serving.service.listening import TrackHistory, Weighed
from serving.service.published import EPOCH, Snapshot
from serving.service.shelves import CURRENT, Picks
from warehouse.rules.decay import TASTE_ENTRIES
from warehouse.taste import TrackCard

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]  # strftime would speak the machine's language
_NONE_ALONE = "No play of yours alone brought it."


@dataclass(frozen=True)
class Storyteller:
    """Reasons for one listener's answer; `cards` are those of all its tracks, cited ones included.

    Items share few cited plays, so what is said of each is made once.
    """

    snapshot: Snapshot
    known: Weighed
    cards: Mapping[str, TrackCard]
    _cites: dict[int, Cite] = field(default_factory=dict)
    _becauses: dict[int, str] = field(default_factory=dict)

    def reason(self, source: str, track_id: str, score: float, cites: Sequence[int]) -> str:
        """Why this track, by the model that brought it, the score that it gave, and the places that it cites.

        Where it cites none, it says so.
        """
        if source == Popularity.name:
            fits = "it ranks here by what you play" if cites else "no play of yours brought it"
            return f"Among what is played most here lately; {fits}."
        if source == AlsModel.name:
            return self._alike(cites, score)
        told = self._told(source, track_id)
        return told if cites else f"{told} {_NONE_ALONE}"

    def _told(self, source: str, track_id: str) -> str:
        """How plays of this listener brought it, by a source other than popularity and ALS."""
        if source == Repeat.name:
            return self._repeated(track_id)
        if source == Transitions.name:
            return f"Often played after {self._current()}, which you played last."
        if source == SOURCES[SESSIONS]:
            return f"Heard in sessions like your latest, with {self._current()} in it, your own earlier ones included."
        if source == SOURCES[NEAR]:
            return f"Goes with what you played up to {self._current()}, by who plays what, you included."
        raise ValueError(f"a reason for the source {source!r}: there is no sentence for it")

    def cites(self, places: Sequence[int]) -> tuple[Cite, ...]:
        """The plays at these places."""
        told = self._cites
        for place in places:
            if place not in told:
                told[place] = self._cite(place)
        return tuple([told[place] for place in places])

    def _alike(self, cites: Sequence[int], score: float) -> str:
        if score <= 0 and self.snapshot.artifact.two_stage is None:
            return "None of your plays speaks for it; it fills the list."
        at = next((place for place in cites if place != CURRENT), None)
        if at is None:
            return "Close to your listening as a whole; no single play of yours stands out."
        if at not in self._becauses:
            name, history = self._name(self._track(at)), self.known.histories[at]
            self._becauses[at] = f"Because you played {name}, {_how_often(history, self._all_known)}."
        return self._becauses[at]

    def _repeated(self, track_id: str) -> str:
        places = np.flatnonzero(self.known.taste.tracks == self.snapshot.position(track_id))
        if not len(places):
            return "You played it once."
        return f"You played it {_how_often(self.known.histories[places[0]], self._all_known)}."

    @property
    def _all_known(self) -> bool:
        """Whether the taste holds every play that there was: a long one keeps the newest, and loses what faded."""
        return len(self.known.listening.taste.entries) < TASTE_ENTRIES

    def _current(self) -> str:
        current = self.known.listening.taste.current
        return self._name(current.track_id) if current else "your last track"

    def _cite(self, place: int) -> Cite:
        if place == CURRENT:
            current = self.known.listening.taste.current
            if current is not None:
                return self._cited(current.play_id, current.track_id, current.started_ms)
        latest = self.known.histories[place].latest
        if latest is None or latest.last_play_id is None:  # such a play weighs nothing, and no model cites it
            raise ValueError(f"citing place {place} of the taste: its latest play has no name")
        return self._cited(latest.last_play_id, self._track(place), latest.last_started_ms or 0)

    def _cited(self, play_id: str, track_id: str, started_ms: int) -> Cite:
        card = self.cards[track_id]
        return Cite(play_id, card.track_id, card.title, card.artist, started_ms)

    def _track(self, place: int) -> str:
        return self.snapshot.artifact.catalog.ids[self.known.taste.tracks[place]]

    def _name(self, track_id: str) -> str:
        card = self.cards[track_id]
        if card.title is None:
            return f"track {card.track_id}"
        return f"{card.title} by {card.artist}" if card.artist else card.title


def tracks_told_of(snapshot: Snapshot, known: Weighed, picks: Picks) -> list[str]:
    """Every track that an answer names: recommended, cited, current."""
    places = {place for cites in picks.cites for place in cites if place != CURRENT}
    ids = snapshot.artifact.catalog.ids
    cited: list[str] = [ids[known.taste.tracks[place]] for place in sorted(places)]
    current = known.listening.taste.current
    return [*snapshot.ids(picks.items), *cited, *([current.track_id] if current else [])]


def _how_often(history: TrackHistory, all_known: bool) -> str:
    """`12 times since May 2014`, or `once, on 3 May 2014`; where not all plays are known, that they are the latest."""
    day = EPOCH + timedelta(days=history.since_day)
    if history.plays == 1:
        return f"{'once' if all_known else 'lately'}, on {day.day} {_MONTHS[day.month - 1]} {day.year}"
    times = "twice" if history.plays == 2 else f"{history.plays:,} times"
    since = f"since {_MONTHS[day.month - 1]} {day.year}"
    return f"{times} {since}" if all_known else f"at least {times} lately, counted {since}"
