"""Models of one matrix of tracks by tracks: a heard track adds its row to every track's score.

So a score falls by exactly what a play adds when that play is taken back, and nothing is solved to explain an item.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from models.base import Citations, Floats, Interactions, ModelBroken, Positions, Scores, Taste, cited
from models.files import (
    read_arrays,
    read_config,
    read_json,
    sparse_arrays,
    sparse_from_arrays,
    write_arrays,
    write_json,
)
from models.scoring import NOISE, ScoringModel
from models.search_space import ranged

PARTS = frozenset({"shares_data", "shares_indices", "shares_indptr"})


@dataclass(frozen=True)
class LinearConfig:
    """`power` is what a weight in plays is raised to before it is added up: 1 counts plays, 0 asks only who heard."""

    power: float = ranged(0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 <= self.power <= 1:
            raise ValueError(f"{type(self).__name__} with power {self.power}; wanted 0 to 1")


@dataclass(frozen=True)
class LinearModel(ScoringModel):
    """Scores [tracks] of a taste x are x^power times `shares` [tracks, tracks], dense or sparse, in float32."""

    config: LinearConfig
    shares: Any
    settings: ClassVar[type[LinearConfig]]

    @property
    def tracks(self) -> int:
        return int(self.shares.shape[0])

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        found = heard(tastes, self.tracks, self.config.power) @ self.shares
        return found if isinstance(found, np.ndarray) else found.toarray()

    def scores(self, taste: Taste, items: Positions) -> Floats:
        return strengths(taste.weights, self.config.power) @ self.of(taste.tracks, items)

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        """A play's part is its track's share of the item, by how much of the track's strength goes with it."""
        if not len(taste.tracks) or not len(items):
            return Citations.none(len(items), limit)
        left = np.maximum(taste.weights - plays, 0.0)
        lost = strengths(taste.weights, self.config.power) - strengths(left, self.config.power)
        shares = self.of(taste.tracks, items)
        scale = np.abs(strengths(taste.weights, self.config.power) @ shares).max(initial=0.0)
        return cited(np.ascontiguousarray((lost[:, None] * shares).T), limit, NOISE * float(scale))

    @abstractmethod
    def of(self, tracks: Positions, items: Positions) -> Floats:
        """What each of these tracks gives to each of these items, [tracks, items]."""


class SparseLinearModel(LinearModel):
    """One whose shares are a sparse matrix."""

    def of(self, tracks: Positions, items: Positions) -> Floats:
        return self.shares[tracks].astype(np.float64)[:, items].toarray()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", {**dataclasses.asdict(self.config), "tracks": self.tracks})
        write_arrays(folder / "arrays.npz", sparse_arrays("shares", self.shares))

    @classmethod
    def load(cls, folder: Path) -> Self:
        document = read_json(folder / "config.json")
        tracks = document.pop("tracks", None)
        if not isinstance(tracks, int):
            raise ModelBroken(f"reading {folder}: found tracks {tracks!r}, wanted a whole number")
        config = read_config(cls.settings, document, folder / "config.json")
        arrays = read_arrays(folder / "arrays.npz", PARTS)
        try:
            shares = sparse_from_arrays("shares", arrays, (tracks, tracks))
        except (ValueError, IndexError) as error:
            raise ModelBroken(f"reading {folder}: {error}; wanted a matrix of {tracks} tracks") from error
        if shares.dtype != np.float32 or not np.isfinite(shares.data).all():
            raise ModelBroken(f"reading {folder}: found {shares.dtype}, or NaN or infinity; wanted numbers in float32")
        return cls(config, shares)


def strengths(weights: Floats, power: float) -> Floats:
    """Weights in plays, raised to the power; what has no weight has no strength."""
    return np.where(weights > 0, weights, 0.0) ** power * (weights > 0)


def heard(tastes: Sequence[Taste], tracks: int, power: float) -> csr_array:
    """The strengths of these tastes [tastes, tracks] in float32."""
    starts = np.concatenate([[0], np.cumsum([len(taste.tracks) for taste in tastes])])
    columns = np.concatenate([taste.tracks for taste in tastes])
    values = strengths(np.concatenate([taste.weights for taste in tastes]), power)
    return csr_array((values.astype(np.float32), columns, starts), shape=(len(tastes), tracks))


def strengths_of(interactions: Interactions, power: float) -> csr_array:
    """The strengths of everybody's plays [listeners, tracks] in float32, rows in order of position."""
    found = csr_array(interactions.weights, copy=True)
    found.data = strengths(found.data.astype(np.float64), power).astype(np.float32)
    found.eliminate_zeros()
    found.sort_indices()
    return found


def scaled(matrix: csr_array, listener_exponent: float, track_exponent: float) -> csr_array:
    """Each row and each column divided by a power of its own sum: d_u^-a X d_i^-b, in float32."""
    rows = powered(np.asarray(matrix.sum(axis=1, dtype=np.float64)), -listener_exponent)
    columns = powered(np.asarray(matrix.sum(axis=0, dtype=np.float64)), -track_exponent)
    found = matrix.copy()
    found.data = (matrix.data * np.repeat(rows, np.diff(matrix.indptr)) * columns[matrix.indices]).astype(np.float32)
    return found


def powered(sums: npt.NDArray[np.floating], exponent: float) -> Floats:
    """Each sum to the power; zero where the sum is zero."""
    return np.where(sums > 0, np.where(sums > 0, sums, 1.0) ** exponent, 0.0)
