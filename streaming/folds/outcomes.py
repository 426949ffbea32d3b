"""The fold of impressions, and of the plays that name one, into a row a listener. `warehouse.outcomes` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, Erasure, Event, Impression, Play
from warehouse.offsets import records_seen
from warehouse.outcomes import OUTCOMES, RECENT_CLAIMS, RECENT_ERASURES, RECENT_IMPRESSIONS, Claim, Shown, UnreadRow
from warehouse.rules.outcomes import strength
from warehouse.rules.plays import SKIPPED, is_skip
from warehouse.sources import counts

_decode = msgspec.msgpack.Decoder(UnreadRow).decode
_shown = msgspec.msgpack.Decoder(Shown).decode
_claim = msgspec.msgpack.Decoder(Claim).decode
_encode = msgspec.msgpack.Encoder().encode
Fact = TypeVar("Fact")


class OutcomesFold:
    """Keeps the newest impressions of a listener, and the newest plays that named one, whether it is there yet or not.

    An erasure of everything leaves nothing that was received until then; one of a play takes it out, and keeps it out.
    """

    table = OUTCOMES
    topics = (IMPRESSIONS, PLAYS, ERASURES)

    def keys(self, event: Event, place: str) -> Iterable[str]:  # noqa: ARG002  # a listener's row is one for all places
        if isinstance(event, Play) and event.impression_id is None:
            return ()
        return (event.listener_id,)

    def decoded(self, row: bytes | None) -> UnreadRow:
        return UnreadRow() if row is None else _decode(row)

    def encoded(self, row: UnreadRow) -> bytes:
        return _encode(row)

    def version(self, row: UnreadRow) -> int:
        return records_seen(row.seen)

    def advanced(
        self,
        row: UnreadRow,
        events: Sequence[Event],
        *,
        key: str,  # noqa: ARG002  # the events are of that listener
        place: str,
        offset: int,
    ) -> UnreadRow:
        if offset <= row.seen.get(place, -1):
            return row
        joining = _Joining(row)
        for event in events:
            match event:
                case Impression():
                    joining.show(event)
                case Play():
                    joining.claim(event)
                case Erasure():
                    joining.erase(event)
        return joining.row({**row.seen, place: offset})


class _Joining:
    """A copy of a row, to fold into."""

    def __init__(self, row: UnreadRow) -> None:
        self._shown, self._claims, self._taken_back = row.shown.copy(), row.claims.copy(), row.taken_back.copy()
        self._erased_ms = row.erased_ms

    def row(self, seen: dict[str, int]) -> UnreadRow:
        return UnreadRow(self._shown, self._claims, self._taken_back, self._erased_ms, seen)

    def show(self, told: Impression) -> None:
        if told.received_ms > self._erased_ms and told.impression_id not in self._shown:
            tracks, sources = tuple(told.track_ids), tuple(told.sources)
            shown = Shown(told.received_ms, told.shelf, told.model_version, tracks, sources)
            self._shown[told.impression_id] = msgspec.Raw(_encode(shown))
            _bound(self._shown, RECENT_IMPRESSIONS)

    def claim(self, play: Play) -> None:
        if play.impression_id is None or play.received_ms <= self._erased_ms or play.play_id in self._taken_back:
            return
        first = self._claims.pop(play.play_id, None)
        claim = _claimed(play, play.impression_id) if first is None else _again(_claim(first), play)
        self._claims[play.play_id] = msgspec.Raw(_encode(claim))
        _bound(self._claims, RECENT_CLAIMS)

    def erase(self, erasure: Erasure) -> None:
        if erasure.play_id is not None:
            self._claims.pop(erasure.play_id, None)
            self._taken_back[erasure.play_id] = None
            _bound(self._taken_back, RECENT_ERASURES)
        elif (until_ms := erasure.received_ms) > self._erased_ms:
            self._erased_ms = until_ms
            self._shown = {name: raw for name, raw in self._shown.items() if _shown(raw).shown_ms > until_ms}
            self._claims = {name: raw for name, raw in self._claims.items() if _claim(raw).received_ms > until_ms}


def _claimed(play: Play, impression_id: str) -> Claim:
    counted = counts(play.played_ms, play.track_ms, play.source)
    skipped = is_skip(play.ended_by == SKIPPED, counted)
    return Claim(
        impression_id,
        play.track_id,
        play.started_ms,
        play.played_ms,
        strength(int(counted), int(skipped)),
        play.received_ms,
    )


def _again(first: Claim, play: Play) -> Claim:
    return msgspec.structs.replace(first, received_ms=max(first.received_ms, play.received_ms))


def _bound(facts: dict[str, Fact], bound: int) -> None:
    """Of more than that many, what arrived first goes."""
    if len(facts) > bound:
        del facts[next(iter(facts))]
