"""Two stages: sources propose some hundred tracks, a forest ranks them (Covington et al. 2016).

The score is the forest's, plus a small share of the track's score in ALS: a forest is made of steps, and between two of
them the liking still decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
    ranked,
)
from models.files import read_json, write_json
from models.ranking.candidates import SOURCES, Candidates, Depth, candidates, enough_candidates
from models.ranking.citing import Removed, Scored, cite, own_of_session, says_nothing
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence
from models.ranking.features import ALS_COLUMN, NAMES, features
from models.ranking.forest import Forest

_OF_SHOWN = "forest_of_shown.txt"
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
class Proposed(Scored):
    """Candidates, best first, and the source that proposed each, one of `SOURCES`."""

    sources: tuple[str, ...]


@dataclass(frozen=True)
class TwoStage(Model):
    """The corpus that proposes and describes candidates, and the forest that ranks them by what is played next.

    `of_shown` ranks by what is played of what is shown, where enough has been shown to learn that.
    """

    config: TwoStageConfig
    corpus: Corpus
    forest: Forest = field(compare=False)
    of_shown: Forest | None = field(default=None, compare=False)
    name: ClassVar[str] = "two-stage"

    @property
    def tracks(self) -> int:
        return self.corpus.tracks

    @cached_property
    def recommending(self) -> TwoStage:
        """The model that ranks what is to be recommended, not what comes next: itself where it knows no better."""
        return self if self.of_shown is None else dataclasses.replace(self, forest=self.of_shown)

    def warm(self) -> None:
        """Build what is built at its first use, so that no request waits for it."""
        _ = (
            self.recommending,
            self.corpus.als.index,
            self.corpus.directions,
            self.corpus.popular,
            self.corpus.session_lengths,
        )

    def read(self, *tastes: Taste, like: Evidence | None = None) -> list[Evidence]:
        """What the sources say of each taste: computed once for all that is asked about it, and for what they share."""
        return Evidence.read(self.corpus, tastes, like)

    def recommend(self, taste: Taste, k: int, exclude: Positions | None = None) -> Ranked:
        if says_nothing(taste):
            return Ranked(_NOTHING, np.empty(0, np.float32))
        found, rows = self._candidates(taste, exclude)
        return ranked(found.items, self.scores_of(rows), k)

    def propose(self, evidence: Evidence, k: int, barred: Positions, enough: int = 0) -> Proposed:
        """The best `k` candidates, none of `barred`, which ascend; `enough` are found where there are so many."""
        found = enough_candidates(self.corpus, evidence, self.config.depth, barred, enough)
        scored = self.scored(evidence, found.items)
        order = np.argsort(-scored.scores, kind="stable")[:k]  # ties by position, by which candidates ascend
        best = scored[order]
        sources = found.sources[order].tolist()
        return Proposed(best.items, best.rows, best.scores, tuple([SOURCES[source] for source in sources]))

    def scored(self, evidence: Evidence, items: Positions) -> Scored:
        """These tracks, as they are seen now."""
        rows = features(self.corpus, evidence, items)
        return Scored(items, rows, self.scores_of(rows))

    def scores(self, taste: Taste, items: Positions) -> Floats:
        if says_nothing(taste):
            return np.zeros(len(items))
        (evidence,) = self.read(taste)
        return self.scored(evidence, items).scores

    def explain(self, taste: Taste, items: Positions, plays: Floats, limit: int = 3) -> Citations:
        if not len(items) or not len(taste.tracks):
            return Citations.none(len(items), limit)
        (evidence,) = self.read(taste)
        suspects = own_of_session(evidence, items, plays)
        current = np.flatnonzero((taste.tracks == (NOBODY if taste.current is None else taste.current)) & (plays > 0))
        suspects = [*((place, np.arange(len(items))) for place in current.tolist()), *suspects]
        return self.cite(evidence, self.scored(evidence, items), plays, self.removals(evidence, suspects, plays), limit)

    def removals(self, evidence: Evidence, suspects: Sequence[tuple[int, Positions]], plays: Floats) -> list[Removed]:
        """What is left of a taste without the latest play of each of these places."""
        tastes = [evidence.taste.without(place, float(plays[place])) for place, _ in suspects]
        left = self.read(*tastes, like=evidence)
        return [Removed(place, less, of) for (place, of), less in zip(suspects, left, strict=True)]

    def cite(
        self, evidence: Evidence, shown: Scored, plays: Floats, removals: Sequence[Removed], limit: int = 3
    ) -> Citations:
        """Whatever lowers a score of these `removals`, or of the plays before the session."""
        return cite(self.corpus, evidence, shown, plays, removals, self.scores_of, limit)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", {**dataclasses.asdict(self.config), "columns": list(NAMES)})
        self.corpus.save(folder)
        self.forest.save(folder / "forest.txt")
        if self.of_shown is not None:
            self.of_shown.save(folder / _OF_SHOWN)

    @classmethod
    def load(cls, folder: Path) -> Self:
        document = read_json(folder / "config.json")
        if document.pop("columns", None) != list(NAMES):
            raise ModelBroken(f"reading {folder / 'config.json'}: found other columns; wanted {', '.join(NAMES)}")
        try:
            config = msgspec.convert(document, TwoStageConfig)
        except (msgspec.ValidationError, ValueError) as error:
            raise ModelBroken(f"reading {folder / 'config.json'}: {error}") from error
        names = ["forest.txt", *([_OF_SHOWN] if (folder / _OF_SHOWN).exists() else [])]
        forests = [Forest.load(folder / name) for name in names]
        for forest in forests:
            if forest.columns != len(NAMES):
                found = f"found a forest over {forest.columns} columns, wanted {len(NAMES)}"
                raise ModelBroken(f"reading {folder}: {found}")
        return cls(config, Corpus.load(folder, config.als), *forests)

    def recommend_many(self, tastes: Sequence[Taste], k: int, *, new_only: bool = False) -> Positions:
        lists = np.full((len(tastes), k), NOBODY, np.int64)
        asked = [row for row, taste in enumerate(tastes) if not says_nothing(taste)]
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            found = [self._candidates(tastes[row], tastes[row].tracks if new_only else None) for row in part]
            scores = self.scores_of(np.concatenate([rows for _, rows in found]), _THREADS)
            ends = np.cumsum([len(proposed) for proposed, _ in found])
            for row, (proposed, _), scored in zip(part, found, np.split(scores, ends[:-1]), strict=True):
                best = ranked(proposed.items, scored, k).items
                lists[row, : len(best)] = best
        return lists

    def _candidates(self, taste: Taste, exclude: Positions | None) -> tuple[Candidates, Scores]:
        (evidence,) = self.read(taste)
        barred = _NOTHING if exclude is None else np.unique(exclude)
        found = candidates(self.corpus, evidence, self.config.depth, barred)
        return found, features(self.corpus, evidence, found.items)

    def scores_of(self, rows: Scores, threads: int = 1) -> Floats:
        """What these rows [tracks, columns] of `features` score."""
        return self.forest.scores(rows, threads) + self.config.smoothing * rows[:, ALS_COLUMN]
