"""EASE for large catalogs: every track predicted by ridge regression from its nearest tracks alone.

The regression of `models.ease` with B allowed to differ from zero at k places of each column only. For track i and its
support S it is (G_SS + lambda I) b = G_Si, solved exactly, so that with all tracks in the support it is EASE. Choosing
the support by neighbourhood first is fsSLIM's (Ning and Karypis 2011, "SLIM: Sparse Linear Methods for Top-N
Recommender Systems"); the sparse approximation of EASE is Steck's (2019, "Markov Random Fields for Collaborative
Filtering"), and SANSA (Spišák et al. 2023) reaches one by a sparse approximate inverse. Which tracks support i is told
by what each takes off the squared error of i alone: G_ij^2 / (G_jj + lambda).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.base import Interactions
from models.linear import LinearConfig, SparseLinearModel, powered, scaled, strengths_of
from models.neighbours import by_column, gram, regressions, strongest
from models.search_space import ranged


@dataclass(frozen=True)
class SparseEaseConfig(LinearConfig):
    """`regularisation` is lambda, the exponents scale as those of EASE do, `neighbours` is k."""

    regularisation: float = ranged(10.0, 0.1, 10_000.0, log=True)
    listener_exponent: float = ranged(0.0, 0.0, 0.5)
    track_exponent: float = ranged(0.0, 0.0, 0.5)
    neighbours: int = ranged(100, 20, 200)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.regularisation > 0 or self.neighbours < 1:
            found = f"regularisation {self.regularisation} and {self.neighbours} neighbours"
            raise ValueError(f"sparse EASE with {found}; wanted above 0, and 1 or more")
        if not (0 <= self.listener_exponent <= 1 and 0 <= self.track_exponent <= 1):
            found = f"listener_exponent {self.listener_exponent}, track_exponent {self.track_exponent}"
            raise ValueError(f"sparse EASE with {found}; wanted 0 to 1")


class SparseEase(SparseLinearModel):
    """`shares` [tracks, tracks] is B, with at most `neighbours` entries a column."""

    name: ClassVar[str] = "sparse-ease"
    settings = SparseEaseConfig


def fit_sparse_ease(interactions: Interactions, config: SparseEaseConfig) -> SparseEase:
    """Fit each track by itself. Raises ValueError where listeners have too many tracks to count pairs of them."""
    strengths = strengths_of(interactions, config.power)
    products = gram(scaled(strengths, config.listener_exponent, config.track_exponent))
    takes = np.sqrt(products.diagonal().astype(np.float64) + config.regularisation)
    support, _ = strongest(products, takes, config.neighbours)
    shares = by_column(support, regressions(products, support, config.regularisation))
    sums = np.asarray(strengths.sum(axis=0, dtype=np.float64))
    rows = np.repeat(powered(sums, -config.track_exponent), np.diff(shares.indptr))
    columns = powered(sums, config.track_exponent)[shares.indices]
    shares.data = (shares.data * rows * columns).astype(np.float32)
    return SparseEase(config, shares)
