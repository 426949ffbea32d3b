"""What the tail of a listener's taste says beyond a base: read here for the stream's fold, and for serving alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from warehouse.events import Erasure, Event, Play, Signal
from warehouse.rules.plays import SKIPPED, is_skip
from warehouse.sources import counts
from warehouse.taste import EVERYTHING, Heard, Opinion, Tailed, last_word


class Since(NamedTuple):
    """Plays by play_id and words by signal_id as they were told first, and erasures by play_id or `EVERYTHING`.

    `standing` are all tellings of these plays and words, in order of arrival. Where everything was erased
    (`base_is_void`), nothing that a base says stands.
    """

    plays: dict[str, Tailed]
    said: dict[str, Tailed]
    erasures: dict[str, Tailed]
    standing: list[Tailed]

    @property
    def base_is_void(self) -> bool:
        return EVERYTHING in self.erasures

    @property
    def words(self) -> dict[str, Opinion]:
        """The last word on each track."""
        last: dict[str, Opinion] = {}
        for event in self.said.values():
            if (word := event.said) is not None:
                last[word.track_id] = max(last.get(word.track_id, word), word, key=last_word)
        return last

    @property
    def events(self) -> tuple[Tailed, ...]:
        """All of them, as a tail keeps them.

        Overtaken words too, so that one told again is known; and what was told again, since an erasure of everything
        may come that only the later telling outlives.
        """
        return (*self.standing, *self.erasures.values())


def topic_partition(topic: str, partition: int) -> str:
    """The name that offsets go by."""
    return f"{topic}/{partition}"


def tailed(event: Event, place: str, offset: int) -> Tailed:
    """The event as a tail keeps it. Raises `TypeError` for one that says nothing of taste."""
    match event:
        case Play():
            return Tailed(place, offset, event.received_ms, heard=heard(event))
        case Signal():
            said = Opinion(event.track_id, event.kind, event.rating, event.received_ms, event.signal_id)
            return Tailed(place, offset, event.received_ms, said=said)
        case Erasure():
            erased = EVERYTHING if event.play_id is None else event.play_id
            return Tailed(place, offset, event.received_ms, erased=erased)
    raise TypeError(f"a taste is made of plays, signals and erasures, not of {type(event).__name__}")


def heard(play: Play) -> Heard:
    """The play, judged by the rule of what counts."""
    counted = counts(play.played_ms, play.track_ms, play.source)
    skipped = is_skip(play.ended_by == SKIPPED, counted)
    ended_ms = play.started_ms + (play.played_ms or 0)
    return Heard(play.play_id, play.track_id, play.started_ms, play.source, counted, skipped, ended_ms)


def since(events: Sequence[Tailed], offsets: Mapping[str, int]) -> Since:
    """What `events` say beyond a base at `offsets`.

    Left out is what the base holds; plays taken back, however early or late their erasure came; and plays and words
    told again under their ids. After an erasure of everything that the base doesn't know of, events stand by when they
    were received alone, whether the base holds them or not.
    """
    above = [event for event in events if event.offset > offsets.get(event.place, -1)]
    erased_ms = max((event.received_ms for event in above if event.erased == EVERYTHING), default=None)
    taken_back = {event.erased for event in events if event.erased}
    told = Since({}, {}, {}, [])
    for event in above if erased_ms is None else events:
        stands = erased_ms is None or event.received_ms > erased_ms
        if (play := event.heard) is not None:
            if stands and play.play_id not in taken_back:
                told.plays.setdefault(play.play_id, event)
                told.standing.append(event)
        elif (word := event.said) is not None:
            if stands:
                told.said.setdefault(word.signal_id, event)
                told.standing.append(event)
        elif event.erased is not None and (event.erased != EVERYTHING or event.received_ms == erased_ms):
            told.erasures.setdefault(event.erased, event)
    return told
