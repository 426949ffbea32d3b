"""How good lists are, one value a case, and how the lists of all cases spread over the catalog.

NDCG is Järvelin and Kekäläinen 2002 with binary gains; ties and unknown tracks need no care: a list is in order, and a
relevant track that nobody could know still counts among the relevant.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.base import Floats, Positions
from models.evaluation.splits import Cases

ACCURACY = ("hit", "recall", "ndcg", "mrr")


def accuracy(lists: Positions, cases: Cases, k: int) -> dict[str, Floats]:
    """`hit@k`, `recall@k`, `ndcg@k`, `mrr@k` of lists [cases, at least k], each [cases]."""
    right = hits(lists[:, :k], cases)
    relevant = np.diff(cases.starts)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(relevant, k)]
    found = right.any(axis=1)
    return {
        f"hit@{k}": found.astype(np.float64),
        f"recall@{k}": right.sum(axis=1) / relevant,
        f"ndcg@{k}": (right @ discounts[: right.shape[1]]) / ideal,
        f"mrr@{k}": np.where(found, 1.0 / (right.argmax(axis=1) + 1.0), 0.0),
    }


def hits(lists: Positions, cases: Cases) -> npt.NDArray[np.bool_]:
    """Whether each place of each list [cases, k] holds a relevant track."""
    width = int(max(lists.max(initial=0), cases.relevant.max(initial=0))) + 2
    case_of = np.repeat(np.arange(len(cases)), np.diff(cases.starts))
    right = case_of * width + cases.relevant
    asked = np.arange(len(cases))[:, None] * width + np.where(lists >= 0, lists, width - 1)
    return np.isin(asked, right)


def spread(lists: Positions, popularity: Floats) -> dict[str, float]:
    """Over the catalog [tracks] and its plays in the training data:

    `coverage`: share of tracks recommended to anybody; `novelty`: mean bits of surprise, -log2 of the track's share of
    plays, one play added to each; `popularity_percentile`: mean share of tracks that are less popular than the
    recommended one, ties by half; `gini`: inequality of how often each track is recommended, 0 to 1.
    """  # noqa: D415 (the first line leads into the list)
    shown = lists[lists >= 0]
    if not len(shown):
        return {"coverage": 0.0, "novelty": 0.0, "popularity_percentile": 0.0, "gini": 0.0}
    surprise = -np.log2((popularity + 1.0) / (popularity.sum() + len(popularity)))
    times = np.bincount(shown, minlength=len(popularity))
    return {
        "coverage": float((times > 0).mean()),
        "novelty": float(surprise[shown].mean()),
        "popularity_percentile": float(popularity_percentile(popularity)[shown].mean()),
        "gini": gini(times.astype(np.float64)),
    }


def popularity_percentile(counts: Floats) -> Floats:
    """The share of tracks played less than each [tracks], ties by half."""
    ordered = np.sort(counts)
    below, upto = np.searchsorted(ordered, counts), np.searchsorted(ordered, counts, side="right")
    return (below + upto) / 2 / len(counts)


def gini(amounts: Floats) -> float:
    """0 where all have the same, towards 1 where one has all."""
    ordered = np.sort(amounts)
    ranks = np.arange(1, len(ordered) + 1)
    return float((2 * (ranks * ordered).sum() / ordered.sum() - (len(ordered) + 1)) / len(ordered))
