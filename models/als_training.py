"""Fitting implicit ALS: through `implicit` on one machine, and out of Spark MLlib's factors from many.

Both optimise the loss that `models.als` states. `implicit` takes the confidence 1 + alpha r as its data, weighs it by
its own alpha of 1, and knows nu = 0 only; for any other its exact kernel is driven over groups of rows with equal n.
Conjugate gradients of our own take every nu, and reach the same loss sooner, see `models.als_kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.cpu import _als
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from models.als import AlsConfig, AlsModel
from models.als_kernel import descend
from models.base import Floats, Interactions, Positions, Scores
from models.progress import UNHEARD, Checkpoint, Progress

POSITIVES_WORTH_THREADS = 4_096  # below this, waking other threads takes longer than the work
PAIRS_AT_ONCE = 1 << 20  # positives whose scores the loss takes together


@dataclass(frozen=True)
class Factors:
    """Both sides as fitted: `listeners` [listeners, factors] and `tracks` [tracks, factors], float32."""

    config: AlsConfig
    listeners: Scores
    tracks: Scores

    def model(self) -> AlsModel:
        """What is published: the tracks' side alone."""
        return AlsModel.from_vectors(self.tracks, self.config)


def fit_als(interactions: Interactions, config: AlsConfig, threads: int = 0, progress: Progress = UNHEARD) -> AlsModel:
    """Fit and keep what is published. `threads` of 0 takes every core; it changes no bit of the result."""
    return AlsModel.from_vectors(descended(interactions, config, threads, progress)[1], config)


def descended(
    interactions: Interactions, config: AlsConfig, threads: int = 0, progress: Progress = UNHEARD
) -> tuple[Scores, Scores]:
    """Both sides [listeners, factors] and [tracks, factors] after the iterations, the tracks' half-step last."""

    def told(iteration: int, listeners: Scores, tracks: Scores) -> None:
        if progress.listens:
            progress.tell("loss", iteration, loss(Factors(config, listeners, tracks), interactions))
        progress.keep(Checkpoint(iteration, {"listeners": listeners, "tracks": tracks}))

    return _descend(confidences(interactions.weights, config), config, threads, _Descent(progress.latest(), told))


def train_als(interactions: Interactions, config: AlsConfig, threads: int = 0) -> Factors:
    """Fit, and close with an exact half-step for the listeners, so that each is what folding in would give."""
    confidence = confidences(interactions.weights, config)
    listeners, tracks = _descend(confidence, config, threads)
    with threadpool_limits(1, "blas"):
        _Side.of(confidence).solve(listeners, tracks, config, threads)
    return Factors(config, listeners, tracks)


def from_mllib(ids: Positions, features: npt.NDArray[np.floating], tracks: int, config: AlsConfig) -> AlsModel:
    """The model of Spark MLlib's item factors: `ids` [rows] are positions, `features` [rows, factors].

    MLlib leaves out tracks without an interaction: they get the zero vector, as here. Raises ValueError for a config
    whose penalty MLlib does not optimise, and for ids that are no positions or come twice.
    """
    if (config.frequency_exponent, config.unobserved_weight) != (1, 0):
        found = f"{config.frequency_exponent} and unobserved_weight {config.unobserved_weight}"
        raise ValueError(f"Spark MLlib weighs by n; wanted a config with frequency_exponent 1 and 0, found {found}")
    if len(np.unique(ids)) != len(ids) or ((ids < 0) | (ids >= tracks)).any():
        raise ValueError(f"MLlib's item ids: wanted positions below {tracks}, each once")
    vectors = np.zeros((tracks, config.factors), np.float32)
    vectors[ids] = features
    return AlsModel.from_vectors(vectors, config)


def loss(factors: Factors, interactions: Interactions) -> float:
    """The loss that `models.als` states, over all pairs but without forming them: zeros come from the Gram matrices."""
    config, weights = factors.config, csr_array(interactions.weights)
    listeners, tracks = factors.listeners.astype(np.float64), factors.tracks.astype(np.float64)
    zeros = float(((listeners.T @ listeners) * (tracks.T @ tracks)).sum())
    return zeros + _positives(listeners, tracks, weights, config.alpha) + _penalties(listeners, tracks, weights, config)


def confidences(weights: csr_array, config: AlsConfig) -> csr_matrix:
    """1 + alpha r for every positive r: what `implicit` calls its data."""
    positive = csr_matrix(weights, dtype=np.float32, copy=True)
    positive.eliminate_zeros()
    positive.data *= np.float32(config.alpha)
    positive.data += np.float32(1.0)
    return positive


@dataclass(frozen=True)
class _Descent:
    """What an earlier descent came to, if any, and who hears the iteration and both sides after each."""

    begun: Checkpoint | None = None
    told: Callable[[int, Scores, Scores], None] = lambda _iteration, _listeners, _tracks: None

    @property
    def done(self) -> int:
        """Iterations."""
        return self.begun.step if self.begun else 0

    @property
    def sides(self) -> tuple[Scores, Scores] | None:
        """Both sides after those."""
        return (self.begun.arrays["listeners"], self.begun.arrays["tracks"]) if self.begun else None


def _descend(
    confidence: csr_matrix, config: AlsConfig, threads: int, descent: _Descent = _Descent()
) -> tuple[Scores, Scores]:
    """Both sides after the configured iterations, the tracks' half-step last."""
    with threadpool_limits(1, "blas"):  # one order of summation, whatever the machine
        if config.frequency_exponent == 0 and not config.conjugate_steps:
            return _descend_by_implicit(confidence, config, threads, descent)
        listeners, tracks = descent.sides or _beginning(confidence, config)
        half_steps = (_by_gradients if config.conjugate_steps else _by_kernel)(confidence, config, threads)
        for iteration in range(descent.done, config.iterations):
            half_steps[0](listeners, tracks)
            half_steps[1](tracks, listeners)
            descent.told(iteration + 1, listeners, tracks)
        return listeners, tracks


def _descend_by_implicit(
    confidence: csr_matrix, config: AlsConfig, threads: int, descent: _Descent
) -> tuple[Scores, Scores]:
    learner = AlternatingLeastSquares(
        factors=config.factors,
        regularization=config.regularisation,
        alpha=1.0,
        iterations=config.iterations - descent.done,
        num_threads=threads,
        random_state=config.seed,
    )
    if descent.sides:
        learner.user_factors, learner.item_factors = descent.sides

    def told(iteration: int, *_: object) -> None:
        descent.told(descent.done + iteration + 1, learner.user_factors, learner.item_factors)

    learner.fit(confidence, show_progress=False, callback=told)
    return learner.user_factors, learner.item_factors


_HalfStep = Callable[[Scores, Scores], None]


def _by_gradients(confidence: csr_matrix, config: AlsConfig, threads: int) -> tuple[_HalfStep, _HalfStep]:
    def half_step(rows: csr_matrix) -> _HalfStep:
        paid = config.penalties(np.diff(rows.indptr), rows.shape[1])
        return lambda own, other: descend(rows, own, other, paid, config.conjugate_steps, threads)

    return half_step(confidence), half_step(csr_matrix(confidence.T))


def _by_kernel(confidence: csr_matrix, config: AlsConfig, threads: int) -> tuple[_HalfStep, _HalfStep]:
    def half_step(rows: csr_matrix) -> _HalfStep:
        side = _Side.of(rows)
        return lambda own, other: side.solve(own, other, config, threads)

    return half_step(confidence), half_step(confidence.T.tocsr())


def _beginning(confidence: csr_matrix, config: AlsConfig) -> tuple[Scores, Scores]:
    random = np.random.default_rng(config.seed)
    listeners, tracks = (random.random((rows, config.factors), np.float32) * 0.01 for rows in confidence.shape)
    return listeners, tracks


@dataclass(frozen=True)
class _Side:
    """The rows of one side in order of their number of positives, so that rows of one penalty are neighbours."""

    order: Positions
    starts: Positions
    rows: csr_matrix

    @classmethod
    def of(cls, confidence: csr_matrix) -> _Side:
        counts = np.diff(confidence.indptr)
        order = np.argsort(counts, kind="stable")
        starts = np.flatnonzero(np.diff(counts[order], prepend=-1, append=-1))
        return cls(order, starts, confidence[order])

    def groups(self) -> Iterator[tuple[int, int, int]]:
        """First row, row after the last, and the number of positives that they share."""
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield int(start), int(stop), int(self.rows.indptr[start + 1] - self.rows.indptr[start])

    def solve(self, own: Scores, other: Scores, config: AlsConfig, threads: int) -> None:
        """Put the exact minimum of the loss, with `other` fixed, into `own`."""
        gram, solved = other.T @ other, np.zeros_like(own)
        for start, stop, positives in self.groups():
            _als._least_squares(
                gram,
                self.rows.indptr[start : stop + 1],
                self.rows.indices,
                self.rows.data,
                solved[start:stop],
                other,
                config.penalty(positives, len(other)),
                num_threads=threads if (stop - start) * positives >= POSITIVES_WORTH_THREADS else 1,
            )
        own[self.order] = solved


def _positives(listeners: Floats, tracks: Floats, weights: csr_array, alpha: float) -> float:
    """What the positives add to the sum over all pairs of the squared scores: c (1 - s)^2 - s^2."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    total = 0.0
    for start in range(0, weights.nnz, PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        scores = np.einsum("pf,pf->p", listeners[rows[part]], tracks[weights.indices[part]])
        heard = weights.data[part].astype(np.float64)
        total += float(((1.0 + alpha * heard) * (1.0 - scores) ** 2 - scores**2)[heard > 0].sum())
    return total


def _penalties(listeners: Floats, tracks: Floats, weights: csr_array, config: AlsConfig) -> float:
    positive = weights > 0
    sides = ((listeners, positive.sum(axis=1)), (tracks, positive.sum(axis=0)))
    total = 0.0
    for (side, counts), others in zip(sides, weights.shape[::-1], strict=True):
        total += float(((side**2).sum(axis=1) * config.penalties(counts, others)).sum())
    return total
