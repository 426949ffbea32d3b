"""What is known of a listener, as the listener may read it: taste and plays."""

from __future__ import annotations

from collections.abc import Sequence

from serving.answers import (
    NowAnswer,
    OpinionAnswer,
    PlayAnswer,
    PlayingAnswer,
    PlaysAnswer,
    SessionAnswer,
    TasteAnswer,
    TasteTrack,
    TrackAnswer,
)
from serving.service.cards import Cards
from serving.service.cursors import PlaysCursor, decoded, encoded
from serving.service.listening import Listeners, Listening, TrackHistory
from serving.service.ports import Clock
from serving.service.published import Published
from warehouse.rules.decay import UNIT
from warehouse.rules.quantity import DAY_MS
from warehouse.sessions import live_session, now_playing
from warehouse.taste import Heard, TrackCard, newest_first


class Histories:
    """Reads listeners for themselves."""

    def __init__(self, listeners: Listeners, cards: Cards, published: Published, clock: Clock) -> None:
        self._listeners = listeners
        self._cards = cards
        self._published = published
        self._clock = clock

    def taste(self, listener_id: str, limit: int) -> TasteAnswer:
        """The heaviest tracks, as the published model weighs them; as of today where there is none."""
        snapshot = self._published.snapshot
        listening = self._listeners.now(listener_id)
        weights = listening.taste.weights(snapshot.today if snapshot else self._clock() // DAY_MS)
        heaviest = sorted(listening.entries, key=lambda track: (-weights.get(track, 0), track))[:limit]
        cards = self._cards.of(heaviest)
        current = listening.taste.current
        return TasteAnswer(
            listener_id,
            snapshot.version if snapshot else None,
            current.track_id if current else None,
            len(listening.entries),
            tuple(_track(listening, cards[track], track, weights.get(track, 0)) for track in heaviest),
            tuple(_said(listening)),
        )

    def plays(self, listener_id: str, limit: int, cursor: str | None) -> PlaysAnswer:
        """A page of plays, the newest first. Raises `CursorBroken` and `RowsUnavailable`."""
        recent: Sequence[Heard] = self._listeners.now(listener_id).taste.recent
        if cursor is not None:
            last = decoded(cursor, PlaysCursor)
            recent = [heard for heard in recent if newest_first(heard) > newest_first(last)]
        page = recent[:limit]
        cards = self._cards.of({heard.track_id for heard in page})
        more = len(recent) > limit
        return PlaysAnswer(
            listener_id,
            tuple(_play(heard, cards[heard.track_id]) for heard in page),
            encoded(PlaysCursor(page[-1].started_ms, page[-1].play_id)) if more else None,
        )

    def now(self, listener_id: str) -> NowAnswer:
        """What is playing, and the session that goes on. Raises `RowsUnavailable`."""
        taste, now_ms = self._listeners.now(listener_id).taste, self._clock()
        session = live_session(taste.recent, now_ms)
        cards = self._cards.of({heard.track_id for heard in (taste.current, session and session.last) if heard})
        playing = now_playing(taste.recent, {track: card.track_ms for track, card in cards.items()}, now_ms)
        return NowAnswer(
            listener_id,
            playing and PlayingAnswer(_card(cards[playing.play.track_id]), playing.play.started_ms, playing.until_ms),
            session and SessionAnswer(session.started_ms, len(session.plays), _card(cards[session.last.track_id])),
        )


def _said(listening: Listening) -> list[OpinionAnswer]:
    said = listening.taste.opinions.values()
    newest = sorted(said, key=lambda opinion: (-opinion.received_ms, opinion.track_id))
    return [OpinionAnswer(word.track_id, word.kind, word.rating, word.received_ms) for word in newest]


def _track(listening: Listening, card: TrackCard, track: str, weight: int) -> TasteTrack:
    history = TrackHistory.of(listening.entries[track])
    last_ms = history.latest.last_started_ms if history.latest else None
    return TasteTrack(track, card.title, card.artist, history.plays, history.skips, weight / UNIT, last_ms)


def _card(card: TrackCard) -> TrackAnswer:
    return TrackAnswer(card.track_id, card.title, card.artist, card.album, card.isrc, card.mbid, card.track_ms)


def _play(heard: Heard, card: TrackCard) -> PlayAnswer:
    return PlayAnswer(
        heard.play_id,
        heard.track_id,
        card.title,
        card.artist,
        heard.started_ms,
        heard.source,
        heard.counts,
        heard.skipped,
    )
