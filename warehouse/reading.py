"""The taste of a listener at this moment: the base that the batch wrote, and what was told since, by the same rules."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from warehouse.rules.decay import OLDEST_AGE, TASTE_ENTRIES, decay_weights
from warehouse.rules.plays import same_play
from warehouse.rules.quantity import DAY_MS
from warehouse.sources import SOURCES, UNKNOWN_SOURCE
from warehouse.tail import Since, since
from warehouse.taste import (
    EVERYTHING,
    RECENT_PLAYS,
    TAKEN_BACK,
    Entry,
    Heard,
    Opinion,
    Tailed,
    TasteBase,
    TasteTail,
    last_word,
    newest_first,
    not_skipped,
)

_AS_TOLD: Mapping[str, str] = {}


@dataclass(frozen=True)
class CurrentTaste:
    """What a listener heard and said; `entries` and `recent` are ordered and bounded as in `TasteBase`."""

    entries: tuple[Entry, ...]
    recent: tuple[Heard, ...]
    opinions: Mapping[str, Opinion]  # by track_id

    @cached_property
    def current(self) -> Heard | None:
        """The last play that wasn't skipped: what the listener is into right now."""
        return next(not_skipped(self.recent), None)

    def weights(self, today: int) -> dict[str, int]:
        """How much the listener is into each track, as in features.matrix: fixed point, `decay.UNIT` a play of today.

        `today` counts days since 1970-01-01; the matrix as of day D was weighed on the day before D.
        """
        of_day = {day: weight_of(day, today) for day in {entry.day for entry in self.entries}}
        weights: defaultdict[str, int] = defaultdict(int)
        for track_id, day, plays, _, _, _ in self.entries:
            weights[track_id] += plays * of_day[day]
        return {track_id: weight for track_id, weight in weights.items() if weight > 0}


def weight_of(day: int, today: int) -> int:
    """What a play of `day` weighs by now, in `decay.UNIT`; one whose player's clock ran ahead is of today."""
    return decay_weights()[min(max(0, today - day), OLDEST_AGE)]


def taste_now(base: TasteBase, events: Sequence[Tailed], names: Mapping[str, str] = _AS_TOLD) -> CurrentTaste:
    """A base and the tail's events as one, as the batch will count them; `names` gives the track_id behind a told name.

    A play told twice counts once: by equal play_id, or by its track and a start within a minute of the first telling.
    The base names the newest `RECENT_PLAYS` plays that it kept, and neither older ones nor tellings that it left out
    for a better one; so what was told since is compared with those that it names. An erasure of one play finds it
    among those, or as the latest of its day. The next base settles the rest.
    """
    if not events:
        return CurrentTaste(base.entries, base.recent, {opinion.track_id: opinion for opinion in base.opinions})
    told = since(events, base.offsets)
    if told.base_is_void:
        base = TasteBase(taken_back=base.taken_back)
    change = _change(base, told, names)
    return CurrentTaste(_entries(base, change), _recent(base, change), _opinions(base, told))


def settled_base(base: TasteBase, tail: TasteTail, names: Mapping[str, str] = _AS_TOLD) -> TasteBase:
    """The base that says what `base` and `tail` say together, at the offsets that the tail has seen."""
    taste = taste_now(base, tail.events, names)
    more = [event.erased for event in tail.events if event.erased]
    taken_back = tuple(dict.fromkeys((*base.taken_back, *more)))[-TAKEN_BACK:]
    offsets = base.offsets | {at: max(offset, base.offsets.get(at, -1)) for at, offset in tail.seen.items()}
    return TasteBase(taste.entries, taste.recent, tuple(taste.opinions.values()), offsets, taken_back)


class _Change(NamedTuple):
    """Plays that come to those of a base, and plays of the base that go, each by play_id."""

    added: dict[str, Heard]
    removed: dict[str, Heard]


def _change(base: TasteBase, told: Since, names: Mapping[str, str]) -> _Change:
    gone = told.erasures.keys() - {EVERYTHING} | set(base.taken_back)
    plays = {name: _named(event.heard, names) for name, event in told.plays.items() if event.heard and name not in gone}
    tracks = {play.track_id for play in plays.values()}
    change = _Change({}, {})
    tellings: defaultdict[str, list[Heard]] = defaultdict(list)
    known = plays.keys() | gone
    for heard in [heard for heard in base.recent if heard.track_id in tracks or heard.play_id in known]:
        plays.pop(heard.play_id, None)
        if heard.play_id in gone:
            change.removed[heard.play_id] = heard
        elif heard.track_id in tracks:
            tellings[heard.track_id].append(heard)
    for heard in [_latest_of(entry) for entry in base.entries if entry.last_play_id in known]:
        plays.pop(heard.play_id, None)
        if heard.play_id in gone:
            change.removed.setdefault(heard.play_id, heard)
    for play in plays.values():
        tellings[play.track_id].append(play)
    for of_a_track in tellings.values():
        _settle(of_a_track, plays, change)
    return change


def _named(heard: Heard, names: Mapping[str, str]) -> Heard:
    track_id = names.get(heard.track_id)
    return heard if track_id is None or track_id == heard.track_id else heard._replace(track_id=track_id)


def _latest_of(entry: Entry) -> Heard:
    started_ms = entry.day * DAY_MS if entry.last_started_ms is None else entry.last_started_ms
    return Heard(
        entry.last_play_id or "", entry.track_id, started_ms, "", counts=True, skipped=False, ended_ms=started_ms
    )


def _settle(tellings: list[Heard], told_since: Container[str], change: _Change) -> None:
    """Of each cluster of tellings of one track, the most precise stays; ties go to the first.

    The first telling opens a cluster, a later one joins it or opens the next. Plays that the base kept apart stay so.
    """
    cluster: list[Heard] = []
    for telling in sorted(tellings, key=lambda telling: (telling.started_ms, telling.play_id)):
        if cluster and not _joins(telling, cluster, told_since):
            _keep_best(cluster, told_since, change)
            cluster = []
        cluster.append(telling)
    _keep_best(cluster, told_since, change)


def _joins(telling: Heard, cluster: list[Heard], told_since: Container[str]) -> bool:
    if not same_play(telling.started_ms - cluster[0].started_ms):
        return False
    return telling.play_id in told_since or all(other.play_id in told_since for other in cluster)


def _keep_best(cluster: list[Heard], told_since: Container[str], change: _Change) -> None:
    best = min(cluster, key=lambda telling: SOURCES.get(telling.source, UNKNOWN_SOURCE).precision_ms)
    for telling in cluster:
        if telling is best and telling.play_id in told_since:
            change.added[telling.play_id] = telling
        elif telling is not best and telling.play_id not in told_since:
            change.removed[telling.play_id] = telling


def _entries(base: TasteBase, change: _Change) -> tuple[Entry, ...]:
    moved = _moved_days(change)
    tracks = {track_id for track_id, _ in moved}
    before = {entry[:2]: entry for entry in base.entries if entry.track_id in tracks and entry[:2] in moved}
    entries = [entry for entry in base.entries if entry.track_id not in tracks or entry[:2] not in moved]
    for place, (added, removed) in moved.items():
        entry = _moved(before.get(place) or Entry(*place, 0, 0, None, None), added, removed, base.recent)
        if entry.plays > 0 or entry.skips > 0:
            insort(entries, entry, key=_entry_order)
    return tuple(entries[:TASTE_ENTRIES])


def _moved_days(change: _Change) -> dict[tuple[str, int], tuple[list[Heard], list[Heard]]]:
    moved: defaultdict[tuple[str, int], tuple[list[Heard], list[Heard]]] = defaultdict(lambda: ([], []))
    for side, plays in enumerate(change):
        for heard in plays.values():
            if heard.counts or heard.skipped:
                moved[heard.track_id, heard.started_ms // DAY_MS][side].append(heard)
    return moved


def _moved(entry: Entry, added: list[Heard], removed: list[Heard], recent: Iterable[Heard]) -> Entry:
    gone = {heard.play_id for heard in removed}
    counted = [heard for heard in added if heard.counts]
    if gone:  # the day's latest play may be gone: another of its day takes its place
        counted += [h for h in recent if h.counts and _entry_key(h) == entry[:2] and h.play_id not in gone]
    latest = [(heard.started_ms, heard.play_id) for heard in counted]
    if entry.last_play_id is not None and entry.last_started_ms is not None and entry.last_play_id not in gone:
        latest.append((entry.last_started_ms, entry.last_play_id))
    last_started_ms, last_play_id = max(latest, default=(None, None))
    return Entry(
        entry.track_id,
        entry.day,
        entry.plays + sum(heard.counts for heard in added) - sum(heard.counts for heard in removed),
        entry.skips + sum(heard.skipped for heard in added) - sum(heard.skipped for heard in removed),
        last_play_id,
        last_started_ms,
    )


def _entry_key(heard: Heard) -> tuple[str, int]:
    return heard.track_id, heard.started_ms // DAY_MS


def _recent(base: TasteBase, change: _Change) -> tuple[Heard, ...]:
    recent = list(base.recent)
    if change.removed:
        recent = [heard for heard in recent if heard.play_id not in change.removed]
    for heard in change.added.values():
        insort(recent, heard, key=newest_first)
    return tuple(recent[:RECENT_PLAYS])


def _opinions(base: TasteBase, told: Since) -> Mapping[str, Opinion]:
    opinions = {opinion.track_id: opinion for opinion in base.opinions}
    for track_id, said in told.words.items():
        known = opinions.get(track_id, said)
        opinions[track_id] = known if known.signal_id == said.signal_id else max(said, known, key=last_word)
    return opinions


def _entry_order(entry: Entry) -> tuple[int, int, str]:
    return -entry.day, -entry.plays, entry.track_id
