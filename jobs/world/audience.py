"""The people of a world: what they like, where they live, when they came and went, and how much they listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.world.catalog import Catalog
from jobs.world.config import Floats, Ints, Stream, WorldConfig, generator, unit_rows
from jobs.world.names import listener_ids

ROWS_AT_ONCE = 16_384
HOME_SCENES = 4  # a taste is a mixture of so many scenes
WARMTH = 9.0  # how much more a listener draws from a scene that lies nearer
LOCAL_COLOUR = 1.0  # how much countries differ in what they hear
THERE_FROM_THE_START = 0.45
WEEKDAY_VOLUME = (1.0, 0.98, 1.0, 1.04, 1.18, 1.12, 0.92)  # Monday first


class Country(NamedTuple):
    """`utc_offset_h` is the standard time of most of its people, all year."""

    code: str
    share: float
    utc_offset_h: float


COUNTRIES = (
    Country("US", 0.26, -6),
    Country("BR", 0.11, -3),
    Country("GB", 0.10, 0),
    Country("DE", 0.10, 1),
    Country("MX", 0.07, -6),
    Country("FR", 0.06, 1),
    Country("IN", 0.06, 5.5),
    Country("ES", 0.05, 1),
    Country("SE", 0.04, 1),
    Country("PL", 0.04, 1),
    Country("JP", 0.04, 9),
    Country("NG", 0.03, 1),
    Country("AU", 0.02, 10),
    Country("NZ", 0.02, 12),
)
DEVICES = ("phone", "desktop", "speaker", "car", "tv")
DEVICE_SHARES = (0.55, 0.22, 0.11, 0.08, 0.04)


@dataclass(frozen=True)
class Audience:
    """One row a listener in every array. `day_volume` [days + 1] is how much is played before each day, all in all."""

    ids: tuple[str, ...]
    vectors: Floats  # [listeners, dimensions], length 1
    country: Ints
    joined_day: Ints
    left_day: Ints  # the first day without the listener
    sessions: Floats  # expected number
    mainstream: Floats  # share of first hearings that follow the charts, not taste
    constancy: Floats  # how much of the listening goes back to known tracks, 1 on average
    devices: Ints  # [listeners, 2], the usual one first
    country_colour: Floats  # [countries, scenes]
    day_volume: Floats


def audience(config: WorldConfig, music: Catalog, plays_a_session: float) -> Audience:
    """The people of this world; their expected sessions together give the plays wanted."""
    random = generator(config, Stream.AUDIENCE)
    ids = listener_ids(config.listeners, random)
    country = random.choice(len(COUNTRIES), config.listeners, p=[c.share for c in COUNTRIES])
    colour = LOCAL_COLOUR * random.normal(size=(len(COUNTRIES), len(music.scene_vectors)))
    day_volume = _day_volume(config)
    joined, left = _stays(config, random)
    there = day_volume[left] - day_volume[joined]
    eagerness = random.lognormal(0.0, 1.0, config.listeners) * there
    return Audience(
        ids=tuple(ids),
        vectors=_tastes(music, country, colour, random),
        country=country,
        joined_day=joined,
        left_day=left,
        sessions=eagerness / eagerness.sum() * config.plays / plays_a_session,
        mainstream=random.beta(2.0, 10.0, config.listeners),
        constancy=random.uniform(0.7, 1.3, config.listeners),
        devices=random.choice(len(DEVICES), (config.listeners, 2), p=DEVICE_SHARES),
        country_colour=colour,
        day_volume=day_volume,
    )


def _day_volume(config: WorldConfig) -> Floats:
    first = config.first_day.weekday()
    volume = [WEEKDAY_VOLUME[(first + day) % 7] for day in range(config.days)]
    return np.concatenate([[0.0], np.cumsum(volume)])


def _stays(config: WorldConfig, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Some were there before the first day, more join every day; a stay has no memory, two worlds long on average."""
    founder = random.random(config.listeners) < THERE_FROM_THE_START
    arrival = (np.sqrt(random.random(config.listeners)) * config.days).astype(np.int64)
    joined = np.where(founder, 0, np.minimum(arrival, config.days - 1))
    stay = random.exponential(2.0 * config.days, config.listeners).astype(np.int64) + 1
    return joined, np.minimum(joined + stay, config.days)


def _tastes(music: Catalog, country: Ints, colour: Floats, random: np.random.Generator) -> Floats:
    """A mixture of a few scenes, those that the country is fond of more often, [listeners, dimensions]."""
    blocks = np.split(country, range(ROWS_AT_ONCE, len(country), ROWS_AT_ONCE))
    return np.concatenate([_mixtures(music.scene_vectors, colour[block], random) for block in blocks])


def _mixtures(scene_vectors: Floats, fondness: Floats, random: np.random.Generator) -> Floats:
    keys = fondness + random.gumbel(size=fondness.shape)
    homes = np.argpartition(-keys, min(HOME_SCENES, keys.shape[1] - 1), axis=1)[:, :HOME_SCENES]
    weights = random.dirichlet(np.full(homes.shape[1], 0.7), len(keys))
    return unit_rows(np.einsum("lh,lhd->ld", weights, scene_vectors[homes]) + 0.02)


def scene_shares(people: Audience, music: Catalog, rows: slice) -> Floats:
    """How each listener's first hearings by taste divide over scenes, summed up from the left, [rows, scenes]."""
    near = np.einsum("ld,sd->ls", people.vectors[rows], music.scene_vectors)
    weights = np.exp(WARMTH * near + 0.5 * people.country_colour[people.country[rows]])
    summed = np.cumsum(weights, axis=1)
    shares: npt.NDArray[np.float64] = summed / summed[:, -1:]
    return shares
