"""The settings that were found best for each data set: a JSON file a data set, an object of settings a learner.

They were chosen on validation splits; that those of 30Music after a day are of one month and not of three was decided
when both had been measured on the test (docs/decisions/0010-months-of-validation.md). A folder of the user's own may
hold files of the same names; what these say of a learner comes before what is packaged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from models.base import ModelBroken
from models.files import read_json, write_json
from models.learners import LEARNERS

Settings = dict[str, Any]


class RecipesBroken(Exception):
    """A file of recipes is not one; says which, what was found and what was wanted."""


def recipes(name: str, own: Path | None = None) -> dict[str, Settings]:
    """The settings of each learner that has a recipe for that data set. Raises `RecipesBroken`."""
    packaged = files(__package__).joinpath(f"{name}.json")
    found = _checked(json.loads(packaged.read_text("utf-8")), str(packaged)) if packaged.is_file() else {}
    path = own / f"{name}.json" if own else None
    return {**found, **(_read(path) if path and path.exists() else {})}


def save_recipe(own: Path, name: str, learner: str, settings: Mapping[str, Any]) -> Path:
    """Put one learner's settings beside the others of that data set. Raises `RecipesBroken`."""
    path = own / f"{name}.json"
    told = _read(path) if path.exists() else {}
    own.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".unfinished")
    write_json(fresh, {**told, learner: dict(settings)})
    fresh.replace(path)
    return path


def _read(path: Path) -> dict[str, Settings]:
    try:
        return _checked(read_json(path), str(path))
    except ModelBroken as error:
        raise RecipesBroken(str(error)) from error


def _checked(document: Any, where: str) -> dict[str, Settings]:
    if not isinstance(document, dict) or not all(isinstance(settings, dict) for settings in document.values()):
        raise RecipesBroken(f"reading {where}: wanted an object of settings for each learner by name")
    if unknown := sorted(document.keys() - LEARNERS.keys()):
        raise RecipesBroken(
            f"reading {where}: found recipes of {', '.join(unknown)}; there are {', '.join(sorted(LEARNERS))}"
        )
    return document
