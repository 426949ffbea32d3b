"""What the model steps hand to each other: a folder in BACKBEAT_HOME, so that each may be a process of its own."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jobs.run import FailsAgain
from models.als import AlsConfig
from models.evaluation.splits import Split, SplitImpossible, default_split_day, time_split
from models.files import read_config
from models.history import History
from models.registry import Registry
from warehouse.stores.lake import Lake
from warehouse.tables import FEATURES_TASTE, FEATURES_TRANSITIONS

RECIPE = "recipe.json"
T = TypeVar("T")


class CandidateStale(FailsAgain):
    """The folder holds what an earlier run left, or nothing; says which step must run first."""


class RecipeWrong(FailsAgain):
    """The recipe is not one; names the file, the field, and what was wanted."""


class Brief(msgspec.Struct, frozen=True):
    """What is being compared: the day it is as of, where the split lies, and the two configurations."""

    as_of: date
    split_day: date | None
    candidate: dict[str, Any]
    published: dict[str, Any] | None


@dataclass(frozen=True)
class CandidateFolder:
    """The folder at `path`: the brief, two fitted models, the evaluation, the verdict, each written by one step."""

    path: Path

    def begin(self, brief: Brief) -> None:
        """Empty it, and write down what is compared."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self.write("brief", brief)

    def brief(self, as_of: date) -> Brief:
        """What is compared as of that day. Raises `CandidateStale`."""
        brief = self.read("brief", Brief, "train")
        if brief.as_of != as_of:
            raise CandidateStale(f"{self.path} is as of {brief.as_of}, wanted {as_of}: run the step train first")
        return brief

    def write(self, name: str, document: Any) -> None:
        """Put one document, whole or not at all."""
        fresh = self.path / f".{name}.json"
        fresh.write_bytes(msgspec.json.encode(document))
        fresh.replace(self.path / f"{name}.json")

    def read(self, name: str, kind: type[T], step: str) -> T:
        """One document. Raises `CandidateStale` with the step that writes it."""
        path = self.path / f"{name}.json"
        if not path.exists():
            raise CandidateStale(f"{path} is not there: run the step {step} first")
        return msgspec.json.decode(path.read_bytes(), type=kind)

    def model(self, side: str) -> Path:
        """Where a fitted model lies: `candidate` or `published`."""
        return self.path / side


def recipe(home: Path) -> AlsConfig:
    """The candidate's configuration: BACKBEAT_HOME's recipe.json, field by field, or the defaults.

    Raises `RecipeWrong`.
    """
    path = home / RECIPE
    if not path.exists():
        return AlsConfig()
    try:
        return msgspec.json.decode(path.read_bytes(), type=AlsConfig)
    except msgspec.DecodeError as error:
        raise RecipeWrong(f"reading {path}: {error}; wanted fields of {asdict(AlsConfig())}") from error


def published_config(registry: Registry) -> AlsConfig | None:
    """The configuration that is served now; None before the first model.

    Raises `ModelBroken` where what is published is of another format, or not whole.
    """
    version = registry.published()
    if version is None:
        return None
    return read_config(AlsConfig, registry.manifest(version)["configs"].get("als", {}), registry.folder(version))


def history_before(lake: Lake, as_of: date) -> History:
    """What models may know as of that day."""
    taste = lake.read(
        FEATURES_TASTE, as_of=as_of, columns=["listener_id", "track_id", "day", "plays", "last_started_ms"]
    )
    return History.from_tables(taste, lake.read(FEATURES_TRANSITIONS, as_of=as_of))


def split_day_of(history: History) -> date | None:
    """Where the split lies, among the days with plays, however long ago: None where there is too little to split."""
    try:
        return default_split_day(history.days, history.plays)
    except SplitImpossible:
        return None


def split_of(history: History, brief: Brief) -> Split:
    """The split that both configurations are fitted and measured on."""
    if brief.split_day is None:
        raise CandidateStale("there is no split to measure on")
    return time_split(history, brief.split_day, brief.as_of)
