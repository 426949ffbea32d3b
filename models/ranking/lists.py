"""What a ranker learns from: lists of tracks as they looked at a moment, and which of them were played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from models.base import Floats, Positions, Scores
from models.ranking.features import NAMES

_PARTS = ("rows", "played", "slots", "sizes", "listeners")


class List(NamedTuple):
    """A listener's: rows [tracks, columns], `played` [tracks] 0 or 1, and slots [tracks], 0 where none was shown."""

    listener: int
    rows: Scores
    played: Positions
    slots: Positions


@dataclass(frozen=True)
class Lists:
    """Lists in one: rows [tracks, columns], `played` and `slots` [tracks]; `sizes` and `listeners` [lists].

    `asked` is how many were looked for: the others teach nothing.
    """

    rows: Scores
    played: Positions
    slots: Positions
    sizes: Positions
    listeners: Positions
    asked: int

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def told(cls, lists: Sequence[List], asked: int) -> Self:
        """These, of so many that were asked for."""
        rows = np.concatenate([np.empty((0, len(NAMES)), np.float32), *(one.rows for one in lists)])
        played, slots = (np.concatenate([np.empty(0, np.int64), *(one[part] for one in lists)]) for part in (2, 3))
        sizes, listeners = (
            np.array(told, np.int64) for told in ([len(one.rows) for one in lists], [one.listener for one in lists])
        )
        return cls(rows, played, slots, sizes, listeners, asked)

    @classmethod
    def joined(cls, parts: Sequence[Lists]) -> Self:
        """All of these, one after the other."""
        some: list[Lists] = [cls.told([], 0), *parts]
        arrays = {name: np.concatenate([getattr(part, name) for part in some]) for name in _PARTS}
        return cls(**arrays, asked=sum(part.asked for part in some))

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """As plain arrays, to be written with others."""
        parts = {name: getattr(self, name) for name in _PARTS} | {"asked": np.array([self.asked])}
        return {f"{prefix}_{name}": part for name, part in parts.items()}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `arrays` took apart."""
        parts = {name: arrays[f"{prefix}_{name}"] for name in _PARTS}
        return cls(**parts, asked=int(arrays[f"{prefix}_asked"][0]))

    @cached_property
    def pairs(self) -> Floats:
        """How many pairs of a played and an unplayed track each list has [lists]."""
        played = self._sums(self.played)
        return played * (self.sizes - played)

    def ordered_rightly(self, scores: Floats) -> Floats:
        """In how many of its pairs the played track scores higher [lists]; equal scores count half.

        Over the pairs that is the area under the ROC curve, here from the sum of the ranks of what was played (Mann and
        Whitney 1947).
        """
        of = self._list_of
        order = np.lexsort((scores, of))
        opens = np.append(True, (np.diff(scores[order]) != 0) | (np.diff(of[order]) != 0))[: len(order)]
        group = np.cumsum(opens) - 1
        ranks = np.empty(len(order))
        ranks[order] = (np.bincount(group, np.arange(len(order))) / np.bincount(group))[group]
        ranks -= np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        played = self._sums(self.played)
        return self._sums(self.played * ranks) - played * (played - 1) / 2

    def _sums(self, values: npt.NDArray[Any]) -> Floats:
        return np.bincount(self._list_of, values, len(self)).astype(np.float64)

    @cached_property
    def _list_of(self) -> Positions:
        """The list of each track [tracks]."""
        return np.repeat(np.arange(len(self)), self.sizes)
