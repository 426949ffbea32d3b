"""Exact search for the largest inner products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.base import Floats, Positions, Ranked, Scores, ranked


@dataclass(frozen=True)
class InnerProducts:
    """Brute force."""

    vectors: Scores

    @classmethod
    def build(cls, vectors: Scores) -> Self:
        return cls(vectors)

    def best(self, query: Floats, k: int, exclude: Positions | None = None) -> Ranked:
        scores = self.vectors @ query.astype(np.float32)
        if exclude is not None:
            scores[exclude] = -np.inf
        return ranked(np.arange(len(scores)), scores, k)

    def best_many(self, queries: Floats, k: int) -> tuple[Positions, Scores]:
        found = [self.best(q, k) for q in queries]
        return np.stack([f.items for f in found]), np.stack([f.scores for f in found])
