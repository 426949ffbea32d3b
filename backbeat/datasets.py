"""What `--data` names: a folder that is a published benchmark, or a file of plays, divided as asked."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np

from backbeat.output import BadUsage, CommandFailed
from backbeat.plays_file import PlaysFile, read_plays
from models.evaluation.cold import cold_artists
from models.evaluation.datasets import Dataset, DataWrong, open_dataset, wanted_folder
from models.evaluation.splits import SplitImpossible, default_split_day
from models.evaluation.timed import after_moment, next_track
from models.files import hashes, sha256
from models.history import day_number
from warehouse.rules.quantity import DAY_MS

Protocol = Literal["next", "new", "all", "cold"]
OF_PLAYS: tuple[Protocol, ...] = ("next", "new", "all")
PROTOCOLS: tuple[Protocol, ...] = (*OF_PLAYS, "cold")
THIRTY_MUSIC_DAY = date(2014, 12, 21)  # leaves a month of it to test on


def open_data(path: Path, protocol: Protocol | None = None, split_day: date | None = None) -> Dataset:
    """The data set: a benchmark's own protocol for a folder, for a file of plays the one that is asked for.

    HetRec's folder has two: its own, and cold, which asks for artists that nobody has played. Raises `CommandFailed`
    for what cannot be read or divided, `BadUsage` for a protocol where there is one already.
    """
    refuse_absent(path)
    if path.is_file() and protocol == "cold":
        raise BadUsage(f"--split cold with {path}, a file of plays; it wants tags too: the folder of HetRec's Last.fm")
    if path.is_file():
        return _divided(path, protocol or "next", split_day)
    if split_day or protocol in OF_PLAYS:
        raise BadUsage(f"--split or --split-day with {path}, which is no file of plays: a benchmark has its own split")
    try:
        return cold_artists(path) if protocol else open_dataset(path)
    except (DataWrong, SplitImpossible) as error:
        raise CommandFailed(f"{error}, or a file of plays") from error


def refuse_absent(path: Path) -> None:
    """Raises `CommandFailed` where nothing is there."""
    if not path.exists():
        raise CommandFailed(f"reading {path}: nothing is there; wanted {wanted_folder()}, or a file of plays")


def _divided(path: Path, protocol: Protocol, split_day: date | None) -> Dataset:
    if split_day and protocol == "next":
        raise BadUsage(f"--split-day {split_day} with --split next, which holds out each listener's last session")
    found = read_plays(path)
    try:
        if protocol == "next":
            return next_track(f"{found.name}-next", found.plays)
        moment_ms = day_number(split_day or _default_day(found)) * DAY_MS
        return after_moment(f"{found.name}-{protocol}", found.plays, moment_ms, new_only=protocol == "new")
    except SplitImpossible as error:
        raise CommandFailed(f"dividing {path}: {error}") from error


def _default_day(found: PlaysFile) -> date:
    if found.name == "30music":
        return THIRTY_MUSIC_DAY
    days = found.plays.started // DAY_MS
    return default_split_day(days, np.ones_like(days))


def recipe_name(dataset: str) -> str:
    """Whose recipes suit it: any file of plays is tuned as 30Music is."""
    protocol = next((each for each in OF_PLAYS if dataset.endswith(f"-{each}")), None)
    return f"30music-{protocol}" if protocol else dataset


def data_version(path: Path) -> str:
    """A sha256 of what lies at that path: of the file, or of all files in the folder and their names."""
    if path.is_file():
        return sha256(path)
    told = "".join(f"{hashed}  {name}\n" for name, hashed in hashes(path).items())
    return hashlib.sha256(told.encode()).hexdigest()
