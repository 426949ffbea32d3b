"""Implicit ALS: tracks and listeners as vectors whose inner product says how much a listener is into a track.

**The loss**, said once for every engine that fits it (Hu, Koren and Volinsky 2008, "Collaborative Filtering for
Implicit Feedback Datasets"; the power of n is Zhou et al. 2008's weighted regularisation, the rest of its base is
Rendle et al. 2021's, "Revisiting the Performance of iALS on Item Recommendation Benchmarks"):

    sum over all pairs (u, i) of  c_ui (p_ui - x_u . y_i)^2
        + lambda * (sum over u of (n_u + w I)^nu |x_u|^2  +  sum over i of (n_i + w U)^nu |y_i|^2)

with r the decayed plays of a pair, p = 1 where r > 0 and else 0, c = 1 + alpha r, n the number of positive r of a row,
nu from 0 to 1, w what a pair without a play counts beside one with, and U listeners of I tracks. `implicit` optimises
nu = 0, Spark MLlib nu = 1 and w = 0, see `models.als_training`; both end in this model. With r of 0 and 1, Rendle's
loss of alpha0 and lambda ranks as this one of alpha = 1 / alpha0, w = alpha0 and lambda (1 + alpha).

The model keeps the tracks' vectors and their Gram matrix, and no listener: a taste is folded in when it is asked about.
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
from scipy.linalg.lapack import dposv, dpotrf, dpotri

from models.base import (
    NOBODY,
    Citations,
    Floats,
    Model,
    ModelBroken,
    Positions,
    Ranked,
    Scores,
    Taste,
    TrackPosition,
    cited,
    ranked,
)
from models.files import read_arrays, read_config, read_json, write_arrays, write_json
from models.retrieval import InnerProducts, batches
from models.search_space import ranged

MOST_FACTORS = 4_096  # a step is cubic or square in them: more would end in hours, or without memory
NOISE = 1e-9  # a drop below this share of what plays give to a score is rounding, and is not cited


@dataclass(frozen=True)
class AlsConfig:
    """What the loss is and how long to descend it: `frequency_exponent` is its nu, `unobserved_weight` its w.

    `conjugate_steps` of 0 leaves it to the engine of its nu: `implicit` takes three steps of conjugate gradients where
    that is 0, and elsewhere each row is solved exactly. Else each half-step takes that many steps of conjugate
    gradients, 3 being as good as an exact one in practice and much cheaper with many factors.
    """

    factors: int = ranged(64, 16, 256, log=True)
    regularisation: float = ranged(5.0, 0.01, 100.0, log=True)
    alpha: float = ranged(100.0, 0.3, 1000.0, log=True)
    iterations: int = ranged(10, 4, 20)
    frequency_exponent: float = ranged(1.0, 0.0, 1.0)
    seed: int = 7
    unobserved_weight: float = ranged(0.0, 0.0, 0.1)
    conjugate_steps: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.factors <= MOST_FACTORS or self.iterations < 1:
            found = f"{self.factors} factors, {self.iterations} iterations"
            raise ValueError(f"ALS with {found}; wanted 1 to {MOST_FACTORS:,}, and 1 or more")
        if not (self.regularisation > 0 and self.alpha > 0):
            found = f"regularisation {self.regularisation} and alpha {self.alpha}"
            raise ValueError(f"ALS with {found}; wanted both above 0, or a taste has no one vector")
        if not 0 <= self.frequency_exponent <= 1:
            raise ValueError(f"ALS with frequency_exponent {self.frequency_exponent}; wanted 0 to 1")
        if not 0 <= self.unobserved_weight <= 1:
            raise ValueError(f"ALS with unobserved_weight {self.unobserved_weight}; wanted 0 to 1")
        if self.conjugate_steps < 0:
            raise ValueError(f"ALS with conjugate_steps {self.conjugate_steps}; wanted 0 or more")

    def penalty(self, positives: int, others: int) -> float:
        """What a row of `positives` among `others` pays for its length: lambda (n + w others)^nu."""
        return float(self.penalties(np.array([positives]), others)[0])

    def penalties(self, positives: Positions, others: int) -> Floats:
        """The same of many rows [rows]."""
        paid = self.regularisation * (positives + self.unobserved_weight * others) ** self.frequency_exponent
        return np.asarray(paid, np.float64)


@dataclass(frozen=True)
class AlsModel(Model):
    """`vectors` [tracks, factors] float32 and their Gram matrix [factors, factors] float64."""

    config: AlsConfig
    vectors: Scores
    gram: Floats
    name: ClassVar[str] = "als"

    @classmethod
    def from_vectors(cls, vectors: npt.NDArray[np.floating], config: AlsConfig) -> Self:
        """The model of these track vectors, whoever fitted them. Raises ValueError for a wrong shape or no number."""
        if vectors.ndim != 2 or vectors.shape[1] != config.factors:
            raise ValueError(f"track vectors of shape {vectors.shape}; wanted [tracks, {config.factors}]")
        if not np.isfinite(vectors).all():
            raise ValueError("track vectors with NaN or infinity; wanted numbers")
        kept = np.ascontiguousarray(vectors, np.float32)
        exact = kept.astype(np.float64)
        return cls(config, kept, exact.T @ exact)

    @property
    def tracks(self) -> int:
        return len(self.vectors)

    @cached_property
    def index(self) -> InnerProducts:
        """The exact index over the tracks' vectors, built at its first use."""
        return InnerProducts.build(self.vectors)

    @cached_property
    def lengths(self) -> Scores:
        """The length of each track's vector [tracks]; zero where nobody has played it."""
        return np.linalg.norm(self.vectors, axis=1)

    def fold_in(self, taste: Taste) -> Floats:
        """The listener's vector [factors] that minimises the loss for this taste; zero where nothing is known."""
        if not len(taste.tracks):
            return np.zeros(self.config.factors)
        heard, extra = self._heard(taste)
        equations = self._equations(heard, extra, len(extra))
        _, vector, failed = dposv(equations, heard.T @ (1.0 + extra), lower=1, overwrite_a=1, overwrite_b=1)
        if failed:
            raise np.linalg.LinAlgError(f"folding in a taste of {len(extra)} tracks: not positive definite ({failed})")
        return vector

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        if not len(taste.tracks):
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
        return self.index.best(self.fold_in(taste), k, exclude)

    def recommend_many(self, tastes: Sequence[Taste], k: int, *, new_only: bool = False) -> Positions:
        lists = np.full((len(tastes), k), NOBODY, np.int64)
        heard = np.array([len(taste.tracks) for taste in tastes], np.int64)
        known = np.flatnonzero(heard)
        if not new_only:
            if len(known):
                lists[known] = self._best_of([taste for taste in tastes if len(taste.tracks)], k)
            return lists
        known = known[np.argsort(heard[known], kind="stable")]  # lists of a batch are as long as its longest needs
        for part in batches(k + heard[known]):
            rows = known[part]
            best = self._best_of([tastes[row] for row in rows], k + int(heard[rows[-1]]))
            for row, items in zip(rows, best, strict=True):
                new = items[~np.isin(items, tastes[row].tracks)][:k]
                lists[row, : len(new)] = new
        return lists

    def _best_of(self, tastes: Sequence[Taste], k: int) -> Positions:
        return self.index.best_many(np.stack([self.fold_in(taste) for taste in tastes]), k)[0]

    def scores(self, taste: Taste, items: Positions) -> Floats:
        return self.vectors[items].astype(np.float64) @ self.fold_in(taste)

    def similar(self, track: TrackPosition, k: int) -> Ranked:
        """The tracks whose vectors point the same way, by cosine; none for a track that nobody trained."""
        lengths = self.lengths
        if not lengths[track]:
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
        with np.errstate(invalid="ignore", divide="ignore"):
            cosines = (self.vectors @ self.vectors[track]) / (lengths * lengths[track])
        cosines[(lengths == 0) | (np.arange(self.tracks) == track)] = -np.inf
        return ranked(np.arange(self.tracks), cosines, k)

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        """Each removal is solved exactly: less one play is a change of rank one, so no system is solved twice.

        With A x = b the listener's equations and y the vector of a track that loses g = alpha * weight of one play,
        (A - g y y') x' = b - g y (Sherman and Morrison 1950). A track with nothing left also leaves b, and the
        penalty counts one track less: a second matrix, factorised once.
        """
        if not len(taste.tracks) or not len(items):
            return Citations.none(len(items), limit)
        scores, left = self.scores_without(taste, items, plays)
        drops = scores[:, None] - left
        return cited(drops, limit, NOISE * np.maximum(np.abs(scores), np.abs(drops).max(axis=1)))

    def scores_without(self, taste: Taste, items: Positions, plays: Floats) -> tuple[Floats, Floats]:
        """Each item's score [items], and without one play, of the weight in `plays`, of each track [items, history].

        Raises LinAlgError for a taste that has no one vector.
        """
        heard, extra = self._heard(taste)
        wanted = self.vectors[items].astype(np.float64)
        total = heard.T @ (1.0 + extra)
        kept = _Solved.of(self._equations(heard, extra, len(extra)), total, wanted)
        less = np.minimum(plays, taste.weights) * self.config.alpha
        gone = plays >= taste.weights
        left = kept.without(heard, less, less)
        if gone.any():
            left[:, gone] = 0.0
            if len(extra) > 1:
                fewer = _Solved.of(self._equations(heard, extra, len(extra) - 1), total, wanted)
                left[:, gone] = fewer.without(heard[gone], less[gone], 1.0 + extra[gone])
        return kept.scores, left

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", {"vectors": self.vectors, "gram": self.gram})

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(AlsConfig, read_json(folder / "config.json"), folder / "config.json")
        arrays = read_arrays(folder / "arrays.npz", frozenset({"vectors", "gram"}))
        vectors, gram = arrays["vectors"], arrays["gram"]
        shapes = vectors.shape[1:] == (config.factors,) and gram.shape == (config.factors, config.factors)
        if not shapes or vectors.dtype != np.float32 or gram.dtype != np.float64:
            found = f"vectors {vectors.dtype}{vectors.shape}, gram {gram.dtype}{gram.shape}"
            raise ModelBroken(f"reading {folder}: found {found}, wanted {config.factors} factors in float32, float64")
        if not (np.isfinite(vectors).all() and np.isfinite(gram).all()):
            raise ModelBroken(f"reading {folder}: found NaN or infinity, wanted numbers")
        return cls(config, vectors, gram)

    def _heard(self, taste: Taste) -> tuple[Floats, Floats]:
        """The vectors of the history [history, factors] and c - 1 [history]."""
        return self.vectors[taste.tracks].astype(np.float64), self.config.alpha * taste.weights

    def _equations(self, heard: Floats, extra: Floats, positives: int) -> Floats:
        """Y'Y + Y_S' diag(c - 1) Y_S + penalty I, [factors, factors], in Fortran's order (it is symmetric)."""
        equations = (heard.T @ (heard * extra[:, None])).T
        equations += self.gram
        equations.ravel(order="K")[:: self.config.factors + 1] += self.config.penalty(positives, self.tracks)
        return equations


@dataclass(frozen=True)
class _Solved:
    """A x = b solved for some items: x, their `scores` [items] = Y_J x, and `toward` [items, factors] = Y_J A^-1."""

    inverse: Floats
    listener: Floats
    scores: Floats
    toward: Floats

    @classmethod
    def of(cls, equations: Floats, total: Floats, wanted: Floats) -> _Solved:
        factor, failed = dpotrf(equations, lower=1, overwrite_a=1)
        if failed:
            raise np.linalg.LinAlgError(f"explaining {len(wanted)} items: the equations are not positive definite")
        lower, _ = dpotri(factor, lower=1, overwrite_c=1)  # above the diagonal it has zeros, as `factor` has
        inverse = lower + lower.T
        inverse.ravel(order="K")[:: len(inverse) + 1] *= 0.5
        listener = inverse @ total
        return cls(inverse, listener, wanted @ listener, wanted @ inverse)

    def without(self, rows: Floats, less: Floats, target: Floats) -> Floats:
        """The scores [items, rows] with A less `less` y y' and b less `target` y, for each y of `rows` in turn."""
        own = np.einsum("pf,pf->p", rows @ self.inverse, rows)
        step = (less * (rows @ self.listener) - target) / (1.0 - less * own)
        return self.scores[:, None] + (self.toward @ rows.T) * step
