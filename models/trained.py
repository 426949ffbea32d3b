"""One learner's model as it was trained by hand: a folder that says what made it, and whose sha256 names it.

    trained.json     the learner, its settings, the data by name and hash, and the sha256 of every other file
    tracks.json      the ids of the tracks by position, where the data has ids of its own
    ...              the model, as it saves itself

No time of day is in it: equal data, settings and seed give equal bytes.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import Model
from models.files import hashes, sha256, write_json

MANIFEST, TRACKS = "trained.json", "tracks.json"


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
    fresh = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    model.save(fresh)
    if tracks is not None:
        write_json(fresh / TRACKS, list(tracks))
    document = {
        "learner": origin.learner,
        "settings": dataclasses.asdict(origin.settings),
        "data": {"name": origin.data, "sha256": origin.data_sha256, "part": origin.part},
        "tracks": model.tracks,
        "files": hashes(fresh),
    }
    write_json(fresh / MANIFEST, document)
    hashed = sha256(fresh / MANIFEST)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return hashed
