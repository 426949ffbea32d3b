"""Vectors seen: maps of two dimensions on which what is alike lies together, for people to look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.base import Floats

EXAGGERATION, EXAGGERATED_STEPS = 12.0, 150
_NEAREST = 1e-12  # a chance is never less, so that logarithms and quotients stay finite
_HALVINGS = 40


def pca(vectors: npt.NDArray[np.floating], dimensions: int = 2) -> Floats:
    """The leading principal components [points, dimensions], the strongest first, signs by their largest entry."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    leading = axes[:dimensions]
    signs = np.sign(leading[np.arange(len(leading)), np.abs(leading).argmax(axis=1)])
    return np.asarray(centred @ (leading * signs[:, None]).T, np.float64)


def tsne(vectors: npt.NDArray[np.floating], perplexity: float = 30.0, steps: int = 500) -> Floats:
    """t-SNE [points, 2] by exact gradients (van der Maaten and Hinton 2008), for some thousands of points at most.

    Distances are between directions: vectors [points, dimensions] count at length 1. It starts from the principal
    components and steps by points / 12 (Kobak and Berens 2019), so nothing is drawn by chance. Raises ValueError for
    fewer points than three times the perplexity.
    """
    if len(vectors) < 3 * perplexity:
        raise ValueError(
            f"a map of {len(vectors)} points with a perplexity of {perplexity}; wanted three times as many"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    chances = _joint_chances(_squared_distances(directions), perplexity)
    start = pca(directions)
    places = 1e-4 * start / start[:, 0].std()
    return _descended(places, chances, steps)


def _descended(places: Floats, chances: Floats, steps: int) -> Floats:
    velocity, gains = np.zeros_like(places), np.ones_like(places)
    rate = max(len(places) / EXAGGERATION, 50.0)
    for step in range(steps):
        early = step < EXAGGERATED_STEPS
        slope = _gradient(places, chances * EXAGGERATION if early else chances)
        gains = np.maximum(np.where(slope * velocity < 0, gains + 0.2, gains * 0.8), 0.01)
        velocity = (0.5 if early else 0.8) * velocity - rate * gains * slope
        places = places + velocity
    return places - places.mean(axis=0)


def _gradient(places: Floats, chances: Floats) -> Floats:
    """Of the divergence of the map's chances, Student's t with one degree of freedom, from those wanted."""
    closeness = 1.0 / (1.0 + _squared_distances(places))
    np.fill_diagonal(closeness, 0.0)
    pull = (chances - closeness / closeness.sum()) * closeness
    return 4.0 * (pull.sum(axis=1)[:, None] * places - pull @ places)


def _joint_chances(distances: Floats, perplexity: float) -> Floats:
    """Gaussian neighbourhoods of equal perplexity, made symmetric [points, points]; widths are found by halving."""
    low, high = np.full(len(distances), 1e-3), np.full(len(distances), 1e6)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        chances = _neighbourhoods(distances, middle)
        entropy = -(chances * np.log(np.maximum(chances, _NEAREST))).sum(axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    chances = _neighbourhoods(distances, np.sqrt(low * high))
    return np.maximum((chances + chances.T) / (2.0 * len(chances)), _NEAREST)


def _neighbourhoods(distances: Floats, precisions: Floats) -> Floats:
    apart = np.where(np.eye(len(distances), dtype=bool), np.inf, distances)
    chances = np.exp(-(apart - apart.min(axis=1, keepdims=True)) * precisions[:, None])
    return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float64)


def _squared_distances(points: Floats) -> Floats:
    squares = np.einsum("pd,pd->p", points, points)
    return np.maximum(squares[:, None] + squares[None, :] - 2.0 * points @ points.T, 0.0)
