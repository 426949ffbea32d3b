"""Seeded worlds for benchmarks: who is into what, at the sizes of real data sets, with tastes that can be learned.

Tracks belong to scenes; scenes and listeners are points of a latent space; a listener draws from the nearest scenes.
Popularity within a scene and the activity of listeners follow power laws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from models.base import Interactions

ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class TasteWorld:
    """The sizes and habits of a world; the same seed gives the same world."""

    listeners: int
    tracks: int
    pairs: int
    scenes: int = 1_500
    dimensions: int = 12
    scenes_each: int = 16
    warmth: float = 4.0  # how much a listener prefers the nearest scene
    mainstream: float = 0.1  # share of draws that follow popularity alone
    popularity_exponent: float = 0.85
    seed: int = 20


LASTFM_360K = TasteWorld(listeners=359_000, tracks=292_000, pairs=13_000_000)


def interactions(world: TasteWorld) -> Interactions:
    """Plays by listener and track, exactly `pairs` of them positive; transitions are empty."""
    random = np.random.default_rng(world.seed)
    listeners, tracks = _pairs(world, random)
    plays = np.ceil(random.lognormal(0.3, 1.0, world.pairs)).astype(np.float32)
    shape = (world.listeners, world.tracks)
    weights = csr_array(coo_array((plays, (listeners, tracks)), shape=shape))
    popularity = np.bincount(tracks, plays, world.tracks).astype(np.float64)
    nothing = coo_array((plays[:0], (tracks[:0], tracks[:0])), shape=(world.tracks, world.tracks))
    return Interactions(weights, csr_array(nothing), popularity)


def _pairs(world: TasteWorld, random: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct (listener, track) pairs in order, drawn until there are enough, then thinned to the number wanted."""
    activity = random.pareto(1.6, world.listeners) + 0.4
    liking = _Liking.of(world, random)
    found = np.empty(0, np.int64)
    while len(found) < world.pairs:
        listeners = random.choice(world.listeners, world.pairs // 2, p=activity / activity.sum())
        drawn = listeners * world.tracks + liking.tracks(listeners, random)
        found = np.union1d(found, drawn)
    kept = np.sort(random.choice(found, world.pairs, replace=False))
    return kept // world.tracks, kept % world.tracks


@dataclass(frozen=True)
class _Liking:
    """`nearest`, `shares` (cumulative) [listeners, scenes_each]; tracks in order of scene with cumulative weights."""

    world: TasteWorld
    nearest: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    scene_starts: npt.NDArray[np.int64]
    by_scene: npt.NDArray[np.int64]
    cumulative: npt.NDArray[np.float64]

    @classmethod
    def of(cls, world: TasteWorld, random: np.random.Generator) -> _Liking:
        scene_of_track = random.integers(world.scenes, size=world.tracks)
        weights = (1.0 + random.permutation(world.tracks)) ** -world.popularity_exponent
        by_scene = np.argsort(scene_of_track, kind="stable")
        starts = np.searchsorted(scene_of_track[by_scene], np.arange(world.scenes + 1))
        cumulative = np.concatenate([[0.0], np.cumsum(weights[by_scene])])
        return cls(world, *_nearest_scenes(world, random), starts, by_scene, cumulative)

    def tracks(self, listeners: npt.NDArray[np.int64], random: np.random.Generator) -> npt.NDArray[np.int64]:
        """One draw for each of these listeners: a scene by its share, a track of it by popularity."""
        slot = (random.random(len(listeners))[:, None] > self.shares[listeners]).sum(axis=1)
        scene = self.nearest[listeners, np.minimum(slot, self.world.scenes_each - 1)]
        low, high = self.cumulative[self.scene_starts[scene]], self.cumulative[self.scene_starts[scene + 1]]
        anywhere = random.random(len(listeners)) < self.world.mainstream
        low, high = np.where(anywhere, 0.0, low), np.where(anywhere, self.cumulative[-1], high)
        point = low + random.random(len(listeners)) * (high - low)
        place = np.searchsorted(self.cumulative, point, side="right") - 1
        return self.by_scene[np.clip(place, 0, self.world.tracks - 1)]


def _nearest_scenes(
    world: TasteWorld, random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    scenes = _directions(random, world.scenes, world.dimensions)
    people = _directions(random, world.listeners, world.dimensions)
    nearest = np.empty((world.listeners, world.scenes_each), np.int64)
    shares = np.empty((world.listeners, world.scenes_each))
    for start in range(0, world.listeners, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        closeness = people[part] @ scenes.T
        nearest[part] = np.argpartition(-closeness, world.scenes_each, axis=1)[:, : world.scenes_each]
        liking = np.exp(world.warmth * np.take_along_axis(closeness, nearest[part], axis=1))
        shares[part] = np.cumsum(liking, axis=1) / liking.sum(axis=1, keepdims=True)
    return nearest, shares


def _directions(random: np.random.Generator, rows: int, dimensions: int) -> npt.NDArray[np.float32]:
    points = random.standard_normal((rows, dimensions), np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)
