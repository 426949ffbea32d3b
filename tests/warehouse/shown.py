"""Slots that were shown and plays, for tests of what is read of both: what a test does not name is as it usually is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.jobs.tables import MIN, day_of, rows_of
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS, FEATURES_OUTCOMES


def slot(listener: str, shown_ms: int, track: str = "t1", place: int = 0, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(FEATURES_OUTCOMES.schema.names)
    row |= {
        "impression_id": f"{listener} {shown_ms}",
        "slot": place,
        "listener_id": listener,
        "track_id": track,
        "shelf": "discover",
        "source": "als",
        "model_version": "m1",
        "propensity": 0.5,
        "shown_ms": shown_ms,
        "outcome": "ignored",
        "day": day_of(shown_ms),
    }
    return row | more


def play(listener: str, started_ms: int, track: str = "t1", **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(CORE_PLAYS.schema.names)
    row |= {
        "play_id": f"{listener} {started_ms} {track}",
        "listener_id": listener,
        "track_id": track,
        "started_ms": started_ms,
        "ended_ms": started_ms + 3 * MIN,
        "played_ms": 3 * MIN,
        "source": "backbeat",
        "counts": True,
        "skipped": False,
        "day": day_of(started_ms),
    }
    return row | more


def lake_of(root: Path, slots: list[dict[str, Any]], plays: list[dict[str, Any]]) -> Lake:
    lake = Lake(str(root))
    lake.append(FEATURES_OUTCOMES, rows_of(FEATURES_OUTCOMES, slots))
    lake.append(CORE_PLAYS, rows_of(CORE_PLAYS, plays))
    return lake
