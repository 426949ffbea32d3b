"""`backbeat models`: what was published, how recommendations differ between two versions, and going back to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import App, Parameter

from backbeat.output import BadUsage, CommandFailed, console, emit, notice, table
from backbeat.settings import Settings
from models.artifact import Artifact, artifact_sha256
from models.base import ModelBroken, TrackId
from models.registry import NoSuchVersion, Registry

app = App(name="models", help="Published models.")
Flag = Annotated[bool, Parameter(negative=())]
LISTED = 100  # tracks whose neighbours, and whose places, two versions are compared by


@app.command(name="list")
def list_models(*, json: Flag = False) -> None:
    """Every version that is kept, the one that is served marked.

    Args:
        json: One JSON document on one line.
    """
    registry = _registry()
    try:
        published = registry.published()
        models = [_told(registry, version, version == published) for version in registry.versions()]
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit({"published": published, "models": models})
        return
    columns = ["version", "served", "as_of", "tracks", "artifact_sha256"]
    rows = [[model[column] for column in columns] for model in models]
    console().print(table("models", [column.replace("_", " ") for column in columns], rows))


@app.command
def diff(a: str, b: str, /, *, json: Flag = False) -> None:
    """How two versions differ: catalogs, configurations, metrics, and what they recommend.

    Args:
        a: A version.
        b: Another one.
        json: One JSON document on one line.
    """
    registry = _registry()
    try:
        document = _difference(registry, a, b)
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit(document)
        return
    rows = [(name, values[0], values[1]) for name, values in document["changed"].items()]
    console().print(table(f"{a} and {b}", ["what", a, b], rows))
    notice(
        f"{document['tracks_added']:,} tracks came, {document['tracks_gone']:,} went. Of the top {LISTED} popular "
        f"tracks {document['popular_shared']:.0%} are shared, of their nearest ten {document['similar_shared']:.0%}."
    )


@app.command
def rollback(version: str | None = None, /, *, json: Flag = False) -> None:
    """Serve an earlier version; the API takes it over within a second.

    Args:
        version: Which one; the one before the served one by default.
        json: One JSON document on one line.
    """
    if version == "":
        raise BadUsage("the version has no name; leave it out for the one before the served one")
    try:
        target = _registry().rollback(version)
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit({"published": target})
    else:
        notice(f"{target} is published again.")


def _registry() -> Registry:
    settings = Settings.from_environment()
    return Registry(settings.home.models, settings.keep_models)


def _told(registry: Registry, version: str, served: bool) -> dict[str, Any]:
    manifest = registry.manifest(version)
    return {
        "version": version,
        "served": served,
        "as_of": manifest["as_of"],
        "tracks": manifest["tracks"],
        "artifact_sha256": artifact_sha256(registry.folder(version)),
        "metrics": manifest["metrics"],
        "counts": manifest["counts"],
    }


def _difference(registry: Registry, a: str, b: str) -> dict[str, Any]:
    told = [_flat(registry.manifest(version)) for version in (a, b)]
    names = sorted(told[0].keys() | told[1].keys())
    one, other = registry.load(a), registry.load(b)
    tracks = [set(artifact.catalog.ids) for artifact in (one, other)]
    popular = [_popular(artifact) for artifact in (one, other)]
    shared = [track for track in popular[0] if track in tracks[1]]
    return {
        "a": a,
        "b": b,
        "changed": {
            name: [told[0].get(name), told[1].get(name)] for name in names if told[0].get(name) != told[1].get(name)
        },
        "tracks_added": len(tracks[1] - tracks[0]),
        "tracks_gone": len(tracks[0] - tracks[1]),
        "popular_shared": _share(set(popular[0]), set(popular[1])),
        "similar_shared": sum(_share(_like(one, t), _like(other, t)) for t in shared) / max(len(shared), 1),
    }


def _flat(document: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """Leaves of nested objects by dotted name; the hashes of files are told by the version already."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat |= {} if key == "files" else _flat(value, f"{under}{key}.")
        else:
            flat[under + key] = value
    return flat


def _popular(artifact: Artifact) -> list[str]:
    return [artifact.catalog.ids[at] for at in artifact.popularity.order[:LISTED].tolist()]


def _like(artifact: Artifact, track: str) -> set[str]:
    position = artifact.catalog.position(TrackId(track))
    if position is None:
        return set()
    found = artifact.als.similar(position, 10)
    return {artifact.catalog.ids[at] for at in found.items.tolist()}


def _share(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one), len(other), 1)
