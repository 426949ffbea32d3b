"""One cell of the table, a system on one fold with one seed: measured once, and kept while nothing of it changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.peers.exchange import Task
from bench.quality.systems import Answer, System
from models.base import NOBODY, Positions
from models.evaluation.datasets import Dataset
from models.evaluation.splits import Split
from models.popularity import fit_popularity

SEEDS = (1, 2, 3, 4, 5)
CACHE = Path(".backbeat-bench/quality")  # not under version control


class OutOfTime(Exception):
    """The minutes are over."""


@dataclass(frozen=True)
class Fold:
    """A split, how long its lists are, and the folder where answers to it are kept."""

    split: Split
    k: int
    kept: Path = CACHE

    @cached_property
    def task(self) -> Task:
        """The split as arrays."""
        return task_of(self.split, self.k)

    @cached_property
    def digest(self) -> str:
        """A hash of all that a model is told."""
        return self.task.digest()


def folds_of(dataset: Dataset) -> tuple[Fold, ...]:
    """What is reported."""
    return tuple(Fold(split, dataset.k) for split in dataset.folds)


@dataclass(frozen=True)
class Cell:
    """A system, a fold and a seed."""

    system: System
    fold: Fold
    seed: int

    @cached_property
    def path(self) -> Path:
        """Where its answer is kept: the name is a hash of the data, the code, the settings and the seed."""
        told = f"{self.fold.digest} {self.system.version()} {self.seed}"
        return self.fold.kept / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.npz"

    def measured(self) -> Answer:
        """Its answer, from the cache where it is there."""
        if not self.path.exists():
            self._keep(self.system.answer(self.fold.split, self.fold.task, self.seed))
        with np.load(self.path, allow_pickle=False) as arrays:
            fit_s, answer_s = arrays["seconds"]
            return Answer(arrays["lists"].astype(np.int64), float(fit_s), float(answer_s))

    def _keep(self, answer: Answer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".fresh")
        lists = filled(answer.lists, self.fold.split).astype(np.int32)
        with fresh.open("wb") as stream:
            np.savez_compressed(stream, lists=lists, seconds=np.array([answer.fit_s, answer.answer_s]))
        fresh.replace(self.path)


def runs(system: System, folds: tuple[Fold, ...]) -> list[list[Cell]]:
    """The cells of a system, in runs over all folds: five with a seed each where seeds matter, else one.

    Where there are several folds, each has a seed of its own, and one run is enough.
    """
    if len(folds) > 1 or not system.seeded:
        seeds = SEEDS if system.seeded else SEEDS[:1]
        return [[Cell(system, fold, seeds[at % len(seeds)]) for at, fold in enumerate(folds)]]
    return [[Cell(system, folds[0], seed)] for seed in SEEDS]


def filled(lists: Positions, split: Split) -> Positions:
    """The lists, with popularity where there is nothing to say to a listener, as serving has it."""
    popularity, answered = fit_popularity(split.train), lists.copy()
    for case in np.flatnonzero(lists[:, 0] == NOBODY):
        seen = split.cases.fresh[case].tracks if split.new_only else None
        popular = popularity.best_but(lists.shape[1], seen)
        answered[case, : len(popular)] = popular
    return answered


def task_of(split: Split, k: int) -> Task:
    """The split as arrays, for whoever knows nothing of our types."""
    tastes = list(split.cases.fresh)
    sequences = split.train.sequences
    nothing = np.empty(0, np.int64)
    return Task(
        shape=np.array([split.known, k, int(split.new_only)]),
        weights_data=split.train.weights.data.astype(np.float32),
        weights_indices=split.train.weights.indices.astype(np.int64),
        weights_indptr=split.train.weights.indptr.astype(np.int64),
        starts=np.zeros(split.train.listeners + 1, np.int64) if sequences is None else sequences.starts,
        tracks=nothing if sequences is None else sequences.tracks,
        sessions=nothing if sequences is None else sequences.sessions,
        started_s=nothing.astype(np.float64) if sequences is None else sequences.started_s,
        tastes_data=np.concatenate([taste.weights for taste in tastes]).astype(np.float32),
        tastes_indices=np.concatenate([taste.tracks for taste in tastes]).astype(np.int64),
        tastes_indptr=_starts([len(taste.tracks) for taste in tastes]),
        recent_starts=_starts([len(taste.recent.tracks) for taste in tastes]),
        recent=np.concatenate([taste.recent.tracks for taste in tastes]).astype(np.int64),
        recent_ago_s=np.concatenate([taste.recent.ago_s for taste in tastes]).astype(np.float64),
        in_session=np.array([taste.recent.session for taste in tastes], np.int64),
    )


def _starts(lengths: list[int]) -> Positions:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
