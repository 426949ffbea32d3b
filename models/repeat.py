"""The listener's own repeats: the tracks that they have played most, decayed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from models.base import Citations, Floats, Interactions, Model, ModelBroken, Positions, Ranked, Taste, cited, ranked
from models.files import read_json, write_json


@dataclass(frozen=True)
class Repeat(Model):
    """It learns nothing but the size of the catalog: all it needs is in the taste that it is asked about."""

    catalog_size: int
    name: ClassVar[str] = "repeat"

    @property
    def tracks(self) -> int:
        return self.catalog_size

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        """The heaviest tracks of the taste; of equal ones the earlier in it, which was heard first."""
        wanted = taste.weights if exclude is None else np.where(np.isin(taste.tracks, exclude), -np.inf, taste.weights)
        best = ranked(np.arange(len(wanted)), wanted, k)
        return Ranked(taste.tracks[best.items], best.scores)

    def scores(self, taste: Taste, items: Positions) -> Floats:
        return np.where(items[:, None] == taste.tracks, taste.weights, 0.0).sum(axis=1)

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        """An item rests on the plays of that very track."""
        return cited(np.where(items[:, None] == taste.tracks, np.minimum(plays, taste.weights), 0.0), limit)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", {"tracks": self.catalog_size})

    @classmethod
    def load(cls, folder: Path) -> Self:
        tracks = read_json(folder / "config.json").get("tracks")
        if not isinstance(tracks, int):
            raise ModelBroken(f"reading {folder}: found tracks {tracks!r}, wanted a whole number")
        return cls(tracks)


def fit_repeat(interactions: Interactions) -> Repeat:
    """For the catalog of these interactions."""
    return Repeat(interactions.tracks)
