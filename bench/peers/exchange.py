"""What a peer in an environment of its own is asked, and what it answers: files of arrays.

`python -m bench.peers.quality_NAME TASK ANSWER MODEL SETTINGS`. Nothing but NumPy and SciPy may be imported here: every
peer's environment has these.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Integers = npt.NDArray[np.int64]
NOBODY = -1  # fills the places of a list that has no track to put there
CELLS_AT_ONCE = 1 << 24
Scorer = Callable[[slice], Any]  # cases -> scores [cases, tracks], minus infinity where there is nothing to say


@dataclass(frozen=True)
class Task:
    """A split as arrays. `weights_*` is the training matrix [listeners, tracks], `tastes_*` one row a case, as CSR.

    The plays of listener i in order are `starts[i]:starts[i + 1]` of `tracks`, `sessions`, `started_s`; none where
    nobody knows the order. Those that case i has heard last are `recent_starts[i]:recent_starts[i + 1]` of `recent`
    and `recent_ago_s`, the last `in_session[i]` of them in the session so far.
    """

    shape: Integers  # tracks, k, 1 where tracks of the taste are not recommended
    weights_data: npt.NDArray[np.float32]
    weights_indices: Integers
    weights_indptr: Integers
    starts: Integers
    tracks: Integers
    sessions: Integers
    started_s: npt.NDArray[np.float64]
    tastes_data: npt.NDArray[np.float32]
    tastes_indices: Integers
    tastes_indptr: Integers
    recent_starts: Integers
    recent: Integers
    recent_ago_s: npt.NDArray[np.float64]
    in_session: Integers

    @property
    def catalog(self) -> int:
        """How many tracks there are."""
        return int(self.shape[0])

    @property
    def k(self) -> int:
        """How long a list is."""
        return int(self.shape[1])

    @property
    def cases(self) -> int:
        """How many lists are wanted."""
        return len(self.tastes_indptr) - 1

    def weights(self) -> csr_matrix:
        """The training matrix [listeners, tracks] float32."""
        return self._matrix(self.weights_data, self.weights_indices, self.weights_indptr)

    def tastes(self) -> csr_matrix:
        """What is known of whom is asked about [cases, tracks] float32."""
        return self._matrix(self.tastes_data, self.tastes_indices, self.tastes_indptr)

    def by_session(self) -> csr_matrix:
        """How often each session of the training data has each track [sessions, tracks] float32."""
        rows = np.unique(self.sessions, return_inverse=True)[1]
        shape = (int(rows.max(initial=-1)) + 1, self.catalog)
        return csr_matrix((np.ones(len(rows), np.float32), (rows, self.tracks)), shape=shape)

    def sessions_so_far(self, last: int | None = None) -> csr_matrix:
        """The tracks of the session so far, or of its `last` plays, each once [cases, tracks] float32."""
        counts = self.in_session if last is None else np.minimum(self.in_session, last)
        ends = self.recent_starts[1:]
        places = np.concatenate([np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)])
        rows = np.repeat(np.arange(self.cases), counts)
        shape = (self.cases, self.catalog)
        seen = csr_matrix((np.ones(len(rows), np.float32), (rows, self.recent[places.astype(np.int64)])), shape=shape)
        seen.data[:] = 1.0
        return seen

    def save(self, path: Path) -> None:
        """Write it."""
        with path.open("wb") as stream:
            np.savez(stream, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Task:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def digest(self) -> str:
        """A hash of all that it holds."""
        told = hashlib.sha256()
        for field in fields(self):
            values = np.ascontiguousarray(getattr(self, field.name))
            told.update(f"{field.name} {values.dtype} {values.shape}".encode())
            told.update(values.tobytes())
        return told.hexdigest()

    def lists(self, scorer: Scorer) -> Integers:
        """The best `k` tracks of every case [cases, k] by score, ties by position, `NOBODY` where there are no more."""
        lists = np.full((self.cases, self.k), NOBODY, np.int64)
        tastes, at_once = self.tastes(), max(1, CELLS_AT_ONCE // max(self.catalog, 1))
        for start in range(0, self.cases, at_once):
            part = slice(start, min(start + at_once, self.cases))
            scores = np.array(scorer(part), np.float32)
            if self.shape[2]:
                seen = tastes[part].tocoo()
                scores[seen.row, seen.col] = -np.inf
            lists[part] = _best(scores, self.k)
        return lists

    def _matrix(self, data: Any, indices: Any, indptr: Any) -> csr_matrix:
        return csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, self.catalog))


def _best(scores: npt.NDArray[np.float32], k: int) -> Integers:
    wanted = min(k, scores.shape[1])
    worst = np.partition(scores, scores.shape[1] - wanted, axis=1)[:, scores.shape[1] - wanted]
    best = np.full((len(scores), k), NOBODY, np.int64)
    for row, (values, least) in enumerate(zip(scores, worst, strict=True)):
        kept = np.flatnonzero((values >= least) & (values > -np.inf))
        kept = kept[np.argsort(-values[kept], kind="stable")][:wanted]
        best[row, : len(kept)] = kept
    return best


def nothing_below(scores: Any, floor: float = 0.0) -> npt.NDArray[np.float32]:
    """Dense scores in which whatever is not above the floor is not recommended."""
    dense = np.asarray(scores.toarray() if hasattr(scores, "toarray") else scores, np.float32)
    return np.where(dense > floor, dense, np.float32(-np.inf))


def answer(models: Mapping[str, Callable[[Task, dict[str, Any]], Scorer | Integers]]) -> None:
    """The whole of a peer's program: fit the model that is asked for, answer all cases, say how long each took.

    A model is a function of task and settings that fits it, and gives what scores, or the lists themselves.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("task", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("model", choices=sorted(models))
    parser.add_argument("settings", type=json.loads)
    asked = parser.parse_args()
    task = Task.load(asked.task)
    began = time.perf_counter()
    model = models[asked.model](task, asked.settings)
    fitted = time.perf_counter()
    lists = task.lists(model) if callable(model) else model
    with asked.answer.open("wb") as stream:
        np.savez(stream, lists=lists, seconds=np.array([fitted - began, time.perf_counter() - fitted]))
