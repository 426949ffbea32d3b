"""The data sets that quality is measured on, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from backbeat.datasets import THIRTY_MUSIC_DAY
from backbeat.plays_file import read_plays
from models.base import Taste
from models.evaluation.datasets import Dataset, open_dataset
from models.evaluation.splits import Cases, SessionPlays, Split, Training, places_among, training_first
from models.evaluation.timed import VALIDATION_DAYS, after_moment, next_track
from models.history import day_number
from warehouse.rules.quantity import DAY_MS

MOMENT_MS = day_number(THIRTY_MUSIC_DAY) * DAY_MS
ROOT = Path(os.environ.get("BACKBEAT_TEST_DATA", "../shared/data"))
COLUMNS = {"hit@10": "hr@10"}  # what the literature on sequences calls it


def opened(name: str, data: Path) -> Dataset:
    """The data set of that name, of those in the folder `data`. Raises KeyError, `DataWrong`, `CommandFailed`."""
    return _OPEN[name](data)


def names() -> tuple[str, ...]:
    """All data sets, in the order of the page."""
    return tuple(_OPEN)


def thirty_music(data: Path) -> SessionPlays:
    """30Music's plays (Turrin et al. 2015). Raises `CommandFailed`."""
    return read_plays(data / "30music" / "plays.parquet").plays


def newcomers(name: str, plays: SessionPlays, moment_ms: int) -> Dataset:
    """What listeners without a play before a moment play from then on: nothing is known of them."""
    before = plays.where(plays.started < moment_ms)
    return Dataset(
        name,
        f"plays before {np.datetime64(moment_ms, 'ms')} UTC train; listeners without one are asked for all since",
        20,
        "recall@20",
        ("recall@20", "ndcg@20"),
        (_newcomers_of(plays, moment_ms),),
        lambda: _newcomers_of(before, moment_ms - VALIDATION_DAYS * DAY_MS),
    )


def _newcomers_of(plays: SessionPlays, moment_ms: int) -> Split:
    plays = plays.where(np.lexsort((plays.started, plays.sessions)))
    earlier = plays.started < moment_ms
    tracks, known = training_first(plays.tracks, earlier)
    placed = replace(plays, tracks=tracks)
    train = Training.of(placed.where(earlier), known)
    new = ~earlier & (places_among(plays.listeners, train.listener_labels) < 0)
    pairs = np.unique(np.stack([np.unique(plays.listeners[new], return_inverse=True)[1], tracks[new]]), axis=1)
    listeners = int(pairs[0].max()) + 1
    starts = np.searchsorted(pairs[0], np.arange(listeners + 1))
    nobody = (Taste.unknown(),) * listeners
    cases = Cases(np.arange(listeners), starts, pairs[1], nobody, nobody)
    boundary = f"split at {np.datetime64(moment_ms, 'ms')}, newcomers"
    return Split("newcomers", boundary, known, train.interactions, cases, np.zeros(listeners, np.int64))


_OPEN: dict[str, Callable[[Path], Dataset]] = {
    "gowalla": lambda data: open_dataset(data / "benchmarks" / "gowalla"),
    "lastfm-s3rec": lambda data: open_dataset(data / "benchmarks" / "lastfm-s3rec"),
    "nowplaying": lambda data: open_dataset(data / "benchmarks" / "nowplaying"),
    "30music-next": lambda data: next_track("30music-next", thirty_music(data)),
    "30music-new": lambda data: after_moment("30music-new", thirty_music(data), MOMENT_MS, new_only=True),
    "30music-all": lambda data: after_moment("30music-all", thirty_music(data), MOMENT_MS, new_only=False),
    "30music-cold": lambda data: newcomers("30music-cold", thirty_music(data), MOMENT_MS),
    "hetrec-lastfm": lambda data: open_dataset(data / "hetrec-lastfm"),
}
