"""Learners stacked: a forest ranks each track by what all of them say of it, and by what is known of it.

Wolpert 1992, "Stacked Generalization": what members say is the input of one more model, which learns from cases that
none of them was fitted on. A blend weighs members alike for every track; the forest can trust one of them for what is
often played and another for what is new, and sees what none of them does: how old a track is, and whether it is coming
or going.
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

from models.base import Floats, Model, ModelBroken, Positions, Scores, Sequences, Taste
from models.files import read_arrays, write_arrays, write_json
from models.members import Part, load_members, read_members_config, save_members, scores_of_all, standardised
from models.ranking.forest import Forest
from models.scoring import ScoringModel
from models.search_space import ranged
from warehouse.rules.quantity import DAY_MS, SECOND_MS

DAY_S = DAY_MS // SECOND_MS
FACTS = ("plays", "listeners", "recent", "latest", "repeated", "age")  # of a track
OWN = ("own plays", "own ago", "own share")  # of a track in the listener's taste
NEVER_DAYS = 10_000.0  # since the last own play of what is not among the latest plays
_LATELY_DAYS, _LATEST_DAYS, _PRIOR = 30, 7, 3.0
_BEHIND = 100.0  # more than what a forest tells apart: it has learned nothing of what no member puts forward
_CELLS_AT_ONCE, _THREADS = 1 << 22, 2


@dataclass(frozen=True)
class StackedConfig:
    """`members` are fitted before each of `windows` of `days` at most, the last ones there are, and asked about it.

    The forest learns from the `depth` best tracks of each member which of them were played in the window; of those that
    were not, a share `passed_over`. Where `new_only`, tracks that the listener has played are no answer: the model is
    for lists of new ones. A `seed` is that of the members too. What is told of tracks themselves no window knows, so
    learners that read attributes are no members.
    """

    members: tuple[Part, ...] = (Part("als"), Part("item-knn"), Part("sparse-ease"), Part("stan"), Part("markov"))
    new_only: bool = False
    windows: int = 6
    days: float = 30.0
    depth: int = 100
    passed_over: float = 0.15
    trees: int = ranged(300, 50, 600, log=True)
    leaves: int = ranged(7, 4, 31, log=True)
    learning_rate: float = ranged(0.025, 0.01, 0.2, log=True)
    seed: int = 7

    def __post_init__(self) -> None:
        if not self.members or self.windows < 1 or not self.days > 0 or self.depth < 1:
            found = f"{len(self.members)} members, {self.windows} windows of {self.days} days, a depth of {self.depth}"
            raise ValueError(f"stacked learners with {found}; wanted 1 or more of each")
        if self.trees < 1 or self.leaves < 2 or not self.learning_rate > 0 or not 0 < self.passed_over <= 1:
            found = f"{self.trees} trees of {self.leaves} leaves, rate {self.learning_rate}, {self.passed_over} passed"
            raise ValueError(f"stacked learners with {found}; wanted a tree, two leaves, a rate and a share above 0")

    @property
    def columns(self) -> tuple[str, ...]:
        """What the forest is told of a track, in order."""
        said = [f"{kind} of {place}" for kind in ("score", "rank") for place in range(1, len(self.members) + 1)]
        return (*said, *FACTS, *OWN)


@dataclass(frozen=True)
class Stacked(ScoringModel):
    """The fitted members, `facts` [tracks, FACTS] as of the last play, and the forest.

    What no member puts forward comes after all that one does, by the mean of their standard scores.
    """

    config: StackedConfig
    members: tuple[Model, ...]
    facts: Scores
    forest: Forest
    name: ClassVar[str] = "stacked"

    @property
    def tracks(self) -> int:
        return len(self.facts)

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        found = np.empty((len(tastes), self.tracks), np.float32)
        for part in batches(self.config, len(tastes), self.tracks):
            said = Said.of(self.config, self.members, tastes[part])
            forward = said.put_forward(self.config.depth)
            scores = said.standard.mean(axis=0) / np.sqrt(self.tracks) - _BEHIND  # no standard score exceeds the root
            scores[forward] = self.forest.scores(described(said, self.facts, tastes[part], forward), _THREADS)
            found[part] = scores
        return found

    def scores(self, taste: Taste, items: Positions) -> Floats:
        """Those of a taste that nothing is known of lie below all others: what takes the last play lowers a score."""
        return np.full(len(items), -2 * _BEHIND) if self.says_nothing(taste) else super().scores(taste, items)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", {"facts": self.facts})
        save_members(folder, self.config.members, self.members)
        self.forest.save(folder / "forest.txt")

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_members_config(StackedConfig, folder / "config.json")
        members = load_members(folder, config.members)
        facts = read_arrays(folder / "arrays.npz", frozenset({"facts"}))["facts"]
        if facts.shape != (members[0].tracks, len(FACTS)) or facts.dtype != np.float32 or not np.isfinite(facts).all():
            found = f"facts {facts.dtype}{facts.shape}"
            raise ModelBroken(f"reading {folder}: found {found}, wanted numbers of {members[0].tracks} tracks")
        forest = Forest.load(folder / "forest.txt")
        if forest.columns != len(config.columns):
            raise ModelBroken(f"reading {folder}: found a forest of {forest.columns} columns, wanted {config.columns}")
        return cls(config, members, facts, forest)


@dataclass(frozen=True)
class Said:
    """What members say: `scores` [members, tastes, tracks], and of what they were `told` to say anything.

    What a member says nothing of has the lowest of its scores.
    """

    scores: Scores
    told: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, config: StackedConfig, members: Sequence[Model], tastes: Sequence[Taste]) -> Self:
        """Of these tastes. A score of exactly 0 is that of a track that a member does not reach."""
        scores = np.stack([scores_of_all(member, tastes) for member in members])
        told = np.isfinite(scores) & (scores != 0)
        if config.new_only:
            for place, taste in enumerate(tastes):
                told[:, place, taste.tracks] = False
        lowest = np.min(scores, axis=-1, where=told, initial=np.inf, keepdims=True)
        return cls(np.where(told, scores, np.where(np.isfinite(lowest), lowest, np.float32(0))), told)

    @cached_property
    def standard(self) -> Scores:
        """The scores with mean 0 and deviation 1 over the catalog."""
        return standardised(self.scores)

    @cached_property
    def ranks(self) -> npt.NDArray[np.int32]:
        """How many tracks the member scores higher, for each."""
        tracks = self.scores.shape[-1]
        found = np.empty((self.scores.size // max(tracks, 1), tracks), np.int32)
        for ranks, row in zip(found, self.scores.reshape(found.shape), strict=True):
            ranks[:] = tracks - np.searchsorted(np.sort(row), row, side="right")
        return found.reshape(self.scores.shape)

    def put_forward(self, depth: int) -> npt.NDArray[np.bool_]:
        """Which tracks [tastes, tracks] are among the best of a member that says something of them."""
        return np.asarray(((self.ranks < depth) & self.told).any(axis=0))


def batches(config: StackedConfig, tastes: int, tracks: int) -> Iterator[slice]:
    """Tastes that are asked about together: what their members say fits into memory."""
    at_once = max(1, _CELLS_AT_ONCE // (tracks * len(config.members)))
    for start in range(0, tastes, at_once):
        yield slice(start, start + at_once)


def described(said: Said, facts: Scores, tastes: Sequence[Taste], chosen: npt.NDArray[np.bool_]) -> Scores:
    """Rows [chosen, columns]: what members say of a track, the facts, what the listener did with it.

    They are those of the tracks that are `chosen` [tastes, tracks], taste after taste.
    """
    whose, items = np.nonzero(chosen)
    own = np.empty((len(tastes), len(facts), len(OWN)), np.float32)
    own[:] = (0.0, NEVER_DAYS, 0.0)
    for row, taste in zip(own, tastes, strict=True):
        row[taste.tracks, 0] = taste.weights
        np.minimum.at(row[:, 1], taste.recent.tracks, taste.recent.ago_s / DAY_S)
        row[taste.tracks, 2] = taste.weights / max(taste.weights.sum(), np.finfo(np.float32).tiny)
    parts = (
        said.standard[:, whose, items].T,
        np.log1p(said.ranks[:, whose, items]).T,
        facts[items],
        own[whose, items],
    )
    return np.concatenate(parts, axis=1, dtype=np.float32)


def facts_of(sequences: Sequences, tracks: int) -> Scores:
    """What is known of each track at the last of these plays [tracks, FACTS]; all zero for what nobody has played."""
    played, started_s = sequences.tracks, sequences.started_s
    ends_s = started_s.max(initial=0.0)
    plays = np.bincount(played, minlength=tracks)
    lately = np.bincount(played[started_s > ends_s - _LATELY_DAYS * DAY_S], minlength=tracks)
    latest = np.bincount(played[started_s > ends_s - _LATEST_DAYS * DAY_S], minlength=tracks)
    listeners = np.bincount(np.unique(sequences.listeners * tracks + played) % tracks, minlength=tracks)
    first = np.full(tracks, ends_s)
    np.minimum.at(first, played, started_s)
    facts = (
        np.log1p(plays),
        np.log1p(listeners),
        (lately + 1) / (plays + _PRIOR),
        (latest + 1) / (lately + _PRIOR),
        plays / np.maximum(listeners, 1),
        (ends_s - first) / DAY_S,
    )
    return np.where(plays[:, None] > 0, np.stack(facts, axis=1), 0.0).astype(np.float32)
