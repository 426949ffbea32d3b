"""Several learners as one: a log-linear blend of what each of them gives a track.

Each member's scores are made shares of 1 over the catalog, p_m(j), and with the floor f

    score(j) = sum over members of  log_m * ln(1 + p_m(j) / f) + share_m * p_m(j),   and `heard` for j in the session

A track that a member does not reach gains nothing from it. The logarithm tells small shares apart, where the plain
share rewards a member that is sure. Scores that are no shares of anything, as those of linear maps and transformers,
can be standard scores in the place of p_m, without the logarithm. `models.evaluation.blending` fits the weights as
those of a conditional logit (McFadden 1974, "Conditional logit analysis of qualitative choice behavior"): a listener's
choice among candidates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from models.base import Interactions, Model, Scores, Taste
from models.files import write_json
from models.members import (
    Part,
    fit_members,
    load_members,
    read_members_config,
    save_members,
    scores_of_all,
    standardised,
)
from models.progress import UNHEARD, Progress
from models.reaching import ReachingModel
from models.scoring import ScoringModel

Values = TypeVar("Values", bound=npt.NDArray[np.floating])
Scale = Literal["parts", "softmax", "ranks", "standard"]

BLEND = "blend"


@dataclass(frozen=True)
class Member(Part):
    """A learner of a blend: how its scores become shares, and what these weigh.

    `parts` divides the scores above zero by their sum; `softmax` is for scores that may be negative, and sharper with a
    lower `temperature`; `ranks` is for scores whose differences say little: the share falls as 1 / (10 + rank).
    `standard` brings the scores to mean 0 and deviation 1 over the catalog; what is below 0 has no logarithm.
    """

    scale: Scale = "parts"
    temperature: float = 1.0
    log: float = 1.0
    share: float = 0.0

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.log >= 0 and self.share >= 0):
            found = f"temperature {self.temperature}, log {self.log}, share {self.share}"
            raise ValueError(f"{self.learner} in a blend with {found}; wanted no weight below 0, a temperature above")
        if self.scale == "standard" and self.log:
            raise ValueError(f"{self.learner} in a blend by the logarithm {self.log} of standard scores; wanted log 0")


@dataclass(frozen=True)
class BlendConfig:
    """What is blended. `floor` is the share from which on the logarithm rises, `heard` is added and may be below 0.

    A member of no weight is not fitted: it is there for who searches the weights anew. A `seed` is that of every member
    that has one, in the place of its own.
    """

    members: tuple[Member, ...] = (Member("markov"), Member("stan"), Member("actr"), Member("popularity", log=0.1))
    floor: float = 1e-3
    heard: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.speaking or not self.floor > 0:
            found = f"{len(self.speaking)} members of any weight, floor {self.floor}"
            raise ValueError(f"a blend of {found}; wanted one or more, above 0")

    @property
    def speaking(self) -> tuple[Member, ...]:
        """The members that weigh something."""
        return tuple(member for member in self.members if member.log or member.share)


@dataclass(frozen=True)
class Blend(ScoringModel):
    """The fitted members, in the order of the config."""

    config: BlendConfig
    members: tuple[Model, ...]
    name: ClassVar[str] = BLEND

    @property
    def tracks(self) -> int:
        return self.members[0].tracks

    def says_nothing(self, taste: Taste) -> bool:
        return super().says_nothing(taste) and taste.current is None

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        scores = np.zeros((len(tastes), self.tracks), np.float32)
        for member, model in zip(self.config.members, self.members, strict=True):
            if isinstance(model, ReachingModel) and member.scale == "parts":
                for row, taste in zip(scores, tastes, strict=True):
                    items, values = model.reached(taste)
                    row[items] += self._worth(member, values / values.sum())
            else:
                scores += self._worth(member, _shares(member, model, tastes))
        for row, taste in zip(scores, tastes, strict=True):
            row[np.unique(taste.recent.in_session)] += self.config.heard
        return scores

    def shares_of(self, tastes: Sequence[Taste]) -> Iterator[Scores]:
        """For each member in turn what it gives each track [tastes, tracks], on its scale; 0 where it says nothing."""
        for member, model in zip(self.config.members, self.members, strict=True):
            yield _shares(member, model, tastes)

    def _worth(self, member: Member, shares: Values) -> Values:
        logarithm: Any = np.log1p(shares / self.config.floor) if member.log else 0.0  # standard scores have none
        worth = member.log * logarithm + member.share * shares
        return worth.astype(shares.dtype, copy=False)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        save_members(folder, self.config.members, self.members)

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_members_config(BlendConfig, folder / "config.json")
        return cls(config, load_members(folder, config.members))


def fit_blend(interactions: Interactions, config: BlendConfig = BlendConfig(), progress: Progress = UNHEARD) -> Blend:
    """Fit each member that weighs something on the same interactions. Raises what their fits raise."""
    members = fit_members(interactions, config.speaking, progress, config.seed)
    return Blend(replace(config, members=config.speaking), members)


def _shares(member: Member, model: Model, tastes: Sequence[Taste]) -> Scores:
    return _SCALES[member.scale](scores_of_all(model, tastes), member.temperature)


def _parts(scores: Scores, _temperature: float) -> Scores:
    above = np.maximum(scores, 0.0)
    return above / np.maximum(above.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _softmax(scores: Scores, temperature: float) -> Scores:
    best = scores.max(axis=1, keepdims=True)
    return _parts(np.exp((scores - np.where(np.isfinite(best), best, 0.0)) / temperature), temperature)


def _ranks(scores: Scores, _temperature: float) -> Scores:
    order = np.argsort(-scores, axis=1, kind="stable")
    shares = np.zeros_like(scores)
    falling = (1.0 / (10.0 + np.arange(scores.shape[1]))).astype(np.float32)
    np.put_along_axis(shares, order, falling[None, :], axis=1)
    return _parts(np.where(scores > 0, shares, np.float32(0)), 1.0)


def _standard(scores: Scores, _temperature: float) -> Scores:
    told = np.where(np.isfinite(scores).all(axis=1, keepdims=True), scores, np.float32(0))
    return standardised(told)


_SCALES = {"parts": _parts, "softmax": _softmax, "ranks": _ranks, "standard": _standard}
