"""What a listener was shown lately and what became of it, as the listener may read it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from serving.answers import ImpressionAnswer, OutcomesAnswer, SlotAnswer
from serving.service.cards import Cards
from serving.service.ports import Clock
from warehouse.outcomes import OUTCOMES, ImpressionOutcome, Outcome, OutcomesRow, outcomes_at
from warehouse.stores.rows import STREAM_MENDS, Rows, decoded
from warehouse.taste import TrackCard

_decode = msgspec.msgpack.Decoder(OutcomesRow).decode


class Outcomes:
    """Reads the stream's row of a listener."""

    def __init__(self, rows: Rows, cards: Cards, clock: Clock) -> None:
        self._rows = rows
        self._cards = cards
        self._clock = clock

    def of(self, listener_id: str, limit: int) -> OutcomesAnswer:
        """The newest impressions first, as of now. Raises `RowsUnavailable`."""
        row = self._row(listener_id)
        cards = self._cards.of(row.names())
        own_names = {name: card.track_id for name, card in cards.items()}
        newest = outcomes_at(row, self._clock(), own_names)[:limit]
        return OutcomesAnswer(listener_id, tuple(_impression(shown, cards) for shown in newest))

    def _row(self, listener_id: str) -> OutcomesRow:
        found = self._rows.get(OUTCOMES, listener_id)
        return OutcomesRow() if found is None else decoded(OUTCOMES, listener_id, found, _decode, STREAM_MENDS)


def _impression(found: ImpressionOutcome, cards: Mapping[str, TrackCard]) -> ImpressionAnswer:
    shown = found.shown
    slots = tuple(_slot(slot, outcome, cards[outcome.track_id]) for slot, outcome in enumerate(found.slots))
    return ImpressionAnswer(found.impression_id, shown.shown_ms, shown.shelf, shown.model_version, slots)


def _slot(slot: int, outcome: Outcome, card: TrackCard) -> SlotAnswer:
    return SlotAnswer(
        slot,
        outcome.track_id,
        card.title,
        card.artist,
        outcome.source,
        outcome.outcome,
        outcome.play_id,
        outcome.started_ms,
        outcome.played_ms,
    )
