"""`implicit` as its own documentation uses it, on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix

from models.als import AlsConfig


def fitted(
    weights: csr_array[Any, tuple[int, int]], config: AlsConfig
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Listeners' and tracks' factors; the data is the confidence 1 + alpha r, as our loss has it."""
    confidence = csr_matrix(weights * np.float32(config.alpha))
    confidence.data += 1
    learner = AlternatingLeastSquares(
        factors=config.factors,
        regularization=config.regularisation,
        alpha=1.0,
        iterations=config.iterations,
        num_threads=1,
        random_state=config.seed,
    )
    learner.fit(confidence, show_progress=False)
    return learner.user_factors, learner.item_factors


def recommended(
    tracks: npt.NDArray[np.float32], listeners: npt.NDArray[np.float32], k: int
) -> npt.NDArray[np.integer[Any]]:
    """Its `recommend` for all these listeners at once [listeners, k], nothing filtered."""
    learner = AlternatingLeastSquares(factors=tracks.shape[1], num_threads=1)
    learner.item_factors, learner.user_factors = tracks, listeners
    everyone = np.arange(len(listeners))
    found: npt.NDArray[np.integer[Any]]
    found, _ = learner.recommend(everyone, None, N=k, filter_already_liked_items=False)
    return found
