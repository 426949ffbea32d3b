"""Rows of the table out of cells: means over seeds, folds together, and how sure a difference is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.quality.cells import Cell, Fold, runs
from bench.quality.data import COLUMNS
from bench.quality.systems import System
from models.base import Floats
from models.evaluation.bootstrap import interval, paired
from models.evaluation.datasets import Dataset
from models.evaluation.metrics import accuracy
from models.evaluation.splits import per_listener


@dataclass(frozen=True)
class Row:
    """A system's figures on a data set: sums of each metric by listener [listeners], the mean of all seeds.

    `by_seed` is the metric of the data set on the folds of each seed, seconds are means of a fit and of an answer.
    """

    system: System
    sums: Mapping[str, Floats]
    cases: Floats
    by_seed: Mapping[int, float]
    fit_s: float
    answer_s: float

    def mean(self, metric: str) -> float:
        """Over all cases."""
        return float(self.sums[metric].sum() / self.cases.sum())


def row_of(system: System, dataset: Dataset, folds: tuple[Fold, ...]) -> Row:
    """All cells of a system together. Raises `PeerFailed` where a cell has to be measured and cannot be."""
    together: list[dict[str, Floats]] = []
    by_seed: dict[int, float] = {}
    seconds = []
    for run in runs(system, folds):
        parts = []
        for cell in run:
            answer = cell.measured()
            seconds.append((answer.fit_s, answer.answer_s))
            parts.append(_sums(cell, answer.lists, dataset))
            by_seed[cell.seed] = float(parts[-1][dataset.metric].sum() / len(cell.fold.split.cases))
        together.append({metric: np.concatenate([part[metric] for part in parts]) for metric in dataset.metrics})
    counts = np.concatenate([per_listener(fold.split.cases, np.ones(len(fold.split.cases))) for fold in folds])
    means = {metric: np.mean([sums[metric] for sums in together], axis=0) for metric in dataset.metrics}
    fit_s, answer_s = np.mean(seconds, axis=0)
    return Row(system, means, counts, by_seed, float(fit_s), float(answer_s))


def _sums(cell: Cell, lists: Any, dataset: Dataset) -> dict[str, Floats]:
    cases = cell.fold.split.cases
    return {metric: per_listener(cases, values) for metric, values in accuracy(lists, cases, dataset.k).items()}


def documents(
    dataset: Dataset, rows: Sequence[Row], published: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The rows as JSON has them, best first, each against the best peer and against our best.

    `wins` says that the paired 95% interval of the difference, by the metric of the data set, is above zero: of ours
    from the best peer, of a peer from our best; `None` where there is no such.
    """
    metric = dataset.metric
    best = {
        whose: _best([row for row in rows if row.system.ours is ours], metric)
        for whose, ours in (("peer", False), ("ours", True))
    }
    told = [_document(dataset, row, best) for row in rows]
    told.extend({"data": dataset.name, "ours": "published", **one} for one in published)
    return sorted(told, key=lambda row: -float(row.get(COLUMNS.get(metric, metric), 0.0)))


def _best(rows: Sequence[Row], metric: str) -> Row | None:
    return max(rows, key=lambda row: row.mean(metric), default=None)


def _document(dataset: Dataset, row: Row, best: Mapping[str, Row | None]) -> dict[str, Any]:
    metric = dataset.metric
    own = interval(row.sums[metric], row.cases)
    document: dict[str, Any] = {
        "data": dataset.name,
        "model": row.system.name,
        "ours": row.system.ours,
        **{COLUMNS.get(name, name): round(row.mean(name), 5) for name in dataset.metrics},
        "metric": COLUMNS.get(metric, metric),
        "interval": [round(own.low, 5), round(own.high, 5)],
        "seeds": {str(seed): round(value, 5) for seed, value in row.by_seed.items()} if row.system.seeded else None,
        "seconds": round(row.fit_s, 2),
        "answer_seconds": round(row.answer_s, 2),
        "settings": dict(row.system.settings),
    }
    against = {whose: _against(row, other, metric) for whose, other in best.items()}
    rival = against["peer" if row.system.ours else "ours"]
    return {**document, "against": against, "wins": None if rival is None else rival["low"] > 0}


def _against(row: Row, other: Row | None, metric: str) -> dict[str, Any] | None:
    if other is None or other is row:
        return None
    difference = paired(row.sums[metric], other.sums[metric], row.cases)
    return {"model": other.system.name, **_rounded(asdict(difference))}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}
