"""A seeded crowd for demos: people of the synthetic world who ask the API what to play, hear it, skip it, like it.

What they like is the world's truth, so what they are recommended changes what they do. Their clock may run faster than
ours: a track of three minutes is then over in seconds, and is told as one that began three minutes ago.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from jobs.world import TRACKS_FILE, TRUTH_FILE
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_TRACKS

SESSION_TRACKS = 8  # on average
PAUSE_SECONDS = 1_200.0  # between two sessions, on average, by the crowd's clock
ASKS_SHARE = 0.6  # of sessions go down a shelf, the others play what the listener knows to be good
SKIP_AFTER_MS = (2_000, 25_000)
DEVICES = ("phone", "desktop", "speaker", "car")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Music:
    """The tracks of a world by position: how they are called, how long they are, and where in taste they lie."""

    source_ids: tuple[str, ...]
    length_ms: tuple[int, ...]
    vectors: Floats  # [tracks, dimensions], length 1
    genre: tuple[int, ...]
    popularity: Floats
    positions: dict[str, int]  # by any name that an answer may give them


@dataclass(frozen=True)
class People:
    """The listeners of a world by position."""

    names: tuple[str, ...]
    tastes: Floats  # [listeners, dimensions], length 1
    countries: tuple[str, ...]


class Offer(NamedTuple):
    """A track to play: of a shelf where `impression_id` says which, and in which slot."""

    track_id: str
    position: int
    impression_id: str | None = None
    slot: int | None = None


class Shelves(Protocol):
    """Whom the crowd asks."""

    def shelf(self, listener: str, shelf: str, limit: int) -> Sequence[dict[str, Any]]:
        """Items of the API's answer."""


class Heard(NamedTuple):
    """What is told after `wait_seconds` by the crowd's clock, when the track is over, and what is thought of it.

    Without a `listen` it is a pause between sessions.
    """

    wait_seconds: float
    listen: dict[str, Any] | None = None
    opinion: str | None = None


def read_world(folder: Path, lake: Lake) -> tuple[Music, People]:
    """The truth of the world in a folder, its tracks known by the names that this lake gives them too."""
    truth = np.load(folder / TRUTH_FILE)
    told = pq.read_table(folder / TRACKS_FILE, columns=["source_track_id", "track_ms"])
    source_ids = tuple(told["source_track_id"].to_pylist())
    positions = {name: place for place, name in enumerate(source_ids)}
    named = lake.read(CORE_TRACKS, columns=["source_track_id", "track_id"]).to_pylist()
    for row in named:
        if row["source_track_id"] in positions:
            positions[row["track_id"]] = positions[row["source_track_id"]]
    music = Music(
        source_ids,
        tuple(told["track_ms"].to_pylist()),
        truth["track_vectors"],
        tuple(truth["scene_genre"][truth["track_scene"]].tolist()),
        truth["track_popularity"],
        positions,
    )
    names, countries = (tuple(truth[name].tolist()) for name in ("listener_ids", "listener_country"))
    return music, People(names, truth["listener_vectors"], countries)


def living(music: Music, people: People, at: int, seed: int, shelves: Shelves) -> Iterator[Heard]:
    """What one of the people does, without end: sessions of tracks, pauses between. The first begins at some moment."""
    random = np.random.default_rng([seed, at])
    taste, name = people.tastes[at], people.names[at]
    always = {"listener_id": name, "country": people.countries[at], "device": str(random.choice(DEVICES))}
    yield Heard(random.uniform(0, PAUSE_SECONDS / 2))
    while True:
        count = int(random.geometric(1 / SESSION_TRACKS))
        if random.random() < ASKS_SHARE:
            shelf = str(random.choice(["discover", "next", "on-repeat"], p=[0.6, 0.25, 0.15]))
            offers, context = _shown(music, shelves.shelf(name, shelf, count)), f"shelf:{shelf}"
        else:
            offers, context = _known(music, taste, count, random), "library"
        for offer in offers:
            yield _heard(music, taste, offer, {**always, "context": context}, random)
        yield Heard(random.exponential(PAUSE_SECONDS))


def tour(music: Music, seed: int, tracks_each: int) -> Iterator[Offer]:
    """Well-known tracks of one genre, then of another, and so on: a taste that turns."""
    random = np.random.default_rng([seed, len(music.source_ids)])
    genres = sorted(set(music.genre))
    while True:
        for genre in random.permutation(genres).tolist():
            inside = [place for place, of in enumerate(music.genre) if of == genre]
            known = sorted(inside, key=lambda place: -music.popularity[place])[: 4 * tracks_each]
            for place in random.choice(known, min(tracks_each, len(known)), replace=False).tolist():
                yield Offer(music.source_ids[place], place)


def _shown(music: Music, items: Sequence[dict[str, Any]]) -> list[Offer]:
    return [
        Offer(item["track_id"], music.positions[item["track_id"]], item["impression_id"], item["slot"])
        for item in items
        if item["track_id"] in music.positions
    ]


def _known(music: Music, taste: Floats, count: int, random: np.random.Generator) -> list[Offer]:
    """Tracks near the taste, the well-known ones rather."""
    weight = 9.0 * music.vectors @ taste + np.log(music.popularity + 1e-12) + random.gumbel(size=len(music.source_ids))
    return [Offer(music.source_ids[place], place) for place in np.argsort(-weight)[:count].tolist()]


def _heard(music: Music, taste: Floats, offer: Offer, always: dict[str, Any], random: np.random.Generator) -> Heard:
    liking = float(music.vectors[offer.position] @ taste)
    skips = random.random() < 1 / (1 + math.exp(1 + 3 * liking))
    length_ms = music.length_ms[offer.position]
    played_ms = min(length_ms, int(random.integers(*SKIP_AFTER_MS))) if skips else length_ms
    listen = {**always, "track_id": offer.track_id, "played_ms": played_ms, "track_ms": length_ms}
    if skips:
        listen["ended_by"] = "skip"
    if offer.impression_id is not None:
        listen |= {"impression_id": offer.impression_id, "slot": offer.slot}
    draw = random.random()
    opinion = ("dislike" if draw < 0.03 else None) if skips else ("like" if draw < 0.1 * liking else None)
    return Heard(played_ms / 1_000, listen, opinion)
