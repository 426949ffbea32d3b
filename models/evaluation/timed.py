"""Plays with times as data sets: the next track of a last session, and what is played after a moment."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models.base import Positions, Recent, Taste
from models.evaluation.datasets import Dataset
from models.evaluation.splits import (
    Cases,
    SessionPlays,
    Split,
    SplitImpossible,
    Training,
    last_session,
    places_among,
    training_first,
    without_last_sessions,
)
from warehouse.rules.quantity import DAY_MS, SECOND_MS

VALIDATION_DAYS = 30


def next_track(name: str, plays: SessionPlays) -> Dataset:
    """The last session of every listener with at least three, step by step. Raises `SplitImpossible`."""
    return Dataset(
        name,
        "the last session of every listener with at least three: each step asks for the next track, all are ranked",
        20,
        "hit@20",
        ("hit@20", "mrr@20"),
        (last_session(plays),),
        lambda: last_session(without_last_sessions(plays)),
    )


def after_moment(name: str, plays: SessionPlays, moment_ms: int, *, new_only: bool) -> Dataset:
    """What warm listeners play from a moment on: all of it, or only tracks new to them. Raises `SplitImpossible`."""
    before = plays.where(plays.started < moment_ms)
    what = "tracks that they had not played before" if new_only else "all tracks that they played"
    return Dataset(
        name,
        f"plays before {np.datetime64(moment_ms, 'ms')} UTC train; listeners who had played are asked for {what} since",
        20,
        "recall@20",
        ("recall@20", "ndcg@20"),
        (moment_split(plays, moment_ms, new_only=new_only),),
        lambda: moment_split(before, moment_ms - VALIDATION_DAYS * DAY_MS, new_only=new_only),
    )


def moment_split(plays: SessionPlays, moment_ms: int, *, new_only: bool) -> Split:
    """What is known at a moment, and what whoever had played by then plays from then on. Raises `SplitImpossible`."""
    plays = plays.where(np.lexsort((plays.started, plays.sessions)))
    earlier = plays.started < moment_ms
    boundary = f"split at {np.datetime64(moment_ms, 'ms')}"
    if earlier.all() or not earlier.any():
        raise SplitImpossible(f"{boundary}: no play on one side; wanted some on both")
    tracks, known = training_first(plays.tracks, earlier)
    placed = SessionPlays(plays.listeners, tracks, plays.sessions, plays.started)
    train = Training.of(placed.where(earlier), known)
    later = placed.where(~earlier)
    rows = places_among(later.listeners, train.listener_labels)
    wanted = _distinct_by_row(rows[rows >= 0], later.tracks[rows >= 0], len(train.tastes))
    asked, tastes, relevant = [], [], []
    for row, held in enumerate(wanted):
        left = np.setdiff1d(held, train.tastes[row].tracks) if new_only else held
        if len(left):
            asked.append(row)
            relevant.append(left)
            tastes.append(_as_of(train.tastes[row], (moment_ms - int(train.last_ms[row])) / SECOND_MS))
    if not asked:
        raise SplitImpossible(f"{boundary}: nobody with plays before it has {'a new track' if new_only else 'a play'}")
    starts = np.concatenate([[0], np.cumsum([len(one) for one in relevant])])
    cases = Cases(np.arange(len(asked)), starts, np.concatenate(relevant), tuple(tastes), tuple(tastes))
    return Split("moment", boundary, known, train.interactions, cases, train.activity[asked], new_only=new_only)


def _distinct_by_row(rows: Positions, tracks: Positions, count: int) -> list[Positions]:
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], np.arange(count + 1))
    return [np.unique(tracks[order[start:stop]]) for start, stop in pairwise(bounds)]


def _as_of(taste: Taste, later_s: float) -> Taste:
    """The taste so many seconds after its last play; no session goes on."""
    recent = Recent(taste.recent.tracks, taste.recent.ago_s + later_s, 0)
    return Taste(taste.tracks, taste.weights, None, recent)
