"""EASE: every track predicted from all others by one ridge regression in closed form.

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data": |X - X B|^2 + lambda |B|^2 is least, with a diagonal
of zeros, where B_ij = -P_ij / P_jj with P = (X'X + lambda I)^-1. X is scaled before, d_u^-a X d_i^-b, so that a
listener of many tracks does not outvote others, nor a track of many listeners; the scale of the tracks is put back into
B. One matrix in float32 is inverted where it lies.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.linalg.lapack import spotrf, spotri
from scipy.sparse import csr_array

from models.base import Floats, Interactions, ModelBroken, Positions, Scores
from models.files import read_arrays, read_config, read_json, write_arrays, write_json
from models.linear import LinearConfig, LinearModel, powered, scaled, strengths_of
from models.neighbours import gram
from models.search_space import ranged

GIGABYTE = 1_000_000_000
_ROWS_AT_ONCE = 1024


class CatalogTooLarge(ValueError):
    """The matrix of the catalog does not fit; says how large it would be and what was allowed."""


@dataclass(frozen=True)
class EaseConfig(LinearConfig):
    """`regularisation` is lambda, the exponents are a and b, `memory_gb` bounds the one matrix (10^9 bytes)."""

    regularisation: float = ranged(100.0, 1.0, 10_000.0, log=True)
    listener_exponent: float = ranged(0.0, 0.0, 0.5)
    track_exponent: float = ranged(0.0, 0.0, 0.5)
    memory_gb: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.regularisation > 0 and self.memory_gb > 0):
            found = f"regularisation {self.regularisation} and memory_gb {self.memory_gb}"
            raise ValueError(f"EASE with {found}; wanted both above 0")
        if not (0 <= self.listener_exponent <= 1 and 0 <= self.track_exponent <= 1):
            found = f"listener_exponent {self.listener_exponent}, track_exponent {self.track_exponent}"
            raise ValueError(f"EASE with {found}; wanted 0 to 1")


class Ease(LinearModel):
    """`shares` [tracks, tracks] is B, dense."""

    shares: Scores
    name: ClassVar[str] = "ease"
    settings = EaseConfig

    def of(self, tracks: Positions, items: Positions) -> Floats:
        return self.shares[np.ix_(tracks, items)].astype(np.float64)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", {"shares": self.shares})

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(EaseConfig, read_json(folder / "config.json"), folder / "config.json")
        shares = read_arrays(folder / "arrays.npz", frozenset({"shares"}))["shares"]
        if shares.ndim != 2 or shares.shape[0] != shares.shape[1] or shares.dtype != np.float32:
            raise ModelBroken(f"reading {folder}: found {shares.dtype}{shares.shape}, wanted a square in float32")
        if not np.isfinite(shares).all():
            raise ModelBroken(f"reading {folder}: found NaN or infinity, wanted numbers")
        return cls(config, shares)


def fit_ease(interactions: Interactions, config: EaseConfig) -> Ease:
    """Fit in place. Raises `CatalogTooLarge`."""
    size_gb = interactions.tracks**2 * 4 / GIGABYTE
    if size_gb > config.memory_gb:
        found = f"{interactions.tracks} tracks take {size_gb:.1f} GB"
        raise CatalogTooLarge(f"EASE: {found}, memory_gb allows {config.memory_gb}; sparse-ease fits such catalogs")
    strengths = strengths_of(interactions, config.power)
    products = gram(scaled(strengths, config.listener_exponent, config.track_exponent))
    shares = _inverse(products, config.regularisation)
    of_diagonal = shares.diagonal().copy()
    sums = np.asarray(strengths.sum(axis=0, dtype=np.float64))
    of_row = powered(sums, -config.track_exponent).astype(np.float32)
    of_column = (-powered(sums, config.track_exponent) / of_diagonal).astype(np.float32)
    shares *= of_column
    shares *= of_row[:, None]
    np.fill_diagonal(shares, 0.0)
    return Ease(config, shares)


def _inverse(products: csr_array, ridge: float) -> Scores:
    """(G + ridge I)^-1 of a sparse G, dense in float32: Cholesky's factor and the inverse lie where G lay."""
    tracks = products.shape[0]
    matrix = np.zeros((tracks, tracks), np.float32)
    for start in range(0, tracks, _ROWS_AT_ONCE):
        products[start : start + _ROWS_AT_ONCE].todense(out=matrix[start : start + _ROWS_AT_ONCE])
    matrix.ravel()[:: tracks + 1] += np.float32(ridge)
    for step in (spotrf, spotri):  # the transposed view is in Fortran's order, and symmetric: no copy is made
        _, failed = step(matrix.T, lower=1, **{"overwrite_a" if step is spotrf else "overwrite_c": 1})
        if failed:
            raise np.linalg.LinAlgError(f"EASE of {tracks} tracks with ridge {ridge}: not positive definite ({failed})")
    for start in range(0, tracks, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, tracks)
        matrix[start:stop, :start] = matrix[:start, start:stop].T
        block = np.triu(matrix[start:stop, start:stop])
        matrix[start:stop, start:stop] = block + np.triu(block, 1).T
    return matrix
