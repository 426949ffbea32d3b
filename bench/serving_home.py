"""A home to serve from: models fitted on real plays (30Music), or on seeded ones of its size where it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from backbeat.plays_file import sessions_by_silence
from models.als import AlsConfig
from models.als_training import fit_als
from models.artifact import Artifact
from models.base import Catalog, Interactions, TrackId
from models.history import History
from models.popularity import fit_popularity
from models.ranking.counting import Plays
from models.ranking.training import fit_plays
from models.ranking.two_stage import TwoStage, TwoStageConfig
from models.registry import Registry
from models.repeat import fit_repeat
from models.transitions import fit_transitions
from warehouse.rules.quantity import DAY_MS, MINUTE_MS, SECOND_MS
from warehouse.stores.home import Home
from warehouse.stores.rows import Rows
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.taste import BASE, CATALOG, RECENT_PLAYS, Entry, Heard, TasteBase, TrackCard

LISTENERS, TRACKS, PLAYS = 10_000, 10_000, 240_000  # about as many as 30Music has


@dataclass(frozen=True)
class PlayColumns:
    """Plays that all count, in order of listener and time."""

    listeners: npt.NDArray[np.object_]
    tracks: npt.NDArray[np.object_]
    started_ms: npt.NDArray[np.int64]
    origin: str


def plays_of(data: Path) -> PlayColumns:
    """30Music's where it is there."""
    path = data / "30music" / "plays.parquet"
    if not path.exists():
        return _ordered(*_seeded(), "seeded")
    table = pq.read_table(path, columns=["user_id", "song_id", "ts"])
    listeners = table["user_id"].to_numpy().astype(str)
    tracks = np.char.add("30music:", table["song_id"].to_numpy().astype(str))
    return _ordered(listeners, tracks, table["ts"].to_numpy().astype(np.int64) * 1_000, "30music")


def make_home(home: Home, plays: PlayColumns, store: Rows | None = None, *, two_stages: bool = True) -> list[str]:
    """Fit, publish, and write tastes and cards, to the home's rows or to others; the listeners."""
    history = History.from_plays(plays.listeners, plays.tracks, plays.started_ms)
    as_of = history.span()[1]
    known = history.known_before(as_of)
    learned = known.interactions
    catalog = history.catalog(known.tracks)
    artifact = Artifact(
        as_of,
        None,
        catalog,
        fit_als(learned, AlsConfig(factors=64)),
        fit_popularity(learned),
        fit_repeat(learned),
        fit_transitions(learned),
        _two_stages(plays, catalog, learned) if two_stages else None,
    )
    Registry(home.models).publish(artifact)
    rows = store or SqliteRows(home.rows)
    bases = _bases(plays)
    rows.put_many(BASE, {who: msgspec.msgpack.encode(base) for who, base in bases.items()}, version=1)
    cards = (TrackCard(track, f"Title of {track}", f"Artist of {track}", "Album") for track in artifact.catalog.ids)
    rows.put_many(CATALOG, {card.track_id: msgspec.msgpack.encode(card) for card in cards}, version=1)
    rows.close()
    return sorted(bases)


def _two_stages(plays: PlayColumns, catalog: Catalog, learned: Interactions) -> TwoStage:
    config = TwoStageConfig(decayed=True, moments=4_000)
    return fit_plays(_in_sessions(plays, catalog), learned.weights, config)[0]


def _in_sessions(plays: PlayColumns, catalog: Catalog) -> Plays:
    """The plays that the catalog knows, in sessions."""
    _, listeners = np.unique(plays.listeners, return_inverse=True)
    sessions = sessions_by_silence(plays.listeners, plays.started_ms)
    tracks = np.array([catalog.position(TrackId(str(track))) for track in plays.tracks], np.int64)
    return Plays(listeners, tracks, sessions, plays.started_ms / SECOND_MS)


def _ordered(
    listeners: npt.NDArray[np.str_], tracks: npt.NDArray[np.str_], ms: npt.NDArray[np.int64], origin: str
) -> PlayColumns:
    order = np.lexsort((ms, listeners))
    return PlayColumns(listeners[order].astype(object), tracks[order].astype(object), ms[order], origin)


def _seeded() -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    random = np.random.default_rng(30)
    listeners = (LISTENERS * random.random(PLAYS) ** 2).astype(int)
    tracks = (listeners % 50 * (TRACKS // 50) + TRACKS / 50 * random.random(PLAYS) ** 3).astype(int)
    started = 1_390_000_000_000 + random.integers(0, 365 * DAY_MS // (4 * MINUTE_MS), PLAYS) * 4 * MINUTE_MS
    return np.char.add("l", listeners.astype(str)), np.char.add("t", tracks.astype(str)), started


def _bases(plays: PlayColumns) -> dict[str, TasteBase]:
    starts = np.flatnonzero(np.append(True, plays.listeners[1:] != plays.listeners[:-1]))
    ends = np.append(starts[1:], len(plays.listeners))
    return {
        str(plays.listeners[low]): _base(plays, int(low), int(high)) for low, high in zip(starts, ends, strict=True)
    }


def _base(plays: PlayColumns, low: int, high: int) -> TasteBase:
    heard = [
        Heard(
            f"p{at}",
            str(plays.tracks[at]),
            int(plays.started_ms[at]),
            "30music",
            counts=True,
            skipped=False,
            ended_ms=int(plays.started_ms[at]),
        )
        for at in range(high - 1, low - 1, -1)
    ]
    entries: dict[tuple[str, int], Entry] = {}
    for play in heard:  # newest first: the first of a day is its latest
        key = play.track_id, play.started_ms // DAY_MS
        had = entries.get(key)
        entries[key] = had._replace(plays=had.plays + 1) if had else Entry(*key, 1, 0, play.play_id, play.started_ms)
    ordered = sorted(entries.values(), key=lambda entry: (-entry.day, -entry.plays, entry.track_id))
    return TasteBase(tuple(ordered), tuple(heard[:RECENT_PLAYS]))
