"""What everybody plays, by decayed plays: the answer before there is a better one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from models.base import Citations, Floats, Interactions, Model, ModelBroken, Positions, Ranked, Taste
from models.files import read_arrays, write_arrays


@dataclass(frozen=True)
class Popularity(Model):
    """`shares` [tracks]: each track's share of all decayed plays."""

    shares: Floats
    name: ClassVar[str] = "popularity"

    @property
    def tracks(self) -> int:
        return len(self.shares)

    @cached_property
    def order(self) -> Positions:
        """All tracks, the most popular first, ties by position."""
        return np.lexsort((np.arange(self.tracks), -self.shares.astype(np.float32)))

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:  # noqa: ARG002 (same for all)
        best = self.best_but(k, exclude)
        return Ranked(best, self.shares[best].astype(np.float32))

    def best_but(self, k: int, exclude: Positions | None) -> Positions:
        """The `k` most popular tracks that are not excluded."""
        if exclude is None or not len(exclude):
            return self.order[:k]
        leading = self.order[: k + len(exclude)]
        return leading[~np.isin(leading, exclude)][:k]

    def scores(self, taste: Taste, items: Positions) -> Floats:  # noqa: ARG002 (same for all)
        return self.shares[items]

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:  # noqa: ARG002
        """Nothing that one listener played explains what everybody plays."""
        return Citations.none(len(items), limit)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder / "arrays.npz", {"shares": self.shares})

    @classmethod
    def load(cls, folder: Path) -> Self:
        shares = read_arrays(folder / "arrays.npz", frozenset({"shares"}))["shares"]
        if shares.ndim != 1 or shares.dtype != np.float64 or not np.isfinite(shares).all():
            raise ModelBroken(f"reading {folder}: found shares {shares.dtype}{shares.shape}, wanted numbers [tracks]")
        return cls(shares)


def fit_popularity(interactions: Interactions) -> Popularity:
    """Shares of the decayed plays; all zero where nobody played anything."""
    total = interactions.popularity.sum()
    return Popularity(interactions.popularity / total if total > 0 else np.zeros(interactions.tracks))
