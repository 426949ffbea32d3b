"""BSPM: a taste is blurred over the graph of tracks and then sharpened, as two processes in time.

Choi et al. 2023, "Blurring-Sharpening Process Models for Collaborative Filtering" (its "early merge"). What GF-CF
scores is the blurred taste; the heat equation run backwards over R~'R~ sharpens it:

    dy/dt = -y R~'R~   from t = 0 to `sharpening`, in `steps` of fourth order (Runge and Kutta)

The equation is linear, so that one step is the Taylor polynomial of its exponential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scipy.sparse import csr_array

from models.base import Interactions, Scores
from models.graph_filter import GraphFilter, GraphFilterConfig, spectrum
from models.products import product
from models.search_space import ranged

ORDER = 4


@dataclass(frozen=True)
class BspmConfig(GraphFilterConfig):
    """`sharpening` is the time that the second process runs; 0 leaves GF-CF."""

    factors: int = ranged(448, 32, 512, log=True)
    share: float = ranged(0.2, 0.05, 1.0, log=True)
    sharpening: float = ranged(2.5, 0.0, 3.0)
    steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sharpening < 0 or self.steps < 1:
            raise ValueError(f"BSPM with sharpening {self.sharpening} in {self.steps} steps; wanted 0 and 1 or more")


@dataclass(frozen=True)
class Bspm(GraphFilter):
    """The arrays of GF-CF; the sharpening is done as it is asked."""

    config: BspmConfig
    name: ClassVar[str] = "bspm"
    settings: ClassVar[type[GraphFilterConfig]] = BspmConfig

    def filtered(self, told: csr_array) -> Scores:
        scores = super().filtered(told)
        span = self.config.sharpening / self.config.steps
        for _ in range(self.config.steps if span else 0):
            term = scores
            for order in range(1, ORDER + 1):
                term = product(self.by_track, product(self.graph, term))
                term *= -span / order
                scores = scores + term
        return scores


def fit_bspm(interactions: Interactions, config: BspmConfig) -> Bspm:
    """The graph and its strongest vectors."""
    return Bspm(config, *spectrum(interactions, config))
