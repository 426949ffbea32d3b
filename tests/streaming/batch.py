"""What the batch makes of a history, as plainly as can be: an oracle for the stream's fold and its reading."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from warehouse.events import ERASURES, PLAYS, SIGNALS, Erasure, Event, Play, Signal
from warehouse.rules.plays import counts_as_play, same_play
from warehouse.sources import SOURCES, UNKNOWN_SOURCE, resolved_played_ms, resolved_track_ms
from warehouse.tail import topic_partition
from warehouse.taste import Entry, Heard, Opinion, TasteBase

DAY_MS = 86_400_000


def placed(events: Sequence[Event]) -> list[tuple[str, int, Event]]:
    """Each event with its place on a log of one partition, and its offset there."""
    topics: dict[type[Event], str] = {Play: PLAYS.name, Signal: SIGNALS.name, Erasure: ERASURES.name}
    ends: dict[str, int] = {}
    told = []
    for event in events:
        place = topic_partition(topics[type(event)], 0)
        ends[place] = ends.get(place, -1) + 1
        told.append((place, ends[place], event))
    return told


def base_of(events: Sequence[Event]) -> TasteBase:
    """The base of one listener's whole history."""
    erasures = [event for event in events if isinstance(event, Erasure)]
    erased_ms = max((erasure.received_ms for erasure in erasures if erasure.play_id is None), default=-1)
    gone = {erasure.play_id for erasure in erasures}
    plays: dict[str, Play] = {}
    for event in events:
        if isinstance(event, Play) and event.received_ms > erased_ms:
            plays.setdefault(event.play_id, event)
    left = [play for play in plays.values() if play.play_id not in gone]
    heard = [_heard(play) for play in _told_once(left)]
    words: dict[str, Signal] = {}
    for event in events:
        if isinstance(event, Signal) and event.received_ms > erased_ms:
            words.setdefault(event.signal_id, event)
    return TasteBase(
        entries=tuple(sorted(_entries(heard), key=lambda e: (-e.day, -e.plays, e.track_id))),
        recent=tuple(sorted(heard, key=lambda h: (-h.started_ms, h.play_id))),
        opinions=tuple(_opinions(list(words.values()))),
        offsets={place: offset for place, offset, _ in placed(events)},
        taken_back=tuple(erasure.play_id for erasure in erasures if erasure.play_id is not None),
    )


def _told_once(plays: list[Play]) -> list[Play]:
    kept: list[Play] = []
    for _, of_a_track in groupby(
        sorted(plays, key=lambda p: (p.track_id, p.started_ms, p.play_id)), lambda p: p.track_id
    ):
        clusters: list[list[Play]] = []
        for play in of_a_track:
            if clusters and same_play(play.started_ms - clusters[-1][0].started_ms):
                clusters[-1].append(play)
            else:
                clusters.append([play])
        kept += [min(cluster, key=lambda p: SOURCES.get(p.source, UNKNOWN_SOURCE).precision_ms) for cluster in clusters]
    return kept


def _heard(play: Play) -> Heard:
    counts = counts_as_play(resolved_played_ms(play.played_ms, play.source), resolved_track_ms(play.track_ms))
    skipped = play.ended_by == "skip" and not counts
    ended_ms = play.started_ms + (play.played_ms or 0)
    return Heard(play.play_id, play.track_id, play.started_ms, play.source, counts, skipped, ended_ms)


def _entries(heard: list[Heard]) -> list[Entry]:
    days: dict[tuple[str, int], list[Heard]] = {}
    for play in heard:
        if play.counts or play.skipped:
            days.setdefault((play.track_id, play.started_ms // DAY_MS), []).append(play)
    entries = []
    for (track_id, day), plays in days.items():
        counted = [(play.started_ms, play.play_id) for play in plays if play.counts]
        last_started_ms, last_play_id = max(counted, default=(None, None))
        skips = sum(play.skipped for play in plays)
        entries.append(Entry(track_id, day, len(counted), skips, last_play_id, last_started_ms))
    return entries


def _opinions(words: list[Signal]) -> list[Opinion]:
    last = {word.track_id: word for word in sorted(words, key=lambda w: (w.received_ms, w.signal_id))}
    return [Opinion(w.track_id, w.kind, w.rating, w.received_ms, w.signal_id) for w in last.values()]
