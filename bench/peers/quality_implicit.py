"""`implicit` 0.7: ALS (Hu, Koren and Volinsky 2008) with fold-in, and neighbours by cosine, TF-IDF and BM25."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender

from bench.peers.exchange import Scorer, Task, answer, nothing_below


def als(task: Task, settings: dict[str, Any]) -> Scorer:
    """Listeners asked about are folded in, as `recommend(recalculate_user=True)` does."""
    weights, tastes = task.weights(), task.tastes()
    if settings["binary"]:
        weights.data[:] = tastes.data[:] = 1.0
    learner = AlternatingLeastSquares(
        factors=settings["factors"],
        regularization=settings["regularization"],
        alpha=settings["alpha"],
        iterations=settings["iterations"],
        random_state=settings["seed"],
    )
    learner.fit(weights, show_progress=False)

    def scores(part: slice) -> Any:
        asked = tastes[part]
        vectors = learner.recalculate_user(np.arange(asked.shape[0]), asked)
        found = np.asarray(vectors) @ learner.item_factors.T
        found[np.diff(asked.indptr) == 0] = -np.inf
        return found

    return scores


def neighbours(kind: Any, task: Task, settings: dict[str, Any]) -> Scorer:
    """`of` says whether listeners or sessions have tracks in common, `last` how many plays of the session ask."""
    sessions = settings.get("of") == "sessions"
    told = {name: settings[name] for name in ("K", "K1", "B") if name in settings}
    learner = kind(**told)
    learner.fit(task.by_session() if sessions else task.weights(), show_progress=False)
    asked = task.sessions_so_far(settings.get("last")) if sessions else task.tastes()
    return lambda part: nothing_below(asked[part] @ learner.similarity)


if __name__ == "__main__":
    answer(
        {
            "als": als,
            "cosine": partial(neighbours, CosineRecommender),
            "cosine of sessions": partial(neighbours, CosineRecommender),
            "tfidf of sessions": partial(neighbours, TFIDFRecommender),
            "bm25": partial(neighbours, BM25Recommender),
        }
    )
