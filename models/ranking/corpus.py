"""What the candidate sources know: counts over everybody's plays up to a moment, and track vectors of ALS.

Sources, each of them cheap to count and to read: what followed a track (a Markov chain of order 1 and of order 2), what
came two to five plays later, divided by the lag; sessions, to find those like the one that goes on (session kNN,
Jannach and Ludewig 2017, weighed by position as in STAN, Garg et al. 2019); tracks with listeners in common, by cosine
(item kNN, Sarwar et al. 2001); ALS; popularity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.als import AlsConfig, AlsModel
from models.base import Floats, ModelBroken, Positions, Scores
from models.files import read_arrays, write_arrays
from models.ranking.rerank import unit_length
from models.ranking.sparse import Lists

_ROWS = ("follows", "precedes", "skips", "pairs", "near", "sessions", "heard_in")
_ARRAYS = frozenset(
    {f"{row}_{part}" for row in _ROWS for part in ("starts", "items", "values")} | {"keys", "shares", "vectors"}
)


@dataclass(frozen=True)
class Corpus:
    """Rows by track, but `pairs`, whose rows are `keys` (track before times tracks, plus track), and `sessions`.

    `heard_in` are the sessions of each track, the latest first, with the place of its last play in each; `shares`
    [tracks] are shares of all plays.
    """

    als: AlsModel
    shares: Floats
    follows: Lists
    precedes: Lists
    skips: Lists
    pairs: Lists
    keys: Positions
    near: Lists
    sessions: Lists
    heard_in: Lists

    @property
    def tracks(self) -> int:
        return len(self.shares)

    @cached_property
    def directions(self) -> Scores:
        """The tracks' vectors at length 1 [tracks, factors]; zero where nobody has played the track."""
        return unit_length(self.als.vectors)

    @cached_property
    def popular(self) -> Positions:
        """All tracks, the most played first."""
        return np.argsort(-self.shares, kind="stable")

    @cached_property
    def session_lengths(self) -> Floats:
        """Plays of each session [sessions]."""
        return np.diff(self.sessions.starts).astype(np.float64)

    def after_both(self, before: int, current: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The items and values of what followed these two in a row."""
        key = before * self.tracks + current
        at = int(np.searchsorted(self.keys, key))
        if at < len(self.keys) and self.keys[at] == key:
            return self.pairs.row(at)
        return self.pairs.items[:0], self.pairs.values[:0]

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        rows: dict[str, npt.NDArray[Any]] = {"keys": self.keys, "shares": self.shares, "vectors": self.als.vectors}
        for name in _ROWS:
            rows |= getattr(self, name).arrays(name)
        write_arrays(folder / "corpus.npz", rows)

    @classmethod
    def load(cls, folder: Path, als: AlsConfig) -> Self:
        """Read what `save` wrote, with vectors of that configuration. Raises `ModelBroken`."""
        arrays = read_arrays(folder / "corpus.npz", _ARRAYS)
        tracks, sessions = len(arrays["shares"]), len(arrays["sessions_starts"]) - 1
        try:
            rows = {name: Lists.from_arrays(name, arrays, sessions if name == "heard_in" else tracks) for name in _ROWS}
            model = AlsModel.from_vectors(arrays["vectors"], als)
        except ValueError as error:
            raise ModelBroken(f"reading {folder}: {error}") from error
        by_track = all(len(rows[name]) == tracks for name in ("follows", "precedes", "skips", "near", "heard_in"))
        if model.tracks != tracks or not by_track or len(rows["pairs"]) != len(arrays["keys"]):
            raise ModelBroken(f"reading {folder}: found rows that differ in number; wanted {tracks} tracks in each")
        return cls(model, arrays["shares"], keys=arrays["keys"], **rows)
