"""How large a world is, and where its random numbers come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from warehouse.rules.quantity import DAY_MS

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

FEWEST_TRACKS = 50


class WorldRefused(Exception):
    """A world of that size cannot be made."""


@dataclass(frozen=True)
class WorldConfig:
    """The size of a world; the same configuration gives the same rows.

    `plays` is about how many there will be: their number is drawn, and those that would end after `last_day` are not
    there.
    """

    listeners: int = 2_000
    tracks: int = 5_000
    plays: int = 200_000
    days: int = 90
    last_day: date = date(2026, 6, 30)
    seed: int = 1
    genres: int = 12
    dimensions: int = 16

    def __post_init__(self) -> None:
        if self.listeners < 1 or self.plays < 1 or self.days < 1 or self.tracks < FEWEST_TRACKS:
            raise WorldRefused(
                f"making a world: found {self.listeners} listeners, {self.tracks} tracks, {self.plays} plays, "
                f"{self.days} days; wanted at least 1, {FEWEST_TRACKS}, 1 and 1"
            )

    @property
    def first_day(self) -> date:
        return self.last_day - timedelta(days=self.days - 1)

    @property
    def first_ms(self) -> int:
        midnight = datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC)
        return round(midnight.timestamp() * 1_000)

    @property
    def end_ms(self) -> int:
        """The midnight that ends the last day."""
        return self.first_ms + self.days * DAY_MS


class Stream(IntEnum):
    """What random numbers are drawn for: each has its own, so that more of one changes none of another."""

    CATALOG = 1
    NAMES = 2
    AUDIENCE = 3
    LISTENING = 4
    SHELVES = 5


def generator(config: WorldConfig, stream: Stream, part: int = 0) -> np.random.Generator:
    """The random numbers of one part of one stream."""
    return np.random.default_rng([config.seed, stream, part])


def unit_rows(matrix: Floats) -> Floats:
    """Rows scaled to length 1."""
    return matrix / np.sqrt(np.einsum("ij,ij->i", matrix, matrix))[:, None]


def dots(left: Floats, right: Floats) -> Floats:
    """Inner products row by row, [rows]. Not BLAS, whose order of summing differs between machines."""
    return np.einsum("ij,ij->i", left, right)
