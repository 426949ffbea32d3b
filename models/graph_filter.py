"""GF-CF: collaborative filtering as a low-pass filter on the graph of tracks, without any training.

Shen et al. 2021, "How Powerful is Graph Convolution for Recommendation?". With R the plays as 0 and 1, and R~ =
D_u^-1/2 R D_i^-1/2, a taste x is blurred along the tracks that listeners share, and what its part in the strongest
singular vectors V of R~ says is added:

    scores = x R~' R~  +  share * x D_i^-1/2 V V' D_i^1/2

R~'R~ is never formed: it would be dense in a large catalog.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

from models.base import Interactions, ModelBroken, Scores, Taste
from models.files import (
    read_arrays,
    read_config,
    read_json,
    sparse_arrays,
    sparse_from_arrays,
    write_arrays,
    write_json,
)
from models.linear import LinearConfig, heard, powered, scaled, strengths_of
from models.products import product
from models.scoring import CELLS_AT_ONCE, ScoringModel
from models.search_space import ranged

PARTS = frozenset({"graph_data", "graph_indices", "graph_indptr", "vectors", "sums"})
SEED = 7  # where the search for singular vectors starts: it ends at the same ones
TOLERANCE = 1e-3  # of the singular values, relative: scores to four digits


@dataclass(frozen=True)
class GraphFilterConfig(LinearConfig):
    """`factors` are the singular vectors kept, `share` what the ideal filter counts beside the blurring one."""

    factors: int = ranged(256, 32, 512, log=True)
    share: float = ranged(0.3, 0.05, 1.0, log=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factors < 1 or self.share < 0:
            raise ValueError(f"a graph filter with {self.factors} factors, share {self.share}; wanted 1, and 0 or more")


@dataclass(frozen=True)
class GraphFilter(ScoringModel):
    """`graph` [listeners, tracks] is R~, `vectors` [tracks, factors] V, `sums` [tracks] the diagonal of D_i."""

    config: GraphFilterConfig
    graph: csr_array
    vectors: Scores
    sums: Scores
    name: ClassVar[str] = "gf-cf"
    settings: ClassVar[type[GraphFilterConfig]] = GraphFilterConfig

    @property
    def tracks(self) -> int:
        return len(self.vectors)

    @cached_property
    def by_track(self) -> csr_array:
        """R~' in rows, made at its first use."""
        return csr_array(self.graph.T)

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        told = heard(tastes, self.tracks, self.config.power)
        scores = np.empty((len(tastes), self.tracks), np.float32)
        at_once = max(1, CELLS_AT_ONCE // max(self.graph.shape))  # a taste is spread over all listeners, too
        with threadpool_limits(1, "blas"):
            for start in range(0, len(tastes), at_once):
                part = slice(start, start + at_once)
                scores[part] = self.filtered(told[part]).T
        return scores

    def filtered(self, told: csr_array) -> Scores:
        """The scores [tracks, tastes] of strengths [tastes, tracks]."""
        blurred = product(self.by_track, (self.graph @ told.T).toarray())
        blurred += self._ideal(told)
        return blurred

    def _ideal(self, told: csr_array) -> Scores:
        sums = self.sums.astype(np.float64)
        into = (self.config.share * powered(sums, -0.5))[:, None] * self.vectors
        inside = told @ into.astype(np.float32)
        found: Scores = (powered(sums, 0.5).astype(np.float32)[:, None] * self.vectors) @ inside.T
        return found

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        arrays = {"vectors": self.vectors, "sums": self.sums, **sparse_arrays("graph", self.graph)}
        write_arrays(folder / "arrays.npz", arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(cls.settings, read_json(folder / "config.json"), folder / "config.json")
        arrays = read_arrays(folder / "arrays.npz", PARTS)
        vectors, sums = arrays["vectors"], arrays["sums"]
        if vectors.ndim != 2 or sums.shape != (len(vectors),) or vectors.dtype != np.float32:
            found = f"vectors {vectors.dtype}{vectors.shape}, sums {sums.shape}"
            raise ModelBroken(f"reading {folder}: found {found}, wanted a row and a sum a track, in float32")
        try:
            shape = (len(arrays["graph_indptr"]) - 1, len(vectors))
            graph = sparse_from_arrays("graph", arrays, shape)
        except (ValueError, IndexError) as error:
            raise ModelBroken(f"reading {folder}: {error}; wanted a graph over {len(vectors)} tracks") from error
        if not all(np.isfinite(part).all() for part in (vectors, sums, graph.data)):
            raise ModelBroken(f"reading {folder}: found NaN or infinity, wanted numbers")
        return cls(config, graph, vectors, sums)


def fit_graph_filter(interactions: Interactions, config: GraphFilterConfig) -> GraphFilter:
    """The graph and its strongest vectors."""
    return GraphFilter(config, *spectrum(interactions, config))


def spectrum(interactions: Interactions, config: GraphFilterConfig) -> tuple[csr_array, Scores, Scores]:
    """R~, V and the sums. Where there are fewer singular vectors than wanted, all but one are kept."""
    strengths = strengths_of(interactions, config.power)
    graph = scaled(strengths, 0.5, 0.5)
    sums = np.asarray(strengths.sum(axis=0, dtype=np.float64)).astype(np.float32)
    count = min(config.factors, min(graph.shape) - 1)
    with threadpool_limits(1, "blas"):  # one order of summation, whatever the machine
        random = np.random.default_rng(SEED)
        _, values, vectors = svds(graph, count, tol=TOLERANCE, rng=random)
    order = np.argsort(-values, kind="stable")
    return graph, np.ascontiguousarray(vectors[order].T, np.float32), sums
