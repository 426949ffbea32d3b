"""Item neighbours: a track is recommended by the heard tracks that the same listeners play.

The similarity of a heard track i to a track j is a cosine of their weighted columns, which may be asymmetric (Aiolli
2013, "Efficient Top-N Recommendation for Very Large Scale Binary Rated Datasets") and is shrunk where few plays tell
(Bell and Koren 2007, "Improved Neighborhood-based Collaborative Filtering"):

    s_ij = v_i . v_j / (|v_i|^2c |v_j|^2(1-c) + shrinkage)

c = 1/2 is the cosine; above it popular tracks j are held back less. Columns are weighted as texts weigh words, a
listener being a text and a track a word: tf-idf, or BM25 (Robertson et al. 1994) with its usual k1 and b. Each track
hears its most similar ones only (Sarwar et al. 2001, "Item-Based Collaborative Filtering").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from models.base import Floats, Interactions
from models.linear import LinearConfig, SparseLinearModel, powered, strengths_of
from models.neighbours import by_column, gram, strongest
from models.search_space import one_of, ranged

K1, B = 1.2, 0.75  # BM25: how soon further plays stop to matter, and how much a long history is held back


@dataclass(frozen=True)
class ItemKnnConfig(LinearConfig):
    """`neighbours` each track hears, `asymmetry` is c, `shrinkage` is in units of the weighted similarity."""

    weighting: str = one_of("none", "none", "tf-idf", "bm25")
    neighbours: int = ranged(200, 20, 500)
    asymmetry: float = ranged(0.5, 0.3, 0.7)
    shrinkage: float = ranged(0.0, 0.0, 500.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weighting not in ("none", "tf-idf", "bm25"):
            raise ValueError(f"item neighbours weighted by {self.weighting!r}; wanted none, tf-idf or bm25")
        if self.neighbours < 1 or not 0 <= self.asymmetry <= 1 or self.shrinkage < 0:
            found = f"{self.neighbours} neighbours, asymmetry {self.asymmetry}, shrinkage {self.shrinkage}"
            raise ValueError(f"item neighbours with {found}; wanted 1 or more, 0 to 1, and 0 or more")


class ItemKnn(SparseLinearModel):
    """`shares` [tracks, tracks]: the similarity of the row to the column, for the column's neighbours."""

    name: ClassVar[str] = "item-knn"
    settings = ItemKnnConfig


def fit_item_knn(interactions: Interactions, config: ItemKnnConfig) -> ItemKnn:
    """Compare all tracks. Raises ValueError where listeners have too many tracks to count pairs of them."""
    products = gram(_weighted(strengths_of(interactions, config.power), config.weighting))
    squares = products.diagonal().astype(np.float64)
    of_heard, of_asked = powered(squares, config.asymmetry), powered(squares, 1.0 - config.asymmetry)
    asked = np.repeat(of_asked, np.diff(products.indptr))
    products.data = (products.data / (of_heard[products.indices] * asked + config.shrinkage)).astype(np.float32)
    return ItemKnn(config, by_column(*strongest(products, np.ones(len(squares)), config.neighbours)))


def _weighted(strengths: csr_array, weighting: str) -> csr_array:
    if weighting == "none":
        return strengths
    listeners, lengths = strengths.shape[0], np.asarray(strengths.sum(axis=1, dtype=np.float64))
    heard_by = np.bincount(strengths.indices, minlength=strengths.shape[1])
    rare = np.log((1.0 + listeners) / (1.0 + heard_by))
    of_row = np.repeat(lengths / max(lengths.mean(), 1e-30), np.diff(strengths.indptr))
    found = strengths.copy()
    found.data = (_frequency(strengths.data, of_row, weighting) * rare[strengths.indices]).astype(np.float32)
    return found


def _frequency(plays: Floats, relative_length: Floats, weighting: str) -> Floats:
    """How much plays weigh: the root of their number, or BM25's saturation by the length of the history."""
    if weighting == "tf-idf":
        return np.sqrt(plays)
    return plays * (K1 + 1.0) / (plays + K1 * (1.0 - B + B * relative_length))
