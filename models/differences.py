"""How two published versions differ: catalogs, configurations, metrics, and what they recommend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.artifact import Artifact
from models.base import TrackId
from models.registry import Registry

LISTED = 100  # tracks whose neighbours, and whose places, two versions are compared by


def difference(registry: Registry, a: str, b: str) -> dict[str, Any]:
    """Between two versions: configurations and metrics by dotted name, and the shares that both recommend.

    Raises `NoSuchVersion` and `ArtifactBroken`.
    """
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
