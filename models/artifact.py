"""The published artifact: one folder that serving loads whole, or not at all.

    artifact.json    the manifest: format, days, configurations, counts, metrics, and the sha256 of every other file
    tracks.arrow     track_id by position
    als/ popularity/ repeat/ transitions/
    two-stage/       where there was enough history to fit it

No time of day is in it: equal data and seed give equal bytes, and the sha256 of the manifest names them all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.als import AlsModel
from models.base import Catalog, Model, ModelBroken, TrackId
from models.files import hashes, read_json, sha256, write_json
from models.popularity import Popularity
from models.ranking.two_stage import TwoStage
from models.repeat import Repeat
from models.transitions import Transitions

FORMAT = 2
MANIFEST, TRACKS = "artifact.json", "tracks.arrow"
_OBJECTS = ("configs", "counts", "metrics", "files")
_KEYS = {"format", "as_of", "split_day", "tracks", *_OBJECTS}


class ArtifactBroken(ModelBroken):
    """The folder holds no whole artifact of this format; says where, what was found and what was wanted."""


@dataclass(frozen=True)
class Artifact:
    """All models over one catalog. They know plays before `as_of`; `metrics` are those measured from `split_day` on."""

    as_of: date
    split_day: date | None
    catalog: Catalog
    als: AlsModel
    popularity: Popularity
    repeat: Repeat
    transitions: Transitions
    two_stage: TwoStage | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def models(self) -> dict[str, Model]:
        """The models by name."""
        one_stage: tuple[Model, ...] = (self.als, self.popularity, self.repeat, self.transitions)
        models = one_stage if self.two_stage is None else (*one_stage, self.two_stage)
        return {model.name: model for model in models}


def write(folder: Path, artifact: Artifact) -> str:
    """Write it into an empty folder, made where it is missing, and return its sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in artifact.models.items():
        model.save(folder / name)
    _write_tracks(folder / TRACKS, artifact.catalog)
    write_json(folder / MANIFEST, _manifest(artifact, hashes(folder, MANIFEST)))
    return artifact_sha256(folder)


def load(folder: Path) -> Artifact:
    """Read it back. Raises `ArtifactBroken` where a hash, a shape or a value is not as written."""
    manifest = checked_manifest(folder)
    try:
        artifact = Artifact(
            as_of=date.fromisoformat(manifest["as_of"]),
            split_day=date.fromisoformat(manifest["split_day"]) if manifest["split_day"] else None,
            catalog=_read_tracks(folder / TRACKS),
            als=AlsModel.load(folder / AlsModel.name),
            popularity=Popularity.load(folder / Popularity.name),
            repeat=Repeat.load(folder / Repeat.name),
            transitions=Transitions.load(folder / Transitions.name),
            two_stage=TwoStage.load(folder / TwoStage.name) if TwoStage.name in manifest["configs"] else None,
            counts=manifest["counts"],
            metrics=manifest["metrics"],
        )
    except (ModelBroken, KeyError, TypeError, ValueError) as error:
        raise ArtifactBroken(f"loading the artifact in {folder}: {error}") from error
    _check_sizes(folder, artifact)
    return artifact


def checked_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact each file of which has the hash it names. Raises `ArtifactBroken`."""
    manifest = read_manifest(folder)
    found, wanted = hashes(folder, MANIFEST), manifest["files"]
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if differing:
        raise ArtifactBroken(f"loading the artifact in {folder}: {', '.join(differing)} not as the manifest has it")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest alone. Raises `ArtifactBroken` where there is none of this format."""
    try:
        manifest = read_json(folder / MANIFEST)
    except ModelBroken as error:
        raise ArtifactBroken(f"loading the artifact in {folder}: {error}") from error
    if manifest.get("format") != FORMAT:
        found = f"format {manifest.get('format')!r}"
        raise ArtifactBroken(f"loading the artifact in {folder}: found {found}, wanted {FORMAT}")
    if missing := sorted(_KEYS - manifest.keys()) or [k for k in _OBJECTS if not isinstance(manifest[k], dict)]:
        raise ArtifactBroken(f"loading the artifact in {folder}: its manifest lacks {', '.join(missing)}")
    return manifest


def artifact_sha256(folder: Path) -> str:
    """The sha256 of the manifest, which holds those of all other files."""
    return sha256(folder / MANIFEST)


def version_name(as_of: date, hashed: str) -> str:
    """What an artifact is called: its day and the beginning of its sha256."""
    return f"{as_of.isoformat()}-{hashed[:12]}"


def _manifest(artifact: Artifact, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "as_of": artifact.as_of.isoformat(),
        "split_day": artifact.split_day.isoformat() if artifact.split_day else None,
        "tracks": len(artifact.catalog),
        "configs": {
            "als": dataclasses.asdict(artifact.als.config),
            "transitions": dataclasses.asdict(artifact.transitions.config),
            **({TwoStage.name: dataclasses.asdict(artifact.two_stage.config)} if artifact.two_stage else {}),
        },
        "counts": dict(artifact.counts),
        "metrics": dict(artifact.metrics),
        "files": dict(files),
    }


def _check_sizes(folder: Path, artifact: Artifact) -> None:
    sizes = {name: model.tracks for name, model in artifact.models.items()}
    if set(sizes.values()) != {len(artifact.catalog)}:
        found = ", ".join(f"{name} {tracks}" for name, tracks in sizes.items())
        raise ArtifactBroken(f"loading the artifact in {folder}: found {found}, wanted {len(artifact.catalog)} tracks")


def _write_tracks(path: Path, catalog: Catalog) -> None:
    table = pa.table({"track_id": pa.array(catalog.ids, pa.string())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read_tracks(path: Path) -> Catalog:
    try:
        with pa.OSFile(str(path), "rb") as source:
            ids = pa.ipc.open_file(source).read_all().column("track_id").to_pylist()
    except (pa.ArrowInvalid, KeyError) as error:
        raise ArtifactBroken(f"reading {path}: {error}; wanted an Arrow file with track_id") from error
    return Catalog(tuple(TrackId(track) for track in ids))
