"""Tracks, what is like them, and charts: the answers that are the same for everybody."""

from __future__ import annotations

from datetime import date

from models.base import TrackPosition
from serving.answers import ChartAnswer, ChartEntry, SimilarAnswer, SimilarTrack, TrackAnswer
from serving.service.cards import Cards
from serving.service.ports import Charts
from serving.service.published import Published, Snapshot
from warehouse.taste import TrackCard


class UnknownTrack(Exception):
    """Neither the catalog nor the published model has heard of it."""


class Library:
    """Reads what is known of tracks."""

    def __init__(self, cards: Cards, charts: Charts, published: Published) -> None:
        self._cards = cards
        self._charts = charts
        self._published = published

    def track(self, track_id: str) -> TrackAnswer:
        """What is known of a track. Raises `UnknownTrack` and `RowsUnavailable`."""
        card = self._card(track_id, self._published.snapshot)
        return TrackAnswer(card.track_id, card.title, card.artist, card.album, card.isrc, card.mbid, card.track_ms)

    def similar(self, track_id: str, limit: int) -> SimilarAnswer:
        """The tracks most like it. Raises `UnknownTrack` and `RowsUnavailable`."""
        snapshot = self._published.snapshot
        card = self._card(track_id, snapshot)
        if snapshot is None:
            return SimilarAnswer(card.track_id, None, (), "No model is in use yet.")
        position = snapshot.position(card.track_id)
        if position is None:
            return SimilarAnswer(card.track_id, snapshot.version, (), "The published model does not know this track.")
        found = snapshot.artifact.als.similar(TrackPosition(position), limit)
        ids = snapshot.ids(found.items)
        cards = self._cards.of(ids)
        items = tuple(
            SimilarTrack(track, (like := cards[track]).title, like.artist, like.album, round(score, 6))
            for track, score in zip(ids, found.scores.tolist(), strict=True)
        )
        return SimilarAnswer(card.track_id, snapshot.version, items, None if items else "Nobody has played it enough.")

    def chart(self, day: date | None, country: str, limit: int) -> ChartAnswer:
        """The chart of a day, or the newest one. Raises `RowsUnavailable`."""
        chart = self._charts.chart(day, country)
        if chart is None:
            return ChartAnswer(day.isoformat() if day else None, country, ())
        places = chart.places[:limit]
        cards = self._cards.of(place.track_id for place in places)
        entries = tuple(
            ChartEntry(
                place.rank,
                place.track_id,
                (card := cards[place.track_id]).title,
                card.artist,
                place.plays,
                place.listeners,
            )
            for place in places
        )
        return ChartAnswer(chart.day.isoformat(), country, entries)

    def _card(self, track_id: str, snapshot: Snapshot | None) -> TrackCard:
        card = self._cards.known([track_id]).get(track_id)
        if card is not None:
            return card
        if snapshot is not None and snapshot.position(track_id) is not None:
            return TrackCard(track_id)
        raise UnknownTrack(f"There is no track {track_id!r}.")
