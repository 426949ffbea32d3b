"""What follows the last few tracks: Markov chains of higher order, each backed off to the next shorter one.

With h the last n tracks and h' the last n - 1, c counts from the training sessions, P_0 below and P_n the interpolated
absolute discounting of Ney, Essen and Kneser 1994,

    P_n(j | h) = max(c(h j) - D_n, 0) / c(h)  +  left(h) * P_{n-1}(j | h'),      D_n = discount * sharper^(n-1)

where left(h) is what the discount took, so that P_n sums to 1. A pair of tracks that followed each other once is weak
evidence, three tracks in order are strong: hence a discount near 1 that falls with the order. Most pairs have never
been played in order, so the last resort is what was played near the tracks of the session so far, before as well as
after them, the less the further away (skip-grams, as in Guthrie et al. 2006):

    P_0(j | s) ~ sum over p of  memory^(p-1)  S[s_p, j],      s_1 the latest track of the session
    S[i, j] ~ sum over d of  decay^(d-1)  (times j came d plays after i + backward * times it came d before)

A row of S sums to 1. Where nothing was ever played near, there is no answer.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Interactions, ModelBroken, Positions, Sequences, Taste
from models.files import (
    read_arrays,
    read_config,
    read_json,
    sparse_arrays,
    sparse_from_arrays,
    write_arrays,
    write_json,
)
from models.reaching import ReachingModel, above_zero, latest_first, rows_joined, summed, told_order
from models.search_space import ranged


@dataclass(frozen=True)
class MarkovConfig:
    """`order` is the longest context in tracks, 0 for skip-grams alone; `discount` is in plays.

    `window` is how far skip-grams reach within a session, `remembered` how many tracks of it are looked at. A track of
    the session so far keeps the share `heard` of its P_0.
    """

    order: int = ranged(3, 1, 5)
    discount: float = ranged(0.98, 0.5, 0.999)
    sharper: float = ranged(0.5, 0.2, 1.0)
    window: int = ranged(10, 2, 50, log=True)
    decay: float = ranged(0.85, 0.5, 1.0)
    backward: float = ranged(0.8, 0.0, 1.0)
    remembered: int = ranged(8, 1, 50, log=True)
    memory: float = ranged(0.7, 0.3, 1.0)
    heard: float = ranged(1.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if self.order < 0 or self.window < 1 or self.remembered < 1:
            found = f"order {self.order}, window {self.window}, remembered {self.remembered}"
            raise ValueError(f"markov with {found}; wanted an order of 0 or more, the others 1 or more")
        if not (0 < self.discount < 1 and 0 < self.sharper <= 1):
            found = f"discount {self.discount}, sharper {self.sharper}"
            raise ValueError(f"markov with {found}; wanted both above 0, a discount below 1, sharper at most 1")
        if not (0 < self.decay <= 1 and 0 < self.memory <= 1 and 0 <= self.backward <= 1 and 0 <= self.heard <= 1):
            found = f"decay {self.decay}, memory {self.memory}, backward {self.backward}, heard {self.heard}"
            raise ValueError(f"markov with {found}; wanted 0 to 1, decay and memory above 0")


@dataclass(frozen=True)
class Contexts:
    """What followed each context of one order: `followers` [contexts, tracks] float64 counts.

    `keys` [contexts], ascending, name a context by the one that is shorter by its oldest track, times the number of
    tracks, plus that track. The contexts of order 1 are the tracks themselves.
    """

    keys: Positions
    followers: csr_array

    def find(self, key: int) -> int | None:
        """The place of that context, or None where nothing is known to have followed it."""
        place = int(np.searchsorted(self.keys, key))
        return place if place < len(self.keys) and self.keys[place] == key else None

    def of(self, place: int) -> tuple[Positions, Floats]:
        """What followed that context, and how often."""
        row = slice(self.followers.indptr[place], self.followers.indptr[place + 1])
        return self.followers.indices[row].astype(np.int64), self.followers.data[row]


@dataclass(frozen=True)
class Markov(ReachingModel):
    """`near` [tracks, tracks] float64 is S; `contexts` those of order 1, 2 and so on."""

    config: MarkovConfig
    near: csr_array
    contexts: tuple[Contexts, ...]
    name: ClassVar[str] = "markov"

    @property
    def tracks(self) -> int:
        return int(self.near.shape[1])

    @cached_property
    def _starts(self) -> Positions:
        return self.near.indptr.astype(np.int64)

    @cached_property
    def _columns(self) -> Positions:
        return self.near.indices.astype(np.int64)

    def reached(self, taste: Taste) -> tuple[Positions, Floats]:
        session = latest_first(taste, max(self.config.remembered, self.config.order))
        if not len(session):
            return np.empty(0, np.int64), np.empty(0)
        shares = self._nearby(session[: self.config.remembered])
        context, discount = 0, self.config.discount
        for contexts, track in zip(self.contexts, session, strict=False):
            found = contexts.find(context * self.tracks + int(track))
            if found is None:
                break
            followers, times = contexts.of(found)
            kept = np.maximum(times - discount, 0.0) / times.sum()
            shares *= 1.0 - kept.sum()
            shares[followers] += kept
            context, discount = found, discount * self.config.sharper
        return above_zero(shares)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", {"tracks": self.tracks, **dataclasses.asdict(self.config)})
        arrays = sparse_arrays("near", self.near)
        for order, contexts in enumerate(self.contexts, 1):
            arrays[f"keys_{order}"] = contexts.keys
            arrays |= sparse_arrays(f"followers_{order}", contexts.followers)
        write_arrays(folder / "arrays.npz", arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        document = read_json(folder / "config.json")
        tracks = document.pop("tracks", None)
        config = read_config(MarkovConfig, document, folder / "config.json")
        arrays = read_arrays(folder / "arrays.npz", frozenset({"near_data", "near_indices", "near_indptr"}))
        try:
            near = sparse_from_arrays("near", arrays, (tracks, tracks))
            contexts = tuple(_contexts_from(arrays, order, tracks) for order in range(1, config.order + 1))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelBroken(f"reading {folder}: {error}; wanted sparse matrices over {tracks} tracks") from error
        if not all(np.isfinite(matrix.data).all() for matrix in (near, *(one.followers for one in contexts))):
            raise ModelBroken(f"reading {folder}: found NaN or infinity, wanted numbers")
        return cls(config, near, contexts)

    def _nearby(self, session: Positions) -> Floats:
        """P_0 [tracks], for tracks latest first; sums to 1 or, where nothing is near, to 0."""
        weights = self.config.memory ** np.arange(len(session))
        places, whose = rows_joined(self._starts, session)
        shares = summed(self._columns[places], self.near.data[places] * weights[whose], self.tracks)
        shares[session] *= self.config.heard
        total = shares.sum()
        return shares / total if total > 0 else shares


def fit_markov(interactions: Interactions, config: MarkovConfig = MarkovConfig()) -> Markov:
    """Count. Raises ValueError where the order of plays is not known."""
    plays = told_order(interactions, Markov.name)
    near = skip_grams(plays, interactions.tracks, config.window, config.decay, config.backward)
    return Markov(config, _shares(near), tuple(_counted(plays, interactions.tracks, config.order)))


def skip_grams(plays: Sequences, tracks: int, window: int, decay: float, backward: float) -> csr_array:
    """How often the column was played near the row [tracks, tracks] float64, by the distance within a session."""
    near, session = csr_array((tracks, tracks), dtype=np.float64), plays.each_session
    for distance in range(1, min(window, len(plays.tracks) - 1) + 1):
        together = session[distance:] == session[:-distance]
        pairs = (plays.tracks[:-distance][together], plays.tracks[distance:][together])
        weights = np.full(len(pairs[0]), decay ** (distance - 1))
        near = near + csr_array(coo_array((weights, pairs), shape=(tracks, tracks)))
    both = csr_array(near + backward * near.T)
    both.eliminate_zeros()
    both.sort_indices()
    return both


def _shares(counts: csr_array) -> csr_array:
    totals = np.asarray(counts.sum(axis=1)).ravel()
    rows = np.repeat(np.arange(len(totals)), np.diff(counts.indptr))
    return csr_array((counts.data / totals[rows], counts.indices, counts.indptr), counts.shape)


def _counted(plays: Sequences, tracks: int, longest: int) -> list[Contexts]:
    """The contexts of each order up to the longest, and what followed them."""
    session = plays.each_session
    place = np.flatnonzero(session[1:] == session[:-1])  # of plays that another one follows
    context, found = np.zeros(len(place), np.int64), []
    for back in range(longest):
        there = (place >= back) & (session[place - back] == session[place])
        place, context = place[there], context[there]
        keys, context = np.unique(context * tracks + plays.tracks[place - back], return_inverse=True)
        ones = np.ones(len(place))
        followed = coo_array((ones, (context, plays.tracks[place + 1])), shape=(len(keys), tracks))
        found.append(Contexts(keys, csr_array(followed)))
    return found


def _contexts_from(arrays: dict[str, npt.NDArray[Any]], order: int, tracks: int) -> Contexts:
    keys = arrays[f"keys_{order}"]
    return Contexts(keys, sparse_from_arrays(f"followers_{order}", arrays, (len(keys), tracks)))
