"""What the tail of a listener's taste says beyond a base: read here for the stream's fold, and for serving alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from warehouse.events import Erasure, Event, Play, Signal
from warehouse.taste import Tailed


class Since(NamedTuple):
    """Plays by play_id in order of arrival, the last word by track, and erasures by play_id, None for everything.

    Where everything was erased (`base_is_void`), nothing that a base says stands.
    """

    plays: dict[str, Tailed]
    words: dict[str, Tailed]
    erasures: dict[str | None, Tailed]

    @property
    def base_is_void(self) -> bool:
        return None in self.erasures

    @property
    def events(self) -> tuple[Tailed, ...]:
        """All of them, as a tail keeps them."""
        return (*self.plays.values(), *self.words.values(), *self.erasures.values())


def topic_partition(topic: str, partition: int) -> str:
    """The name that offsets go by."""
    return f"{topic}/{partition}"


def tailed(event: Event, place: str, offset: int) -> Tailed:
    """The event with its place in the log. Raises `TypeError` for one that says nothing of taste."""
    match event:
        case Play():
            return Tailed(place, offset, play=event)
        case Signal():
            return Tailed(place, offset, signal=event)
        case Erasure():
            return Tailed(place, offset, erasure=event)
    raise TypeError(f"a taste is made of plays, signals and erasures, not of {type(event).__name__}")


def since(events: Sequence[Tailed], offsets: Mapping[str, int]) -> Since:
    """What `events` say beyond a base at `offsets`.

    Left out is what the base holds; plays taken back, however early or late their erasure came; plays told again
    under their play_id; and all but the last word on a track. After an erasure of everything that the base doesn't
    know of, events stand by when they were received alone, whether the base holds them or not.
    """
    above = [event for event in events if event.offset > offsets.get(event.topic_partition, -1)]
    erased_ms = _erased_ms(above)
    plays: dict[str, Tailed] = {}
    words: dict[str, Tailed] = {}
    erasures: dict[str | None, Tailed] = {}
    for event in above if erased_ms is None else events:
        if (play := event.play) is not None:
            if erased_ms is None or play.received_ms > erased_ms:
                plays.setdefault(play.play_id, event)
        elif (signal := event.signal) is not None:
            if (erased_ms is None or signal.received_ms > erased_ms) and _is_last(signal, words.get(signal.track_id)):
                words[signal.track_id] = event
        elif (erasure := event.erasure) is not None and (
            erasure.play_id is not None or erasure.received_ms == erased_ms
        ):
            erasures.setdefault(erasure.play_id, event)
    for event in events:
        if event.erasure is not None and event.erasure.play_id is not None:
            plays.pop(event.erasure.play_id, None)
    return Since(plays, words, erasures)


def _erased_ms(events: Sequence[Tailed]) -> int | None:
    whole = [e.erasure.received_ms for e in events if e.erasure is not None and e.erasure.play_id is None]
    return max(whole, default=None)


def _is_last(word: Signal, other: Tailed | None) -> bool:
    if other is None or other.signal is None:
        return True
    return (word.received_ms, word.signal_id) > (other.signal.received_ms, other.signal.signal_id)
