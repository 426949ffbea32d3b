"""Two stages: sources propose some hundred tracks, a forest ranks them (Covington et al. 2016).

The score is the forest's, plus a small share of the track's score in ALS: a forest is made of steps, and between two of
them the liking still decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import msgspec
import numpy as np

from models.als import AlsConfig
from models.base import (
    NOBODY,
    Citations,
    Floats,
    Model,
    ModelBroken,
    Positions,
    Ranked,
    Scores,
    Taste,
    cited,
    ranked,
)
from models.files import read_json, write_json
from models.ranking.candidates import SOURCES, Candidates, Depth, candidates
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence
from models.ranking.features import ALS_COLUMN, NAMES, Described, Removal, features
from models.ranking.forest import Forest

NOISE = 1e-6  # a drop below this share of the largest score is rounding, and is not cited
OWN_AT_MOST, LIKED_AT_MOST = 12, 3  # plays whose removal is computed, beside the current one
_AT_ONCE, _THREADS = 64, 2  # tastes whose candidates are ranked together, and the threads for that
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class TwoStageConfig:
    """How it is fitted. Moments are those at which a pseudo-impression is drawn, in the last `recent_share` of plays.

    `decayed` says that a play in a taste weighs less by its age, as everywhere but in benchmarks that count plays.
    """

    als: AlsConfig = field(default_factory=lambda: AlsConfig(factors=48))
    depth: Depth = field(default_factory=Depth)
    recent_share: float = 0.3
    windows: int = 2
    moments: int = 8_000
    shown: int = 60
    trees: int = 60
    leaves: int = 16
    learning_rate: float = 0.1
    smoothing: float = 0.1
    decayed: bool = False
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0 < self.recent_share < 1 or self.windows < 1 or self.moments < 1:
            found = f"a recent share of {self.recent_share}, {self.windows} windows, {self.moments} moments"
            raise ValueError(f"two stages with {found}; wanted a share between 0 and 1, and 1 or more of the others")
        if self.trees < 1 or self.leaves < 2 or not self.learning_rate > 0 or not self.smoothing >= 0:
            found = f"{self.trees} trees of {self.leaves} leaves, rate {self.learning_rate}, smoothing {self.smoothing}"
            raise ValueError(
                f"two stages with {found}; wanted a tree, two leaves, a rate above 0, no smoothing below 0"
            )


@dataclass(frozen=True)
class Proposed:
    """Candidates with their scores, best first, and the source that proposed each: an index of `SOURCES`."""

    items: Positions
    scores: Floats
    sources: tuple[str, ...]


@dataclass(frozen=True)
class TwoStage(Model):
    """The corpus that proposes and describes candidates, and the forest that ranks them."""

    config: TwoStageConfig
    corpus: Corpus
    forest: Forest = field(compare=False)
    name: ClassVar[str] = "two-stage"

    @property
    def tracks(self) -> int:
        return self.corpus.tracks

    def read(self, taste: Taste) -> Evidence:
        """What the sources say of this taste: computed once for all that is asked about it."""
        return Evidence.read(self.corpus, taste)

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        if _says_nothing(taste):
            return Ranked(_NOTHING, np.empty(0, np.float32))
        found, rows = self._candidates(taste, exclude)
        return ranked(found.items, self._scored(rows), k)

    def propose(self, evidence: Evidence, k: int, barred: Positions, within: Positions | None = None) -> Proposed:
        """The best `k` candidates, none of `barred`, which ascend, and only those `within` where it is told."""
        found = candidates(self.corpus, evidence, self.config.depth, barred)
        chosen = np.arange(len(found)) if within is None else np.flatnonzero(np.isin(found.items, within))
        items = found.items[chosen]
        scores = self._scored(features(self.corpus, evidence, items))
        order = np.lexsort((items, -scores))[:k]
        return Proposed(
            items[order], scores[order], tuple(SOURCES[source] for source in found.sources[chosen][order].tolist())
        )

    def scores(self, taste: Taste, items: Positions) -> Floats:
        if _says_nothing(taste):
            return np.zeros(len(items))
        return self._scored(features(self.corpus, self.read(taste), items))

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        if not len(items) or not len(taste.tracks):
            return Citations.none(len(items), limit)
        return self.cite(self.read(taste), items, plays, limit)

    def cite(self, evidence: Evidence, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        """Each removal is computed from nothing: of the current play, of those that ALS goes by, of the items' own.

        A play of a track that is itself an item is taken back for that item alone.
        """
        taste = evidence.taste
        shared, own = self._suspects(taste, items, plays)
        asked = [(place, np.arange(len(items))) for place in shared]
        asked += [(place, np.flatnonzero(items == taste.tracks[place])) for place in own]
        if not asked:
            return Citations.none(len(items), limit)
        described = Described.of(self.corpus, evidence, items)
        rows = [described.rows(self.corpus, evidence, items)]
        heard = np.isin(items, np.concatenate([taste.tracks, taste.recent.tracks]))
        for place, chosen in asked:
            less = Evidence.read(self.corpus, taste.without(place, float(plays[place])), evidence.session)
            removal = Removal(less, less.session is evidence.session, not heard[chosen].any())
            after = described.only(chosen).after(removal, self.corpus, items[chosen])
            rows.append(after.rows(self.corpus, less, items[chosen]))
        return self._drops(rows, asked, len(items), limit, taste, plays)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", {**dataclasses.asdict(self.config), "columns": list(NAMES)})
        self.corpus.save(folder)
        self.forest.save(folder / "forest.txt")

    @classmethod
    def load(cls, folder: Path) -> Self:
        document = read_json(folder / "config.json")
        if document.pop("columns", None) != list(NAMES):
            raise ModelBroken(f"reading {folder / 'config.json'}: found other columns; wanted {', '.join(NAMES)}")
        try:
            config = msgspec.convert(document, TwoStageConfig)
        except (msgspec.ValidationError, ValueError) as error:
            raise ModelBroken(f"reading {folder / 'config.json'}: {error}") from error
        forest = Forest.load(folder / "forest.txt")
        if forest.columns != len(NAMES):
            raise ModelBroken(f"reading {folder}: found a forest over {forest.columns} columns, wanted {len(NAMES)}")
        return cls(config, Corpus.load(folder, config.als), forest)

    def recommend_many(self, tastes: Sequence[Taste], k: int, *, new_only: bool = False) -> Positions:
        lists = np.full((len(tastes), k), NOBODY, np.int64)
        asked = [row for row, taste in enumerate(tastes) if not _says_nothing(taste)]
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            found = [self._candidates(tastes[row], tastes[row].tracks if new_only else None) for row in part]
            scores = self._scored(np.concatenate([rows for _, rows in found]), _THREADS)
            ends = np.cumsum([len(proposed) for proposed, _ in found])
            for row, (proposed, _), scored in zip(part, found, np.split(scores, ends[:-1]), strict=True):
                best = ranked(proposed.items, scored, k).items
                lists[row, : len(best)] = best
        return lists

    def _candidates(self, taste: Taste, exclude: Positions | None) -> tuple[Candidates, Scores]:
        evidence = self.read(taste)
        barred = _NOTHING if exclude is None else np.unique(exclude)
        found = candidates(self.corpus, evidence, self.config.depth, barred)
        return found, features(self.corpus, evidence, found.items)

    def _scored(self, rows: Scores, threads: int = 1) -> Floats:
        return self.forest.scores(rows, threads) + self.config.smoothing * rows[:, ALS_COLUMN]

    def _suspects(self, taste: Taste, items: Positions, plays: Floats) -> tuple[list[int], list[int]]:
        """Places whose latest play may speak for any item, and those that may speak for one: its own."""
        counts = plays > 0
        current = np.flatnonzero((taste.tracks == taste.current) & counts).tolist() if taste.current is not None else []
        liked = self.corpus.als.explain(taste, items, plays, 1).places[:, 0]
        each, times = np.unique(liked[liked != NOBODY], return_counts=True)
        liked_most = each[np.lexsort((each, -times))][:LIKED_AT_MOST].tolist()
        shared = list(dict.fromkeys([*current, *liked_most]))
        own = np.flatnonzero(np.isin(taste.tracks, items) & counts).tolist()
        in_list = {int(track): place for place, track in enumerate(items)}
        own.sort(key=lambda place: in_list[int(taste.tracks[place])])
        return shared, [place for place in own if place not in set(shared)][:OWN_AT_MOST]

    def _drops(
        self,
        rows: list[Scores],
        asked: list[tuple[int, Positions]],
        items: int,
        limit: int,
        taste: Taste,
        plays: Floats,
    ) -> Citations:
        scores = self._scored(np.concatenate(rows))
        kept, left = scores[:items], scores[items:]
        drops = np.full((items, len(asked)), -np.inf)
        start = 0
        for column, (place, chosen) in enumerate(asked):
            silent = _says_nothing(taste.without(place, float(plays[place])))
            without = 0.0 if silent else left[start : start + len(chosen)]
            drops[chosen, column] = kept[chosen] - without
            start += len(chosen)
        found = cited(drops, limit, NOISE * float(np.abs(kept).max(initial=0.0)))
        places = np.array([place for place, _ in asked], np.int64)
        found.places[:] = np.where(found.places >= 0, places[found.places], found.places)
        return found


def _says_nothing(taste: Taste) -> bool:
    return not len(taste.tracks) and not len(taste.recent.tracks) and taste.current is None
