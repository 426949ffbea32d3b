"""Learners inside a learner, by name: fitted one after another, saved in a folder each, and asked for every score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from models.als import AlsModel
from models.base import Interactions, Model, ModelBroken, Scores, Taste
from models.files import read_folder, read_json, write_folder
from models.learners import learner
from models.progress import UNHEARD, Arrays, PartProgress, Progress, parts_before
from models.scoring import ScoringModel

Config = TypeVar("Config")


@dataclass(frozen=True)
class Part:
    """A learner by name, and its settings."""

    learner: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def fit_members(
    interactions: Interactions, members: Sequence[Part], progress: Progress = UNHEARD, seed: int | None = None
) -> tuple[Model, ...]:
    """Fit each; those that an interrupted fit has kept are read. Raises what their fits raise.

    A `seed` is that of every member that has one, in the place of its own.
    """
    chosen = [(learner(member.learner), member.settings) for member in members]
    wanted = [(one, one.settings(settings, seed)) for one, settings in chosen]  # all are checked before one is fitted
    kept: list[Arrays] = [*parts_before(progress.latest())]
    models = [_unpacked(one.model_type, files) for (one, _), files in zip(wanted, kept, strict=False)]
    for (one, settings), name in list(zip(wanted, _names(members), strict=True))[len(kept) :]:
        models.append(one.fitted(interactions, settings, PartProgress(progress, tuple(kept), f" of {name}")))
        if progress.listens:
            kept.append(_packed(models[-1]))
        PartProgress(progress, tuple(kept)).keep_before()
    return tuple(models)


def scores_of_all(model: Model, tastes: Sequence[Taste]) -> Scores:
    """Every track's score [tastes, tracks]; minus infinity where a model has nothing to say."""
    if isinstance(model, ScoringModel):
        told = np.array([not model.says_nothing(taste) for taste in tastes])
        scores = np.full((len(tastes), model.tracks), -np.inf, np.float32)
        if told.any():
            scores[told] = model.score_many([taste for taste, tells in zip(tastes, told, strict=True) if tells])
        return scores
    if isinstance(model, AlsModel):
        return np.stack([model.fold_in(taste) for taste in tastes]).astype(np.float32) @ model.vectors.T
    items = np.arange(model.tracks)
    return np.stack([model.scores(taste, items) for taste in tastes]).astype(np.float32)


def standardised(scores: Scores) -> Scores:
    """Each row of [..., tracks] with mean 0 and deviation 1; zero where all are equal."""
    centred = scores - scores.mean(axis=-1, keepdims=True)
    deviation = centred.std(axis=-1, keepdims=True)
    return centred / np.where(deviation > 0, deviation, np.float32(1))


def save_members(folder: Path, members: Sequence[Part], models: Sequence[Model]) -> None:
    """Each in a folder of its own inside this one."""
    for name, model in zip(_names(members), models, strict=True):
        model.save(folder / name)


def load_members(folder: Path, members: Sequence[Part]) -> tuple[Model, ...]:
    """What `save_members` wrote. Raises `ModelBroken`, also where they are not of one catalog."""
    try:
        kinds = [learner(member.learner).model_type for member in members]
    except ValueError as error:
        raise ModelBroken(f"reading {folder}: {error}") from error
    models = tuple(kind.load(folder / name) for kind, name in zip(kinds, _names(members), strict=True))
    if len({model.tracks for model in models}) != 1:
        found = ", ".join(f"{model.name} of {model.tracks}" for model in models)
        raise ModelBroken(f"reading {folder}: found {found} tracks, wanted one catalog")
    return models


def read_members_config(kind: type[Config], path: Path) -> Config:
    """A config that has members, from its JSON. Raises `ModelBroken`."""
    try:
        return msgspec.convert(read_json(path), kind)
    except ValueError as error:
        raise ModelBroken(f"reading {path}: {error}; wanted the fields of {kind.__name__}") from error


def _packed(model: Model) -> dict[str, npt.NDArray[Any]]:
    """The files of a fitted member, as checkpoints hold them."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return read_folder(Path(folder))


def _unpacked(kind: type[Model], files: Arrays) -> Model:
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), files)
        return kind.load(Path(folder))


def _names(members: Sequence[Part]) -> list[str]:
    """What the folders and the curves of members are called by: place and learner."""
    return [f"{place}-{member.learner}" for place, member in enumerate(members, 1)]
