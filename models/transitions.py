"""What follows what: a first-order Markov chain over the tracks of a session, smoothed towards popularity.

The probability of the next track is the Dirichlet-smoothed share of MacKay and Peto 1995, "A hierarchical Dirichlet
language model":  (times followed + prior * share of all plays) / (times left + prior).
With a prior of at most 1, whatever has followed comes before whatever has not; only that is recommended. Where nothing
is known to follow, or there is no current track, the answer is popularity.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from models.base import Citations, Floats, Interactions, Model, ModelBroken, Positions, Ranked, Taste, cited, ranked
from models.files import (
    read_arrays,
    read_config,
    read_json,
    sparse_arrays,
    sparse_from_arrays,
    write_arrays,
    write_json,
)
from models.popularity import Popularity, fit_popularity
from models.reaching import looked_up
from models.search_space import ranged

_ARRAYS = frozenset({"shares", "times_data", "times_indices", "times_indptr"})


@dataclass(frozen=True)
class TransitionsConfig:
    """`prior` is how many transitions popularity is worth, above 0 and at most 1."""

    prior: float = ranged(1.0, 0.01, 1.0, log=True)

    def __post_init__(self) -> None:
        if not 0 < self.prior <= 1:
            raise ValueError(f"transitions with a prior of {self.prior}; wanted above 0 and at most 1")


@dataclass(frozen=True)
class Transitions(Model):
    """`times` [tracks, tracks] float64: how often the column followed the row; the popularity to back off to."""

    config: TransitionsConfig
    times: csr_array
    popularity: Popularity
    name: ClassVar[str] = "transitions"

    @property
    def tracks(self) -> int:
        return self.popularity.tracks

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        followers, _ = self._followers(taste)
        if not len(followers):
            return self.popularity.recommend(taste, k, exclude)
        wanted = followers if exclude is None else followers[~np.isin(followers, exclude)]
        return ranked(wanted, self.scores(taste, wanted), k)

    def scores(self, taste: Taste, items: Positions) -> Floats:
        followers, times = self._followers(taste)
        followed = looked_up(followers, times, items)
        return (followed + self.config.prior * self.popularity.shares[items]) / (times.sum() + self.config.prior)

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:  # noqa: ARG002
        """The play of the current track, where what follows it is likelier than it is popular."""
        lower = self.scores(taste, items) - self.popularity.shares[items]
        is_current = taste.tracks == (-1 if taste.current is None else taste.current)
        return cited(np.where(is_current, lower[:, None], 0.0), limit)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", {"shares": self.popularity.shares, **sparse_arrays("times", self.times)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(TransitionsConfig, read_json(folder / "config.json"), folder / "config.json")
        arrays = read_arrays(folder / "arrays.npz", _ARRAYS)
        tracks = len(arrays["shares"])
        try:
            times = sparse_from_arrays("times", arrays, (tracks, tracks))
        except ValueError as error:
            raise ModelBroken(f"reading {folder}: {error}; wanted a sparse matrix over {tracks} tracks") from error
        if not (np.isfinite(times.data).all() and np.isfinite(arrays["shares"]).all()):
            raise ModelBroken(f"reading {folder}: found NaN or infinity, wanted numbers")
        return cls(config, times, Popularity(arrays["shares"]))

    def _followers(self, taste: Taste) -> tuple[Positions, Floats]:
        """What has followed the current track, by position, and how often; nothing where it is unknown."""
        if taste.current is None:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        row = slice(self.times.indptr[taste.current], self.times.indptr[taste.current + 1])
        return self.times.indices[row].astype(np.int64), self.times.data[row]


def fit_transitions(interactions: Interactions, config: TransitionsConfig = TransitionsConfig()) -> Transitions:
    """Counts as they are, and the popularity that they are smoothed with."""
    times = interactions.transitions.astype(np.float64)
    times.sum_duplicates()
    times.eliminate_zeros()
    return Transitions(config, times, fit_popularity(interactions))
