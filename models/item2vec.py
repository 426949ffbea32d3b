"""Tracks as vectors that lie close where sessions hold them together (item2vec, Barkan and Koenigstein 2016).

Skip-gram with negative sampling over sessions as sentences. A taste is answered with the tracks whose vectors point the
way of its latest plays, the later the heavier; where no order is known, of its tracks by their weight. The fit is in
`models.item2vec_training`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.base import Floats, ModelBroken, Positions, Ranked, Scores, Taste, TrackPosition, ranked
from models.files import read_arrays, read_config, read_json, write_arrays, write_json
from models.scoring import ScoringModel


@dataclass(frozen=True)
class Item2vecConfig:
    """Pairs at most `window` plays apart; `negatives` tracks a batch, drawn by popularity to the power `exponent`.

    `frequent` is the share of all plays above which a track is thinned out (Mikolov et al. 2013; 0 thins nothing). What
    suits music is far from what suits words (Caselles-Dupre et al. 2018): long training and a power below zero, which
    draws rare tracks. An answer weighs the play before the last `fading` times the last, and so on.
    """

    dimensions: int = 64
    window: int = 5
    negatives: int = 64
    exponent: float = -0.5
    frequent: float = 1e-3
    epochs: int = 30
    batch: int = 4096
    learning_rate: float = 0.005
    fading: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        whole = ("dimensions", "window", "negatives", "epochs", "batch")
        if small := [name for name in whole if getattr(self, name) < 1]:
            raise ValueError(f"item2vec with {small[0]} {getattr(self, small[0])}; wanted 1 at least")
        if not 0 < self.fading <= 1:
            raise ValueError(f"item2vec with a fading of {self.fading}; wanted above 0 and at most 1")
        if not np.isfinite(self.exponent) or self.learning_rate <= 0 or self.frequent < 0 or self.seed < 0:
            raise ValueError("item2vec with a learning rate of 0 or less, or a negative share or seed; wanted neither")


@dataclass(frozen=True)
class Item2vec(ScoringModel):
    """`vectors` [tracks, dimensions] float32; zero where a track was never beside another."""

    config: Item2vecConfig
    vectors: npt.NDArray[np.float32]
    name: ClassVar[str] = "item2vec"

    @property
    def tracks(self) -> int:
        return len(self.vectors)

    @cached_property
    def directions(self) -> npt.NDArray[np.float32]:
        """The vectors at length 1 [tracks, dimensions], zero where they are."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return (self.vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        """Cosines with the way of the taste, times its length: the surer, the further from 0."""
        ways = np.stack([self._way(taste) for taste in tastes])
        return ways @ self.directions.T

    def scores(self, taste: Taste, items: Positions) -> Floats:
        return self.directions[items].astype(np.float64) @ self._way(taste).astype(np.float64)

    def similar(self, track: TrackPosition, k: int) -> Ranked:
        """The tracks whose vectors point the same way, by cosine; none for a track that was never beside another."""
        cosines = self.directions @ self.directions[track]
        cosines[~self.directions.any(axis=1)] = -np.inf
        cosines[track] = -np.inf
        return ranked(np.arange(self.tracks), cosines, k if self.directions[track].any() else 0)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", {"vectors": self.vectors})

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(Item2vecConfig, read_json(folder / "config.json"), folder / "config.json")
        vectors = read_arrays(folder / "arrays.npz", frozenset({"vectors"}))["vectors"]
        if vectors.ndim != 2 or vectors.shape[1] != config.dimensions or vectors.dtype != np.float32:
            found = f"vectors {vectors.shape} of {vectors.dtype}"
            raise ModelBroken(f"reading {folder}: found {found}, wanted [tracks, {config.dimensions}] of float32")
        if not np.isfinite(vectors).all():
            raise ModelBroken(f"reading {folder}: found NaN or infinity, wanted numbers")
        return cls(config, vectors)

    def _way(self, taste: Taste) -> npt.NDArray[np.float32]:
        """The sum of the directions of its plays by weight, over the sum of the weights [dimensions]."""
        tracks, weights = taste.recent.tracks, self.config.fading ** np.arange(len(taste.recent.tracks))[::-1]
        if not len(tracks):
            tracks, weights = taste.tracks, taste.weights
        whole = weights.sum()
        share = (weights / whole if whole > 0 else weights).astype(np.float32)
        return share @ self.directions[tracks]
