"""Whether trends and outcomes are the same in the stream's rows and in the batch: the forms that are compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from warehouse.outcomes import RECENT_IMPRESSIONS, OutcomesRow, outcomes_at
from warehouse.parity import Tally
from warehouse.rules.quantity import HOUR_MS, MINUTE_MS, SECOND_MS
from warehouse.trending import RING_HOURS, Bounds, HourCounts, merged

TRENDS, OUTCOMES = "trends", "outcomes"  # kinds of rows that are compared
ALL_TRACKS = ""  # in place of a track: all plays of the hour
Hour = tuple[int, str]  # since 1970-01-01, and the country


class HourAccount(NamedTuple):
    """The counted plays of one hour and country; a track that is not named has `others` at most."""

    plays: int
    tracks: Mapping[str, Bounds]
    others: int

    def of(self, track_id: str) -> Bounds:
        """How often a track was played at least, and how much more often at most."""
        return self.tracks.get(track_id, Bounds(0, self.others))


class SlotOutcome(NamedTuple):
    """What became of one slot that was shown at `shown_ms`; the last two are of the play that says so."""

    shown_ms: int
    source: str
    outcome: str
    play_id: str | None
    played_ms: int | None


Outcomes = Mapping[tuple[str, int], SlotOutcome]  # by impression_id and slot


class OutcomesAccount(NamedTuple):
    """What became of what a listener was shown lately; a row that is `full` has let older impressions go."""

    slots: Mapping[tuple[str, int], SlotOutcome] = {}
    full: bool = False


def hour_accounts(rows: Iterable[tuple[str, HourCounts]]) -> dict[Hour, HourAccount]:
    """The stream's rows, by key, read together over the partitions."""
    by_hour: defaultdict[Hour, list[HourCounts]] = defaultdict(list)
    for key, row in rows:
        by_hour[row.hour, key.split("/")[1]].append(row)
    accounts = {}
    for hour, partitions in by_hour.items():
        plays, _, tracks = merged(partitions)
        accounts[hour] = HourAccount(plays, tracks, sum(row.evicted for row in partitions))
    return accounts


def hold_trends(tally: Tally, stream: Mapping[Hour, HourAccount], batch: Mapping[Hour, Mapping[str, int]]) -> None:
    """Compare the hours that have their place in every partition, by the batch's plays of each track.

    All plays of an hour are compared exactly, a track within its bounds: exactly too, where it always had room.
    """
    newest = max((hour for hour, _ in (*stream, *batch)), default=0)
    for hour, country in sorted(stream.keys() | batch.keys()):
        if hour > newest - RING_HOURS:
            said, counted = stream.get((hour, country), HourAccount(0, {}, 0)), batch.get((hour, country), {})
            tracks = sorted(said.tracks.keys() | counted.keys())
            bounds = {ALL_TRACKS: Bounds(said.plays, 0)} | {track: said.of(track) for track in tracks}
            plays = {ALL_TRACKS: sum(counted.values())} | {track: counted.get(track, 0) for track in tracks}
            where = (datetime.fromtimestamp(hour * HOUR_MS // SECOND_MS, UTC).isoformat(), country)
            tally.hold("", TRENDS, _at(where, bounds), _at(where, plays), _within)


def _at(where: tuple[str, str], by_track: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    return {(*where, track): said for track, said in by_track.items()}


def _within(bounds: Bounds, plays: int) -> bool:
    return bounds.plays <= plays <= bounds.plays + bounds.error


def outcomes_account(row: OutcomesRow, now_ms: int, own_names: Mapping[str, str]) -> OutcomesAccount:
    """What the stream's row says at that time; `own_names` as in `outcomes_at`."""
    slots = {
        (found.impression_id, slot): SlotOutcome(
            found.shown.shown_ms, outcome.source, outcome.outcome, outcome.play_id, outcome.played_ms
        )
        for found in outcomes_at(row, now_ms, own_names)
        for slot, outcome in enumerate(found.slots)
    }
    return OutcomesAccount(slots, len(row.shown) >= RECENT_IMPRESSIONS)


def hold_outcomes(tally: Tally, listener_id: str, stream: OutcomesAccount, batch: Outcomes) -> None:
    """Compare one listener: all that was shown, or of a full row what it keeps and what it should have kept instead."""
    tally.hold(listener_id, OUTCOMES, stream.slots, _lately(stream.slots, batch) if stream.full else batch)


def _lately(kept: Outcomes, batch: Outcomes) -> Outcomes:
    """Those that are kept, and later ones by more than clocks of several APIs are apart: a row goes by arrival."""
    names = {impression_id for impression_id, _ in kept}
    oldest_ms = min((slot.shown_ms for slot in kept.values()), default=0)
    return {key: slot for key, slot in batch.items() if key[0] in names or slot.shown_ms > oldest_ms + MINUTE_MS}
