"""Learners stacked: a forest ranks each track by what all of them say of it, and by what is known of it.

Wolpert 1992, "Stacked Generalization": what members say is the input of one more model, which learns from cases that
none of them was fitted on. A blend weighs members alike for every track; the forest can trust one of them for what is
often played and another for what is new, and sees what none of them does: how old a track is, and whether it is coming
or going.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.base import Model, ModelBroken, Positions, Scores, Sequences, Taste
from models.files import read_arrays, write_arrays, write_json
from models.members import Part, load_members, read_members_config, save_members, scores_of_all
from models.ranking.forest import Forest
from models.scoring import ScoringModel
from models.search_space import ranged
from warehouse.rules.quantity import DAY_MS, SECOND_MS

DAY_S = DAY_MS // SECOND_MS
FACTS = ("plays", "listeners", "recent", "latest", "repeated", "age")  # of a track
OWN = ("own plays", "own ago", "own share")  # of a track in the listener's taste
NEVER_DAYS = 10_000.0  # since the last own play of what was never played
_LATELY_DAYS, _LATEST_DAYS, _PRIOR = 30, 7, 3.0
_BEHIND = 100.0  # more than two forests differ by: the forest knows nothing of what nobody puts forward
_AT_ONCE, _THREADS = 64, 2


@dataclass(frozen=True)
class StackedConfig:
    """`members` are fitted before each of `windows` of `days` at most, the last ones there are, and asked about it.

    The forest learns from the `depth` best tracks of each member which of them were played in the window; of those that
    were not, a share `passed_over`. Where `new_only`, tracks that the listener has played are no answer: the model is
    for lists of new ones. A `seed` is that of the members too.
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
    def speaking(self) -> tuple[Part, ...]:
        """The members that are fitted."""
        return self.members

    @property
    def columns(self) -> tuple[str, ...]:
        """What the forest is told of a track, in order."""
        said = [f"{kind} of {place}" for place in range(1, len(self.members) + 1) for kind in ("score", "rank")]
        return (*said, *FACTS, *OWN)


@dataclass(frozen=True)
class Stacked(ScoringModel):
    """The fitted members, `facts` [tracks, FACTS] as of the last play, and the forest.

    What no member puts forward comes after all that one does.
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
        for start in range(0, len(tastes), _AT_ONCE):
            part = tastes[start : start + _AT_ONCE]
            scores = said(self.config, self.members, part)
            rows = described(self.config, scores, self.facts, part)
            ranked = self.forest.scores(rows.reshape(-1, rows.shape[2]), _THREADS).reshape(len(part), -1)
            found[start : start + len(part)] = ranked - np.where(put_forward(self.config, scores), 0.0, _BEHIND)
        return found

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


def said(config: StackedConfig, members: Sequence[Model], tastes: Sequence[Taste]) -> Scores:
    """Each member's scores [members, tastes, tracks]; 0 where it says nothing, and where only what is new counts."""
    found = np.stack([scores_of_all(member, tastes) for member in members])
    found[~np.isfinite(found)] = 0.0
    if config.new_only:
        for place, taste in enumerate(tastes):
            found[:, place, taste.tracks] = 0.0
    return found


def ranks_of(scores: Scores) -> Positions:
    """How many tracks of its row have a higher score, for each [..., tracks]."""
    ordered = np.sort(scores, axis=-1).reshape(-1, scores.shape[-1])
    flat = scores.reshape(-1, scores.shape[-1])
    higher = [len(row) - np.searchsorted(row, values, side="right") for row, values in zip(ordered, flat, strict=True)]
    return np.array(higher, np.int64).reshape(scores.shape)


def put_forward(config: StackedConfig, scores: Scores) -> npt.NDArray[np.bool_]:
    """Which tracks [tastes, tracks] are among the best of a member that says something of them."""
    found: npt.NDArray[np.bool_] = ((ranks_of(scores) < config.depth) & (scores != 0)).any(axis=0)
    return found


def described(config: StackedConfig, scores: Scores, facts: Scores, tastes: Sequence[Taste]) -> Scores:
    """The rows of all tracks [tastes, tracks, columns]: what members say, the facts, what the listener did with it."""
    rows = np.empty((len(tastes), len(facts), len(config.columns)), np.float32)
    centred = scores - scores.mean(axis=-1, keepdims=True)
    deviation = centred.std(axis=-1, keepdims=True)
    own = 2 * len(config.members) + len(FACTS)
    rows[:, :, 0 : own - len(FACTS) : 2] = np.moveaxis(centred / np.where(deviation > 0, deviation, 1), 0, -1)
    rows[:, :, 1 : own - len(FACTS) : 2] = np.moveaxis(np.log1p(ranks_of(scores)), 0, -1)
    rows[:, :, own - len(FACTS) : own] = facts
    rows[:, :, own:] = (0.0, NEVER_DAYS, 0.0)
    for row, taste in zip(rows, tastes, strict=True):
        row[taste.tracks, own] = taste.weights
        row[taste.recent.tracks, own + 1] = taste.recent.ago_s / DAY_S  # oldest first: the latest play is what stays
        row[taste.tracks, own + 2] = taste.weights / max(taste.weights.sum(), np.finfo(np.float32).tiny)
    return rows


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
