"""Which settings a learner runs with: its recipe for the data, or what is given instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from backbeat.output import BadUsage, CommandFailed, notice
from models.learners import Learner, SettingsWrong, UnknownLearner, learner
from models.recipes import RecipesBroken, recipes

BASELINE = "popularity"


def known_learner(name: str) -> Learner:
    """The learner of that name. Raises `BadUsage`."""
    try:
        return learner(name)
    except UnknownLearner as error:
        raise BadUsage(str(error)) from error


def settings_of(models: str | None, recipe: str, own: Path) -> dict[str, Any]:
    """The settings by learner, popularity's first: of those named, or of all with a recipe. Raises `BadUsage`."""
    told = recipes_of(recipe, own)
    names = models.split(",") if models else list(told)
    if not names:
        notice(f"no learner has a recipe for {recipe} yet; --models names those to measure")
    return {name: chosen(known_learner(name), told.get(name, {}), recipe) for name in dict.fromkeys([BASELINE, *names])}


def recipes_of(recipe: str, own: Path) -> dict[str, dict[str, Any]]:
    """The recipes for a data set. Raises `CommandFailed` for a broken file."""
    try:
        return recipes(recipe, own)
    except RecipesBroken as error:
        raise CommandFailed(str(error)) from error


def chosen(found: Learner, given: Mapping[str, Any], origin: str, seed: int | None = None) -> Any:
    """The learner's settings, with those given. Raises `BadUsage` for what it does not have or take."""
    try:
        return found.settings(given, seed)
    except SettingsWrong as error:
        raise BadUsage(f"settings of {origin}: {error}") from error


def assignments(words: Iterable[str]) -> dict[str, Any]:
    """`key=value` words as settings; a value is JSON where it reads as that, and else text. Raises `BadUsage`."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not key or not equals:
            raise BadUsage(f"--set {word}; wanted key=value")
        try:
            found[key] = msgspec.json.decode(text.encode())
        except msgspec.DecodeError:
            found[key] = text
    return found


def as_parameters(settings: Any) -> dict[str, Any]:
    """Settings as they are recorded."""
    return dataclasses.asdict(settings)
