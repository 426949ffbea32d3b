"""What was shown to a listener lately, and what became of it: the row that the stream keeps, and how it is read.

Impressions and plays come from two topics, so the row keeps both as they were told, and they are joined when it is
read: in whichever order they arrive, within the row's bounds, the reading is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from warehouse.rules.outcomes import BY_STRENGTH, IGNORED, OPEN, is_awaited, is_recommended, is_settled

OUTCOMES = "listener.outcomes"  # rows table: listener_id -> OutcomesRow, msgpack
RECENT_IMPRESSIONS = 20  # those that arrived last
RECENT_CLAIMS = 500  # plays that named an impression: those that arrived last
RECENT_ERASURES = 200  # of single plays, those that arrived last: a play told late, or again, stays out


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """An impression: the tracks in slot order, the model that brought each, and when it was shown, UTC ms."""

    shown_ms: int
    shelf: str
    model_version: str
    track_ids: tuple[str, ...]
    sources: tuple[str, ...]


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """A play that named an impression, by whatever name of its track; `strength` is its place in `BY_STRENGTH`.

    It is as it was told first; `received_ms` is when it was told last.
    """

    impression_id: str
    track_id: str
    started_ms: int
    played_ms: int | None
    strength: int
    received_ms: int


class OutcomesRow(msgspec.Struct, frozen=True, array_like=True):
    """Impressions and claims by their ids, in order of arrival, and the ids of plays taken back.

    Nothing that was received until `erased_ms` stands; `seen` is the last offset folded in, by `topic/partition`.
    """

    shown: dict[str, Shown] = {}
    claims: dict[str, Claim] = {}
    taken_back: dict[str, None] = {}
    erased_ms: int = -1
    seen: dict[str, int] = {}

    def names(self) -> set[str]:
        """Every name of a track in it."""
        told = {claim.track_id for claim in self.claims.values()}
        return told.union(*(shown.track_ids for shown in self.shown.values()))


class UnreadRow(msgspec.Struct, frozen=True, array_like=True):
    """An `OutcomesRow` of which neither impressions nor claims are read: the fold moves them as they are."""

    shown: dict[str, msgspec.Raw] = {}
    claims: dict[str, msgspec.Raw] = {}
    taken_back: dict[str, None] = {}
    erased_ms: int = -1
    seen: dict[str, int] = {}


class Outcome(NamedTuple):
    """What became of one slot; the last three are of the play that says so."""

    track_id: str
    source: str
    outcome: str
    play_id: str | None = None
    started_ms: int | None = None
    played_ms: int | None = None


class ImpressionOutcome(NamedTuple):
    """An impression and the outcome of each of its slots, in slot order."""

    impression_id: str
    shown: Shown
    slots: tuple[Outcome, ...]


def outcomes_at(row: OutcomesRow, now_ms: int, own_names: Mapping[str, str]) -> tuple[ImpressionOutcome, ...]:
    """What has become of each impression at that time, the newest first.

    `own_names` says which track a name stands for; one that it lacks stands for itself.
    """
    best = _strongest(row, own_names)
    newest_first = sorted(row.shown.items(), key=lambda named: (-named[1].shown_ms, named[0]))
    return tuple(
        ImpressionOutcome(
            name,
            shown,
            tuple(
                _outcome(track_id, source, best.get((name, slot)), now_ms - shown.shown_ms)
                for slot, (track_id, source) in enumerate(zip(shown.track_ids, shown.sources, strict=True))
            ),
        )
        for name, shown in newest_first
    )


def _strongest(row: OutcomesRow, own_names: Mapping[str, str]) -> dict[tuple[str, int], tuple[str, Claim]]:
    """By impression and slot, the play that says what became of it: the strongest, and of equal ones the first."""
    told: defaultdict[tuple[str, int], list[tuple[str, Claim]]] = defaultdict(list)
    for play_id, claim in row.claims.items():
        shown = row.shown.get(claim.impression_id)
        if shown is None or not is_awaited(claim.started_ms - shown.shown_ms):
            continue
        slot = slot_of(claim, shown, own_names)
        if slot is not None:
            told[claim.impression_id, slot].append((play_id, claim))
    return {place: min(plays, key=_strongest_first) for place, plays in told.items()}


def slot_of(claim: Claim, shown: Shown, own_names: Mapping[str, str]) -> int | None:
    """The first slot of the claimed impression that showed the played track; None for a play that is organic."""
    own = own_names.get(claim.track_id, claim.track_id)
    for slot, track_id in enumerate(shown.track_ids):
        if is_recommended(True, track_id == claim.track_id, own_names.get(track_id, track_id) == own):
            return slot
    return None


def _strongest_first(told: tuple[str, Claim]) -> tuple[int, int, str]:
    play_id, claim = told
    return -claim.strength, claim.started_ms, play_id


def _outcome(track_id: str, source: str, told: tuple[str, Claim] | None, age_ms: int) -> Outcome:
    if told is None:
        return Outcome(track_id, source, IGNORED if is_settled(age_ms) else OPEN)
    play_id, claim = told
    return Outcome(track_id, source, BY_STRENGTH[claim.strength], play_id, claim.started_ms, claim.played_ms)
