"""LensKit 2025.8: EASE (Steck 2019) and SLIM (Ning and Karypis 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lenskit.data import from_interactions_df
from lenskit.knn.ease import EASEConfig, EASEScorer
from lenskit.knn.slim import SLIMConfig, SLIMScorer
from lenskit.training import TrainingOptions
from scipy.sparse import csr_matrix

from bench.peers.exchange import Scorer, Task, answer, nothing_below


def ease(task: Task, settings: dict[str, Any]) -> Scorer:
    """What it scores a listener by: their tracks, each once, times the weights."""
    scorer = EASEScorer(EASEConfig(regularization=settings["regularization"]))
    scorer.train(_dataset(task), TrainingOptions())
    known = scorer.items.ids()
    tastes = _binary(task)[:, known]

    def scores(part: slice) -> Any:
        found = np.full((part.stop - part.start, task.catalog), -np.inf, np.float32)
        found[:, known] = tastes[part] @ scorer.weights
        return found

    return scores


def slim(task: Task, settings: dict[str, Any]) -> Scorer:
    """The same, where the weights are sparse and none is negative."""
    scorer = SLIMScorer(SLIMConfig(**{name: settings[name] for name in ("l1_reg", "l2_reg", "max_nbrs")}))
    scorer.train(_dataset(task), TrainingOptions())
    known = np.asarray(scorer.items.ids())
    weights = csr_matrix(scorer.weights)
    tastes = _binary(task)[:, known]

    def scores(part: slice) -> Any:
        found = np.full((part.stop - part.start, task.catalog), -np.inf, np.float32)
        found[:, known] = nothing_below(tastes[part] @ weights)
        return found

    return scores


def _dataset(task: Task) -> Any:
    pairs = task.weights().tocoo()
    return from_interactions_df(pd.DataFrame({"user_id": pairs.row, "item_id": pairs.col}))


def _binary(task: Task) -> csr_matrix:
    tastes = task.tastes()
    tastes.data[:] = 1.0
    return tastes


if __name__ == "__main__":
    answer({"ease": ease, "slim": slim})
