"""What is asked of a shelf, and how the candidates that its model finds become the list that it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from models.base import Floats, Positions, Scores, Taste
from models.ranking.rerank import allowance, capped, diverse, explored, spread
from serving.service.listening import Weighed

SEEDED_SHARE = 0.05  # how much of its score a seed may give or take
CAPPED_POOL = 300  # candidates, where artists are capped: enough that others take the places of one that has many
Artists = Callable[[Positions], Sequence[str | None]]
Directions = Callable[[Positions], Scores]  # [items, factors], of length 1 or 0: near-duplicates point the same way


class Chosen(NamedTuple):
    """What a shelf shows, and how likely each slot was to show it, given those above, where it was drawn."""

    items: Positions
    scores: Floats
    propensities: Floats | None


@dataclass(frozen=True)
class Asked:
    """One shelf's question: how many, none of `barred`, and in which order among the near-equal.

    With a `temperature`, in standard deviations of the candidates' scores, the list is drawn, by the seed and the page.
    `before` are the tracks of earlier pages. With `artists` no artist takes more places than `spread` allows, pages
    taken together. `diversity`, 0 to 1, is what unlikeness counts against the score; it needs `directions`.
    """

    known: Weighed
    barred: Positions
    count: int
    seed: int | None = None
    temperature: float | None = None
    before: Positions = field(default_factory=lambda: np.empty(0, np.int64))
    artists: Artists | None = None
    diversity: float = 0.0
    directions: Directions | None = None

    @property
    def taste(self) -> Taste:
        return self.known.taste

    @property
    def pool(self) -> int:
        """How many candidates to find: more than are shown, where something is chosen from them."""
        if self.artists is not None:
            return max(self._choice, CAPPED_POOL)
        plain = self.seed is None and self.temperature is None and not self.diversity
        return self.count if plain else self._choice

    @property
    def _choice(self) -> int:
        return 2 * self.count + 20

    def chosen(self, items: Positions, scores: Floats) -> Chosen:
        """`count` of the candidates, which are in order of score: the first in this question's order, or drawn ones."""
        order = self._in_order(items, scores)
        if self.temperature is not None and len(items):
            order = self._that_may_be_drawn(items, order)
            scale = self.temperature * (float(np.std(scores[order])) or 1.0)
            drawn = explored(scores[order], self.count, scale, self._chance)
            order = order[drawn.places]
            return Chosen(items[order], scores[order], drawn.propensities)
        if self.artists is not None:
            order = order[spread(_Looked(self.artists, items[order]), self.count, self.artists(self.before))]
        order = order[: self.count]
        return Chosen(items[order], scores[order], None)

    @property
    def _chance(self) -> np.random.Generator:
        """Of this page alone: by the lots of the first one, what had bad luck there would have it here again."""
        return np.random.default_rng(None if self.seed is None else [self.seed, len(self.before)])

    def _in_order(self, items: Positions, scores: Floats) -> Positions:
        """Places of the candidates: by score, nudged by the seed where nothing is drawn; the first of them diverse."""
        order = np.arange(len(items))
        if self.seed is not None and self.temperature is None:
            scores = scores + np.abs(scores) * SEEDED_SHARE * noise(self.seed, items)
            order = np.lexsort((items, -scores))
        if not self.diversity or self.directions is None:
            return order
        first, rest = np.split(order, [self._choice])
        shown, directions = self.directions(self.before), self.directions(items[first])
        return np.concatenate([first[diverse(scores[first], directions, len(first), self.diversity, shown)], rest])

    def _that_may_be_drawn(self, items: Positions, order: Positions) -> Positions:
        """Any of them may be shown beside any other: capped before lots are drawn, which leaves chances exact."""
        if self.artists is None:
            return order[: self._choice]
        at_most = allowance(len(self.before) + self.count - 1)
        kept = capped(_Looked(self.artists, items[order]), at_most, self._choice, self.artists(self.before))
        others = np.setdiff1d(np.arange(len(order)), kept)[: max(self.count - len(kept), 0)]
        return order[np.concatenate([kept, others])]


class _Looked(Sequence[str | None]):
    """The artists of items, read so many at once when one is looked at: mostly those of the first items say it all."""

    AT_ONCE = 60

    def __init__(self, artists: Artists, items: Positions) -> None:
        self._artists, self._items = artists, items
        self._read: list[str | None] = []

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Any) -> Any:
        while place >= len(self._read):
            start = len(self._read)
            self._read += self._artists(self._items[start : start + self.AT_ONCE])
        return self._read[place]


def noise(seed: int, items: Positions) -> Floats:
    """A number in [-1, 1) for each item [items]: the same for the same seed (SplitMix64, Steele et al. 2014)."""
    state = items.astype(np.uint64) + np.uint64(seed)
    state = (state + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
