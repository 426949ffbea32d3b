"""Learners over sequences that answer together: the weighted sum of their standardised scores.

Each member's scores of a taste are brought to mean 0 and deviation 1 over the catalog, so that weights compare members
whose scores have different units. Linear maps know what goes together, the transformer what follows in this order, and
what one of them gets wrong by chance the others do not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import msgspec
import numpy as np

from models.base import Interactions, ModelBroken, Scores, Taste
from models.files import read_json, write_json
from models.item2vec import Item2vec
from models.members import fit_members, load_members, save_members
from models.sasrec import Sasrec
from models.scoring import ScoringModel
from models.slist import Slist

_KINDS: Mapping[str, type[ScoringModel]] = {"slist": Slist, "sasrec": Sasrec, "item2vec": Item2vec}


@dataclass(frozen=True)
class Part:
    """A learner by name, its settings, and the weight of what it says."""

    learner: str
    weight: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.learner not in _KINDS or not self.weight > 0:
            found = f"{self.learner} of weight {self.weight}"
            raise ValueError(f"an ensemble with {found}; wanted one of {', '.join(_KINDS)}, and a weight above 0")


@dataclass(frozen=True)
class EnsembleConfig:
    """By default the future of each play, what goes together, and the transformer."""

    parts: tuple[Part, ...] = (
        Part("slist", 0.3, {"share": 0.0, "answer_fading": 0.82}),
        Part("slist", 0.2, {"share": 1.0, "regularisation": 200.0, "answer_fading": 0.97}),
        Part("sasrec", 0.5),
    )

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("an ensemble of no part; wanted one at least")


@dataclass(frozen=True)
class Ensemble(ScoringModel):
    """The fitted members, in the order of the parts."""

    config: EnsembleConfig
    members: tuple[ScoringModel, ...]
    name: ClassVar[str] = "ensemble"

    @property
    def tracks(self) -> int:
        return self.members[0].tracks

    def says_nothing(self, taste: Taste) -> bool:
        return all(member.says_nothing(taste) for member in self.members)

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        """A member that has nothing to say of a taste adds nothing."""
        scores = np.zeros((len(tastes), self.tracks), np.float32)
        for part, member in zip(self.config.parts, self.members, strict=True):
            told = np.array([not member.says_nothing(taste) for taste in tastes])
            if told.any():
                heard = [taste for taste, tells in zip(tastes, told, strict=True) if tells]
                scores[told] += np.float32(part.weight) * standardised(member.score_many(heard))
        return scores

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        save_members(folder, [part.learner for part in self.config.parts], self.members)

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            config = msgspec.convert(read_json(folder / "config.json"), EnsembleConfig)
        except (msgspec.ValidationError, ValueError) as error:
            raise ModelBroken(f"reading {folder / 'config.json'}: {error}; wanted the parts of an ensemble") from error
        return cls(config, load_members(folder, [(part.learner, _KINDS[part.learner]) for part in config.parts]))


def fit_ensemble(interactions: Interactions, config: EnsembleConfig) -> Ensemble:
    """Fit each part on the same interactions. Raises what their fits raise."""
    members = fit_members(interactions, ((part.learner, part.settings) for part in config.parts))
    return Ensemble(config, cast("tuple[ScoringModel, ...]", members))  # all of _KINDS are


def standardised(scores: Scores) -> Scores:
    """Each row less its mean, over its deviation; 0 where all are equal."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    return centred / np.where(deviation > 0, deviation, np.float32(1))
