"""The vocabulary that all models share: what they learn from, what they are asked, what they answer.

Models speak of positions: a track is its place in the catalog that it was fitted on, a listener a row. The ids of the
outside world are turned into positions once, at the edge, by a `Catalog`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NewType, Self, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

TrackId = NewType("TrackId", str)
ListenerId = NewType("ListenerId", str)
TrackPosition = NewType("TrackPosition", int)

Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
NOBODY = -1  # fills the places of a list that has no track, or no citation, to put there


@dataclass(frozen=True)
class Catalog:
    """Track ids by position, each once."""

    ids: tuple[TrackId, ...]
    _positions: dict[TrackId, TrackPosition] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        positions = {track: TrackPosition(place) for place, track in enumerate(self.ids)}
        if len(positions) != len(self.ids):
            raise ValueError(f"a catalog of {len(self.ids)} ids with {len(positions)} tracks; wanted each id once")
        object.__setattr__(self, "_positions", positions)

    def __len__(self) -> int:
        return len(self.ids)

    def position(self, track: TrackId) -> TrackPosition | None:
        """Where the track is, or None where the catalog lacks it."""
        return self._positions.get(track)


@dataclass(frozen=True)
class Sequences:
    """Every play in order: listener after listener, and each listener's oldest first.

    The plays of row i of the weights are those at `starts[i]:starts[i + 1]`. For each play [plays] its track, the
    number of its session, which grows along the plays of a listener, and when it began: `started_s`, in seconds. Where
    nobody knows the time it is the place in the order.
    """

    starts: Positions
    tracks: Positions
    sessions: Positions
    started_s: Floats

    def __post_init__(self) -> None:
        plays = len(self.tracks)
        if len(self.sessions) != plays or len(self.started_s) != plays or self.starts[-1] != plays:
            found = f"{len(self.sessions)} sessions, {len(self.started_s)} times, starts up to {self.starts[-1]}"
            raise ValueError(f"sequences of {plays} plays: found {found}; wanted one of each a play")

    @property
    def listeners(self) -> Positions:
        """Whose each play is [plays]: a row of the weights."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @property
    def opens(self) -> npt.NDArray[np.bool_]:
        """Whether each play is the first of its session [plays]."""
        return first_of_session(self.listeners, self.sessions)

    @property
    def each_session(self) -> Positions:
        """A number for each session of each listener [plays], which grows: `sessions` may begin anew with each."""
        return np.cumsum(self.opens)


def first_of_session(listeners: Positions, sessions: Positions) -> npt.NDArray[np.bool_]:
    """Whether each play, in order, is the first of its listener's session [plays]; numbers are from 0 on."""
    return (np.diff(listeners, prepend=-1) != 0) | (np.diff(sessions, prepend=-1) != 0)


@dataclass(frozen=True)
class Interactions:
    """What a model is fitted on.

    `weights` [listeners, tracks] are decayed plays in float32 (1 is one play of today), `transitions` [tracks, tracks]
    how often the column followed the row within a session, `popularity` [tracks] decayed plays by everybody.
    `sequences` are the same plays in order, where the order is known. `attributes` are what is told of the tracks
    themselves, played or not: one block [tracks, attributes] a kind, either sparse counts (tags, pieces of names) or
    dense vectors, as a model of sound gives them; a row of zeros where nothing is told.
    """

    weights: csr_array
    transitions: csr_array
    popularity: Floats
    sequences: Sequences | None = None
    attributes: tuple[csr_array | Scores, ...] = ()

    def __post_init__(self) -> None:
        if self.sequences is not None and len(self.sequences.starts) != self.listeners + 1:
            found = f"sequences of {len(self.sequences.starts) - 1} listeners"
            raise ValueError(f"interactions of {self.listeners} listeners: found {found}, wanted as many")
        tracks = self.weights.shape[1]
        if self.transitions.shape != (tracks, tracks) or self.popularity.shape != (tracks,):
            found = f"transitions {self.transitions.shape}, popularity {self.popularity.shape}"
            raise ValueError(f"interactions over {tracks} tracks: found {found}, wanted one row and column a track")
        if any(block.shape[0] != tracks for block in self.attributes):
            found = f"attributes of {', '.join(str(block.shape[0]) for block in self.attributes)} tracks"
            raise ValueError(f"interactions over {tracks} tracks: found {found}, wanted one row a track")

    @property
    def tracks(self) -> int:
        return int(self.weights.shape[1])

    @property
    def listeners(self) -> int:
        return int(self.weights.shape[0])


@dataclass(frozen=True)
class Recent:
    """A listener's latest plays in order, oldest first; the last `session` of them are the session so far.

    `tracks` [plays] are positions, `ago_s` [plays] seconds from each play's start to the moment of asking. Where nobody
    knows the time it is the number of plays since, the last one 1.
    """

    tracks: Positions
    ago_s: Floats
    session: int

    @classmethod
    def none(cls) -> Recent:
        """No play is known."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float64), 0)

    @classmethod
    def in_order(cls, tracks: Positions, session: int) -> Recent:
        """Plays of which only the order is known."""
        return cls(tracks, np.arange(len(tracks), 0, -1, dtype=np.float64), session)

    @property
    def in_session(self) -> Positions:
        """The tracks of the session so far, oldest first."""
        return self.tracks[len(self.tracks) - self.session :]

    def without_latest(self, track: TrackPosition) -> Recent:
        """It without the last play of that track."""
        places = np.flatnonzero(self.tracks == track)
        if not len(places):
            return self
        place = int(places[-1])
        session = self.session - (place >= len(self.tracks) - self.session)
        return Recent(_without(self.tracks, place), _without(self.ago_s, place), session)


_NO_PLAYS = Recent.none()
_Number = TypeVar("_Number", bound=np.generic)


def _without(array: npt.NDArray[_Number], place: int) -> npt.NDArray[_Number]:
    return np.concatenate((array[:place], array[place + 1 :]))


@dataclass(frozen=True)
class Taste:
    """One listener's known history: each track once, its weight in plays, and the track just played.

    The order is that of the first hearing where the caller knows it: it settles ties in the listener's own repeats.
    `recent` are the latest plays in order, for the models that read them.
    """

    tracks: Positions
    weights: Floats
    current: TrackPosition | None = None
    recent: Recent = _NO_PLAYS

    @classmethod
    def unknown(cls, current: TrackPosition | None = None) -> Taste:
        """The taste of somebody nothing is known of."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float64), current)

    def without(self, place: int, weight: float) -> Taste:
        """The taste less the latest play, of this weight, of its track at `place`.

        A track with nothing left is no longer in it, and a track whose latest play is gone is not the current one.
        """
        current = None if self.tracks[place] == self.current else self.current
        recent = self.recent.without_latest(TrackPosition(int(self.tracks[place])))
        left = self.weights[place] - weight
        if left > 0:
            weights = self.weights.copy()
            weights[place] = left
            return Taste(self.tracks, weights, current, recent)
        return Taste(_without(self.tracks, place), _without(self.weights, place), current, recent)


@dataclass(frozen=True)
class Ranked:
    """Tracks best first, at most as many as were asked for; equal scores are in order of position."""

    items: Positions
    scores: Scores

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Citations:
    """For each item [items, limit]: places in the taste whose removal lowers its score, the largest drop first.

    `places` index `Taste.tracks`; `NOBODY` fills where there are no more. `drops` are in the model's own scores.
    """

    places: Positions
    drops: Floats

    @classmethod
    def none(cls, items: int, limit: int) -> Citations:
        """Nothing to cite for any item."""
        return cls(np.full((items, limit), NOBODY, np.int64), np.zeros((items, limit)))


def cited_places(places: Positions) -> tuple[tuple[int, ...], ...]:
    """The places of each row [items, limit], without the `NOBODY` that fills it."""
    return tuple(tuple(place for place in row if place != NOBODY) for row in places.tolist())


class ModelBroken(Exception):
    """Saved files do not hold the model that was wanted; says which file, what was found and what was wanted."""


class Model(ABC):
    """A fitted model: it holds arrays, never the trainer that made them."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def tracks(self) -> int:
        """How many tracks it knows."""

    @abstractmethod
    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        """The best `k` tracks for this taste, none of those in `exclude`."""

    @abstractmethod
    def scores(self, taste: Taste, items: Positions) -> Floats:
        """What `recommend` ranks by, for these tracks [items]."""

    @abstractmethod
    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        """Which single plays lower an item's score when taken back.

        `plays` [history] is the weight of the one play that would be taken back, for each track of the taste.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write it into a folder: npz and JSON, the same bytes for the same model."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises `ModelBroken`."""

    def recommend_many(self, tastes: Sequence[Taste], k: int, *, new_only: bool = False) -> Positions:
        """The best `k` for each taste [tastes, k], filled up with `NOBODY`; none of its own tracks where `new_only`."""
        lists = np.full((len(tastes), k), NOBODY, np.int64)
        for row, taste in zip(lists, tastes, strict=True):
            items = self.recommend(taste, k, taste.tracks if new_only else None).items
            row[: len(items)] = items
        return lists


def ranked(items: Positions, scores: npt.NDArray[np.floating], k: int) -> Ranked:
    """The best `k` of scored items: by score as float32, ties by position, minus infinity left out."""
    rounded = scores.astype(np.float32)
    if k < len(rounded):
        worst = np.partition(rounded, len(rounded) - k)[len(rounded) - k] if k else np.float32(np.inf)
        kept = np.flatnonzero((rounded >= worst) & (rounded > -np.inf))
    else:
        kept = np.flatnonzero(rounded > -np.inf)
    best = kept[np.lexsort((items[kept], -rounded[kept]))][:k]
    return Ranked(items[best].astype(np.int64), rounded[best])


def cited(drops: Floats, limit: int, noise: float | Floats = 0.0) -> Citations:
    """The largest `drops` [items, history] of each item that exceed its `noise`, at most `limit`; ties by place."""
    found = Citations.none(len(drops), limit)
    left, rows = drops.copy(), np.arange(len(drops))
    for column in range(min(limit, drops.shape[1])):
        best = left.argmax(axis=1)
        lowers = left[rows, best] > noise
        found.places[:, column] = np.where(lowers, best, NOBODY)
        found.drops[:, column] = np.where(lowers, left[rows, best], 0.0)
        left[rows, best] = -np.inf
    return found
