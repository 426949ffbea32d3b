"""The members of a model that is made of others: fitted on the same interactions, kept in folders side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from models.base import Interactions, Model, ModelBroken
from models.learners import learner

Kind = TypeVar("Kind", bound=Model)


def fit_members(interactions: Interactions, told: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Model, ...]:
    """Fit each learner, by name, with its settings. Raises what their fits raise."""
    chosen = [(learner(name), settings) for name, settings in told]
    return tuple(one.fitted(interactions, one.settings(settings)) for one, settings in chosen)


def save_members(folder: Path, names: Sequence[str], members: Sequence[Model]) -> None:
    """Each into a folder of its place and its learner's name."""
    for place, (name, member) in enumerate(zip(names, members, strict=True), 1):
        member.save(folder / f"{place}-{name}")


def load_members(folder: Path, kinds: Sequence[tuple[str, type[Kind]]]) -> tuple[Kind, ...]:
    """Read what `save_members` wrote, by learner's name and class. Raises `ModelBroken`."""
    members = tuple(kind.load(folder / f"{place}-{name}") for place, (name, kind) in enumerate(kinds, 1))
    if len({member.tracks for member in members}) != 1:
        found = ", ".join(f"{member.name} of {member.tracks}" for member in members)
        raise ModelBroken(f"reading {folder}: found {found} tracks, wanted one catalog")
    return members
