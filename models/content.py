"""Tracks by what is told of them rather than by who plays them, so that what nobody has played yet has a place too.

Every kind of attribute is a block of its own (`Interactions.attributes`): counts of tags, hashed pieces of names, or
dense vectors that a model of sound would give. Blocks of counts are weighed by TF-IDF (Salton and Buckley 1988) and
reduced by a truncated SVD (latent semantic analysis, Deerwester et al. 1990). Two learners use them:

- `Content` likes what resembles the taste: the sum of the cosines with what was played (Lops et al. 2011's survey);
- `fit_als_content` maps attributes to factors by a ridge regression over the played tracks, and gives the others the
  vectors that the map foretells ("attribute-to-feature mappings", Gantner et al. 2010; CB2CF, Barkan et al. 2019).

Blocks are in order of trust: what a later one tells counts little beside an earlier one, and a map from it serves only
the tracks of which no earlier one tells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

from models.als import AlsConfig, AlsModel
from models.als_training import fit_als
from models.base import Floats, Interactions, ModelBroken, Positions, Scores, Taste
from models.files import read_arrays, read_config, read_json, write_arrays, write_json
from models.progress import UNHEARD, Progress
from models.scoring import ScoringModel


@dataclass(frozen=True)
class ContentConfig:
    """`dimensions` is how many each block is reduced to; every block after the first counts `others` of the first."""

    dimensions: int = 128
    others: float = 0.1
    seed: int = 7

    def __post_init__(self) -> None:
        if self.dimensions < 1 or not self.others >= 0:
            found = f"{self.dimensions} dimensions and others at {self.others}"
            raise ValueError(f"content with {found}; wanted 1 or more dimensions, and a weight of 0 or more")


@dataclass(frozen=True)
class Content(ScoringModel):
    """`vectors` [tracks, dimensions] float32, each of length 1 within each block that tells of it, or zero."""

    config: ContentConfig
    vectors: Scores
    name: ClassVar[str] = "content"

    @property
    def tracks(self) -> int:
        return len(self.vectors)

    def says_nothing(self, taste: Taste) -> bool:
        return not self.vectors[taste.tracks].any()

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        profiles = [taste.weights @ self.vectors[taste.tracks] for taste in tastes]
        return np.stack(profiles).astype(np.float32) @ self.vectors.T

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", {"vectors": self.vectors})

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(ContentConfig, read_json(folder / "config.json"), folder / "config.json")
        vectors = read_arrays(folder / "arrays.npz", frozenset({"vectors"}))["vectors"]
        if vectors.ndim != 2 or vectors.dtype != np.float32 or not np.isfinite(vectors).all():
            raise ModelBroken(f"reading {folder}: found vectors {vectors.dtype}{vectors.shape}; wanted finite float32")
        return cls(config, vectors)


def fit_content(interactions: Interactions, config: ContentConfig = ContentConfig()) -> Content:
    """Of attributes alone: who plays what is not looked at. Raises ValueError where there are none."""
    return Content(config, content_vectors(interactions, config))


def content_vectors(interactions: Interactions, config: ContentConfig) -> Scores:
    """The blocks side by side [tracks, dimensions], float32. Raises ValueError for none, and for NaN."""
    first, *others = content_blocks(interactions, config)
    return np.hstack([first, *(block * config.others for block in others)]).astype(np.float32)


def content_blocks(interactions: Interactions, config: ContentConfig) -> list[Floats]:
    """Each block [tracks, its dimensions], rows of length 1 or 0. Raises ValueError for no block, and for NaN."""
    if not interactions.attributes:
        raise ValueError("content: found no attributes of tracks; wanted one block of them at least")
    with threadpool_limits(1, "blas"):  # one order of summation, whatever the machine
        return [_reduced(block, config) for block in interactions.attributes]


@dataclass(frozen=True)
class AlsContentConfig(AlsConfig):
    """ALS, the attributes as for `Content`, and the `ridge` that the map's coefficients pay for their length."""

    dimensions: int = 128
    others: float = 0.1
    ridge: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ridge > 0:
            raise ValueError(f"a map with a ridge of {self.ridge}; wanted above 0")

    @property
    def als(self) -> AlsConfig:
        """What ALS is told of it."""
        return AlsConfig(**{each.name: getattr(self, each.name) for each in dataclasses.fields(AlsConfig)})

    @property
    def content(self) -> ContentConfig:
        """How attributes are read."""
        return ContentConfig(self.dimensions, self.others, self.seed)


def fit_als_content(
    interactions: Interactions,
    config: AlsContentConfig = AlsContentConfig(),
    threads: int = 0,
    progress: Progress = UNHEARD,
) -> AlsModel:
    """ALS in which tracks that nobody has played have the vectors that their attributes foretell.

    Raises ValueError where no attributes are told.
    """
    blocks = content_blocks(interactions, config.content)
    listeners = np.bincount(interactions.weights.indices, minlength=interactions.tracks)
    return with_unplayed(fit_als(interactions, config.als, threads, progress), blocks, listeners, config.ridge)


def with_unplayed(model: AlsModel, blocks: Sequence[Floats], listeners: Positions, ridge: float) -> AlsModel:
    """The model with a vector for each track that has none, by the first of the `blocks` that tells of it.

    A map is learned over played tracks, each weighed by the root of how many `listeners` [tracks] it has: the more, the
    surer its vector. The Gram matrix stays that of the played tracks, and so does the vector of every listener.
    """
    vectors, played = model.vectors.copy(), model.lengths > 0
    missing = ~played
    for block in blocks:
        told = block.any(axis=1)
        if (learned := played & told).any() and (new := missing & told).any():
            weights = np.sqrt(listeners[learned])
            with threadpool_limits(1, "blas"):
                mapped = _ridge_map(_with_constant(block[learned]), model.vectors[learned], weights, ridge)
                vectors[new] = _with_constant(block[new]) @ mapped
            missing &= ~told
    return AlsModel(model.config, vectors, model.gram)


def _ridge_map(features: Floats, targets: Scores, weights: Floats, ridge: float) -> Floats:
    """B of least sum of w |f B - t|^2 + ridge |B|^2, [features, factors]; the constant, the last feature, is free."""
    penalty = np.full(features.shape[1], ridge)
    penalty[-1] = 1e-9
    weighed = features * weights[:, None]
    return np.asarray(np.linalg.solve(features.T @ weighed + np.diag(penalty), weighed.T @ targets), np.float64)


def _with_constant(block: Floats) -> Floats:
    return np.hstack([block, np.ones((len(block), 1))])


def _reduced(block: csr_array | Scores, config: ContentConfig) -> Floats:
    """A block [tracks, at most `dimensions`], rows of length 1 or 0; dense vectors keep their dimensions."""
    values = block if isinstance(block, np.ndarray) else block.data
    if not np.isfinite(values).all():
        raise ValueError(f"attributes with {int((~np.isfinite(values)).sum()):,} NaN or infinite; wanted numbers")
    if isinstance(block, np.ndarray):
        return _unit_rows(block.astype(np.float64))
    return _unit_rows(_projected(tf_idf(block), config))


def tf_idf(counts: csr_array) -> csr_array:
    """(1 + ln count) ln((1 + tracks with any) / (1 + tracks with it)), rows of length 1; no attribute, no length."""
    table = counts.astype(np.float64)
    table.eliminate_zeros()
    told = int((np.diff(table.indptr) > 0).sum())
    rarity = np.log((1.0 + told) / (1.0 + np.bincount(table.indices, minlength=table.shape[1])))
    table.data = (1.0 + np.log(table.data)) * rarity[table.indices]
    lengths = np.sqrt(np.asarray((table * table).sum(axis=1)))
    table.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(table.indptr))
    return table


def _projected(table: csr_array, config: ContentConfig) -> Floats:
    """The rows on the leading right singular vectors, the strongest first, signs by their largest entry."""
    smaller = min(table.shape)
    if config.dimensions < smaller:
        start = np.random.default_rng(config.seed).standard_normal(smaller)
        _, strengths, right = svds(table, k=config.dimensions, v0=start)
        right = right[np.argsort(-strengths, kind="stable")]
    else:
        right = np.linalg.svd(table.toarray(), full_matrices=False)[2]
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    return np.asarray(table @ (right * signs[:, None]).T, np.float64)


def _unit_rows(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
