"""What comes next, by one linear map from plays to plays: SLIST (Choi et al. 2021), in closed form.

It joins two least squares of item-item weights B: SLIS, which tells each history X from itself but for the track in
question, as EASE does (Steck 2019), and SLIT, which tells the future F of each moment of a history from its past P:

    minimise  share |X - X B|^2 + (1 - share) |F - P B|^2 + regularisation |B|^2,  B without self-similarity

Past and future fade geometrically from the moment, so that P'P and P'F are counts of pairs of plays weighed by how far
they are apart, and no moment is ever written out. The answer reads the latest plays, faded likewise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack
from scipy.sparse import csr_array

from models.base import Interactions, ModelBroken, Positions, Scores, Sequences, Taste
from models.files import read_arrays, read_config, read_json, write_arrays, write_json
from models.reaching import told_order
from models.scoring import ScoringModel

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SlistConfig:
    """`fading` is what a play counts less than the next one in training, `answer_fading` in an answer.

    Plays up to `reach` apart count. Only the `largest` most popular tracks are in the map, whose size grows with their
    square and whose time with their cube.
    """

    share: float = 0.5
    regularisation: float = 100.0
    fading: float = 0.82
    answer_fading: float = 0.85
    reach: int = 50
    largest: int = 12_000

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 < self.fading < 1 or not 0 < self.answer_fading <= 1:
            found = f"a share of {self.share}, fadings of {self.fading} and {self.answer_fading}"
            raise ValueError(f"slist with {found}; wanted a share of 0 to 1, and fadings between them")
        if not self.regularisation > 0 or self.reach < 1 or self.largest < 1:
            raise ValueError("slist with a regularisation, reach or number of tracks of 0 or less; wanted more")


@dataclass(frozen=True)
class Slist(ScoringModel):
    """`weights` [kept, kept] float32: how much the row speaks for the column. `kept` are positions, of `tracks`."""

    config: SlistConfig
    tracks_known: int
    kept: Positions
    weights: Matrix
    name: ClassVar[str] = "slist"

    @property
    def tracks(self) -> int:
        return self.tracks_known

    @cached_property
    def places(self) -> Positions:
        """Where each track [tracks] is among those kept, or -1."""
        return _places(self.kept, self.tracks_known)

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        """0 for tracks that are not in the map."""
        scores = np.zeros((len(tastes), self.tracks), np.float32)
        scores[:, self.kept] = self._read(tastes) @ self.weights
        return scores

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        tracks = np.array([self.tracks_known], np.int64)
        write_arrays(folder / "arrays.npz", {"kept": self.kept, "weights": self.weights, "tracks": tracks})

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(SlistConfig, read_json(folder / "config.json"), folder / "config.json")
        arrays = read_arrays(folder / "arrays.npz", frozenset({"kept", "weights", "tracks"}))
        kept, weights, tracks = arrays["kept"], arrays["weights"], int(arrays["tracks"].max(initial=0))
        if weights.shape != (len(kept), len(kept)) or weights.dtype != np.float32:
            found = f"weights {weights.shape} of {weights.dtype}"
            raise ModelBroken(f"reading {folder}: found {found}, wanted {len(kept)} rows and columns of float32")
        if not np.isfinite(weights).all() or (kept < 0).any() or (kept >= tracks).any():
            raise ModelBroken(f"reading {folder}: found NaN, infinity or tracks beyond {tracks}, wanted neither")
        return cls(config, tracks, kept, weights)

    def _read(self, tastes: Sequence[Taste]) -> csr_array:
        """The faded latest plays of each [tastes, kept]; tracks by their weight where no order is known."""
        rows, columns, values = [], [], []
        for row, taste in enumerate(tastes):
            played = taste.recent.tracks[-self.config.reach :]
            weights = self.config.answer_fading ** np.arange(len(played))[::-1]
            if not len(played):
                played, weights = taste.tracks, taste.weights
            places = self.places[played]
            rows.append(np.full(int((places >= 0).sum()), row))
            columns.append(places[places >= 0])
            values.append(weights[places >= 0].astype(np.float32))
        cells = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return csr_array(cells, shape=(len(tastes), len(self.kept)))


def fit_slist(interactions: Interactions, config: SlistConfig) -> Slist:
    """Solves one system over the tracks kept. Raises ValueError where the order of plays is not known."""
    sequences = told_order(interactions, Slist.name)
    popular = np.lexsort((np.arange(interactions.tracks), -interactions.popularity))
    kept = np.sort(popular[: config.largest])
    system, told = (np.zeros((len(kept), len(kept)), np.float32) for _ in range(2))
    if config.share:
        heard = csr_array(interactions.weights[:, kept] > 0).astype(np.float32)
        system += np.float32(config.share) * (heard.T @ heard).toarray()
        told += system
    for past, future in _lagged(sequences, _places(kept, interactions.tracks), config):
        _add(system, past, 1 - config.share)
        _add(told, future, 1 - config.share)
    system[np.diag_indices(len(kept))] += config.regularisation
    return Slist(config, interactions.tracks, kept, _solved(system, told))


def _lagged(sequences: Sequences, places: Positions, config: SlistConfig) -> Iterator[tuple[csr_array, csr_array]]:
    """P'P and P'F of plays so far apart, for each distance; a pair counts for every moment that lies behind or between.

    Of plays m apart, the later with n plays after it, f^m (1 - f^2n) / (1 - f^2) is the sum over the moments after
    both, and m f^(m - 1) that over the moments between them.
    """
    listener = sequences.listeners
    after = sequences.starts[1:][listener] - 1 - np.arange(len(listener))
    later = (1 - config.fading ** (2.0 * after)) / (1 - config.fading**2)
    place, size = places[sequences.tracks], int(places.max(initial=-1)) + 1
    for apart in range(min(config.reach, len(place))):
        earlier_one, later_one = place[: len(place) - apart], place[apart:]
        told = (listener[: len(place) - apart] == listener[apart:]) & (earlier_one >= 0) & (later_one >= 0)
        cells = (earlier_one[told], later_one[told])
        shape = (size, size)
        past = csr_array((config.fading**apart * later[apart:][told], cells), shape=shape)
        between = np.full(len(cells[0]), apart * config.fading ** (apart - 1))
        yield (past + past.T if apart else past), csr_array((between, cells), shape=shape)


def _add(whole: Matrix, part: csr_array, weight: float) -> None:
    part.sum_duplicates()
    rows = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
    whole[rows, part.indices] += (weight * part.data).astype(np.float32)


def _solved(system: Matrix, told: Matrix) -> Matrix:
    """B = P told - P diag(c), P the inverse of the system and c such that the diagonal of B is 0. Uses up `system`."""
    factor, failed = lapack.spotrf(system, lower=1, overwrite_a=1)
    if failed:
        raise ValueError("slist with a system that is not positive definite; wanted more regularisation")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse @ told
    return np.ascontiguousarray(weights - inverse * (np.diag(weights) / np.diag(inverse)), np.float32)


def _places(kept: Positions, tracks: int) -> Positions:
    places = np.full(tracks, -1, np.int64)
    places[kept] = np.arange(len(kept))
    return places
