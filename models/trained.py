"""One learner's model as it was trained by hand: a folder that says what made it, and whose sha256 names it.

    trained.json     the learner, its settings, the data by name and hash, and the sha256 of every other file
    tracks.json      the ids of the tracks by position, where the data has ids of its own
    ...              the model, as it saves itself

No time of day is in it: equal data, settings and seed give equal bytes.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models.base import Model
from models.files import hashes, sha256, write_json

MANIFEST, TRACKS = "trained.json", "tracks.json"
_MOVES = 10


@dataclass(frozen=True)
class Origin:
    """What a model was made of: the learner and its settings; the data's name and hash, and which part trained."""

    learner: str
    settings: Any
    data: str
    data_sha256: str
    part: str


def write_trained(folder: Path, model: Model, origin: Origin, tracks: Sequence[Any] | None) -> str:
    """Put the model into that folder, whole or not at all, in place of one that is there; returns its sha256."""
    with _unfinished(folder) as fresh:
        hashed = _written(fresh, model, origin, tracks)
        _moved(fresh, folder)
    return hashed


def write_by_hash(parent: Path, model: Model, origin: Origin, tracks: Sequence[Any] | None) -> tuple[Path, str]:
    """Put the model into a folder that is named by its learner, data and sha256; returns the folder and the sha256."""
    name = f"{origin.learner}-{origin.data}"
    with _unfinished(parent / name) as fresh:
        hashed = _written(fresh, model, origin, tracks)
        return _moved(fresh, parent / f"{name}-{hashed[:12]}"), hashed


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A new folder on the file system of that one, no other call's; what is left of it at the end is deleted."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.unfinished-", dir=folder.parent) as own:
        fresh = Path(own) / folder.name
        fresh.mkdir()
        yield fresh


def _written(folder: Path, model: Model, origin: Origin, tracks: Sequence[Any] | None) -> str:
    model.save(folder)
    if tracks is not None:
        write_json(folder / TRACKS, list(tracks))
    document = {
        "learner": origin.learner,
        "settings": dataclasses.asdict(origin.settings),
        "data": {"name": origin.data, "sha256": origin.data_sha256, "part": origin.part},
        "tracks": model.tracks,
        "files": hashes(folder),
    }
    write_json(folder / MANIFEST, document)
    return sha256(folder / MANIFEST)


def _moved(fresh: Path, folder: Path) -> Path:
    """It in place of that folder, also where another call puts its own there at the same moment: the last one stays."""
    for _ in range(_MOVES):
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # that another one is there again
            return fresh.rename(folder)
    return fresh.rename(folder)
