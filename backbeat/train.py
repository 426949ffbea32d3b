"""`backbeat train`: fit one learner, keep the model, and say its hash."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from threadpoolctl import threadpool_limits

from backbeat.code_version import code_version
from backbeat.datasets import Protocol, data_version, open_data, recipe_name
from backbeat.interrupts import ends_at_once
from backbeat.learning import as_parameters, assignments, chosen, known_learner, recipes_of
from backbeat.output import BadUsage, CommandFailed, Flag, emit, notice
from backbeat.plays_file import read_plays
from backbeat.recording import Record, open_records
from backbeat.settings import Settings
from models.base import Interactions, Model
from models.evaluation.splits import everything
from models.learners import Learner
from models.progress import KeptProgress
from models.trained import Origin, write_by_hash, write_trained


@dataclass(frozen=True)
class Material:
    """What is fitted on: `part` says in words what of the data it is, `tracks` are the ids of tracks, where told."""

    name: str
    part: str
    interactions: Interactions
    tracks: Sequence[Any] | None


def train(
    model: str,
    /,
    *,
    data: Path,
    split: Protocol | None = None,
    split_day: date | None = None,
    seed: int | None = None,
    overrides: Annotated[list[str] | None, Parameter(name="--set", negative=(), consume_multiple=True)] = None,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Fit a learner and keep its model; equal data, settings and seed give an equal hash.

    Of a benchmark its training side is fitted (of folds, the first one's), and of a file of plays every play, or with
    --split the training side of that split. Settings are those of the recipe for the data, where there is one. An
    interrupted training goes on where the same command is given again.

    Args:
        model: A learner, by name.
        data: A benchmark's folder, or Parquet or CSV of plays.
        split: next, new or all: fit the training side of a file, with the recipe of that split; or cold, of HetRec.
        split_day: The first day of the test, with --split new or all; by default as `backbeat evaluate` has it.
        seed: Of all chance in the fit; by default the learner's own.
        overrides: key=value, instead of the recipe's.
        out: The folder for the model; by default one in BACKBEAT_HOME/trained, named by the hash.
        json: One JSON document on one line.
    """
    found, given = known_learner(model), assignments(overrides or ())
    config = Settings.from_environment()
    material = material_of(data, split, split_day)
    recipe = recipes_of(recipe_name(material.name), config.home.recipes).get(model, {})
    settings = chosen(found, {**recipe, **given}, f"{model} on {material.name}", seed)
    if out is not None:
        _refuse_in_the_way(out)  # before the fit, which may take hours
    origin = Origin(model, settings, material.name, data_version(data), material.part)
    began = time.monotonic()
    progress = progress_of(origin, config.home.trained)
    fitted = _fitted(found, material.interactions, origin, progress)
    seconds = time.monotonic() - began
    folder, hashed = _kept(fitted, origin, material.tracks, out, config.home.trained)
    progress.end()
    document = {
        "model": model,
        "data": material.name,
        "part": material.part,
        "settings": as_parameters(settings),
        "seconds": round(seconds, 2),
        "sha256": hashed,
        "folder": str(folder),
    }
    if json:
        emit(document)
    else:
        notice(f"{model} on {material.name} ({material.part}), {seconds:.1f} s: {folder}")
        print(hashed)
    record = Record(
        "train",
        model,
        material.name,
        origin.data_sha256,
        code_version(),
        seconds,
        as_parameters(settings),
        {},
        progress.curves,
    )
    open_records(config).add([record])


def material_of(path: Path, split: Protocol | None = None, split_day: date | None = None) -> Material:
    """What there is to fit on. Raises `CommandFailed` for what cannot be read, `BadUsage` where a split is there."""
    if path.is_file() and split is None and split_day is None:
        found = read_plays(path)
        interactions, tracks = everything(found.plays)
        return Material(found.name, "every play", interactions, tracks.tolist())
    dataset = open_data(path, split, split_day)
    return Material(dataset.name, dataset.folds[0].boundary, dataset.folds[0].train, None)


def progress_of(origin: Origin, trained: Path) -> KeptProgress:
    """How far an earlier call has come with this learner and data; says so, or why it is not gone on from.

    One unfinished training of a learner on a data set is kept, and gone on from where all that it is made of is the
    same: only then is the model the one that an uninterrupted training makes.
    """
    progress = KeptProgress(checkpoint_of(origin, trained), made_of(origin))
    if progress.refused:
        notice(f"not going on with the unfinished {origin.learner} on {origin.data}: {progress.refused}; begun anew")
    if progress.steps:
        notice(f"going on with {origin.learner} on {origin.data} after step {progress.steps}")
    return progress


def checkpoint_of(origin: Origin, trained: Path) -> Path:
    """Where the checkpoint of that learner and data is."""
    return trained / f".{origin.learner}-{origin.data}.checkpoint"


def made_of(origin: Origin) -> dict[str, Any]:
    """All that decides the model: learner, settings, data, which part of it, and the code."""
    return {**dataclasses.asdict(origin), "code": code_version()}


def _fitted(found: Learner, interactions: Interactions, origin: Origin, progress: KeptProgress) -> Model:
    try:
        with ends_at_once(lambda: _interrupted(progress)), threadpool_limits(1, "blas"):  # one order of summation
            return found.fitted(interactions, origin.settings, progress)
    except (ValueError, MemoryError) as error:
        raise CommandFailed(f"training {origin.learner} on {origin.data}: {error}") from error


def _interrupted(progress: KeptProgress) -> str:
    goes_on = "the same command goes on from the last step that was kept"
    return f"backbeat: interrupted; {goes_on if progress.kept else 'no step was kept yet'}"


def _refuse_in_the_way(out: Path) -> None:
    """Raises `BadUsage` where that folder cannot be made, or holds anything but a model, which would be replaced."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / "trained.json").is_file()):
        raise BadUsage(
            f"--out {out}: it is there and holds no trained model; wanted a new or empty folder, or such one"
        )
    nearest = next(parent for parent in out.absolute().parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        found = "cannot be written to" if nearest.is_dir() else "is no folder"
        raise BadUsage(f"--out {out}: {nearest} {found}; wanted a folder that can be made")


def _kept(
    model: Model, origin: Origin, tracks: Sequence[Any] | None, out: Path | None, trained: Path
) -> tuple[Path, str]:
    if out is None:
        return write_by_hash(trained, model, origin, tracks)
    _refuse_in_the_way(out)
    return out, write_trained(out, model, origin, tracks)
