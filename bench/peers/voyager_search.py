"""Voyager (HNSW) over inner products, with the smallest search effort that finds nearly everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from voyager import Index, Space

from bench.clock import timed

EFFORTS = (10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 20_480, 40_960)
WANTED_RECALL = 0.99
NEIGHBOURS, CONSTRUCTION_EFFORT = 24, 200


@dataclass(frozen=True)
class Tuned:
    """The index, the effort (ef) that was chosen, the recall it reaches, and what each smaller effort reached."""

    index: Index
    effort: int
    recall: float
    tried: dict[int, float]


def build(vectors: npt.NDArray[np.float32]) -> Index:
    """An index over all rows, the longest first, which is where its recall of inner products is best by far."""
    index = Index(
        Space.InnerProduct,
        num_dimensions=vectors.shape[1],
        M=NEIGHBOURS,
        ef_construction=CONSTRUCTION_EFFORT,
        max_elements=len(vectors),
        random_seed=1,
    )
    order = np.argsort(-np.linalg.norm(vectors, axis=1), kind="stable")
    index.add_items(vectors[order], ids=order.tolist(), num_threads=-1)
    return index


def tuned(index: Index, queries: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]) -> Tuned:
    """The smallest effort whose recall is at least `WANTED_RECALL`; the largest tried, where none reaches it."""
    k = truth.shape[1]
    tried: dict[int, float] = {}

    def enough(effort: int) -> bool:
        found, _ = index.query(queries, k, num_threads=1, query_ef=effort)
        tried[effort] = recall(found.astype(np.int64), truth)
        return tried[effort] >= WANTED_RECALL

    high = next((effort for effort in EFFORTS if enough(effort)), EFFORTS[-1])
    low = max((effort for effort in EFFORTS if effort < high), default=high - 1)
    while high - low > 1:  # recall rises with the effort: halve what lies between too little and enough
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return Tuned(index, high, tried[high], dict(sorted(tried.items())))


def recall(found: npt.NDArray[np.integer[Any]], truth: npt.NDArray[np.int64]) -> float:
    """The share of the true nearest [queries, k] that were found."""
    return float((found[:, :, None] == truth[:, None, :]).any(axis=2).mean())


def seconds(tuned: Tuned, queries: npt.NDArray[np.float32], k: int) -> float:
    """CPU time of one pass over the queries on one thread."""
    return timed(lambda: tuned.index.query(queries, k, num_threads=1, query_ef=tuned.effort))[0]
