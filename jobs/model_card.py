"""A published version and the lake -> its card: with names, and a sample of the listeners' tastes as they are now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.artifact import Artifact
from models.base import NOBODY, Catalog, ModelBroken, Taste, TrackId
from models.card import Names, card
from models.differences import difference
from models.registry import Registry
from warehouse.rules.decay import UNIT
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_CATALOG, FEATURES_MATRIX

SAMPLE, SEED = 500, 5


def card_name(version: str) -> str:
    """What the file of a version's card is called."""
    return f"card-{version}.html"


def model_card(lake: Lake, registry: Registry, version: str) -> str:
    """The page. Raises `NoSuchVersion`, `ArtifactBroken`, and `NoSuchTable` where the lake is another one."""
    artifact = registry.load(version)
    order = registry.versions()
    place = order.index(version)
    before = order[place - 1] if place else None
    return card(
        version,
        artifact,
        registry.manifest(version)["configs"],
        names_of(artifact.catalog, lake.read(CORE_CATALOG, columns=["track_id", "title", "artist"])),
        sampled_tastes(artifact, lake.read(FEATURES_MATRIX)),
        _difference(registry, before, version) if before else None,
    )


def _difference(registry: Registry, before: str, version: str) -> dict[str, Any] | None:
    """None where the version before is of another format, or not whole."""
    try:
        return difference(registry, before, version)
    except ModelBroken:
        return None


def names_of(catalog: Catalog, told: pa.Table) -> Names:
    """Titles with artists, and artists as numbers, of the catalog's tracks; a track without a title goes by its id."""
    rows = {row["track_id"]: row for row in told.to_pylist()}
    unknown = {"title": None, "artist": None}
    known = [rows.get(track, unknown) for track in catalog.ids]
    numbers: dict[str, int] = {}
    artists = [numbers.setdefault(row["artist"], len(numbers)) if row["artist"] else NOBODY for row in known]
    titles = [_title(track, row["title"], row["artist"]) for track, row in zip(catalog.ids, known, strict=True)]
    return Names(titles, np.array(artists, np.int64))


def _title(track: TrackId, title: str | None, artist: str | None) -> str:
    return f"{title} by {artist}" if title and artist else title or str(track)


def sampled_tastes(artifact: Artifact, matrix: pa.Table) -> list[Taste]:
    """The tastes of some listeners, drawn by a fixed seed, of the tracks that the artifact knows."""
    listeners = pc.unique(matrix["listener_id"]).sort()
    drawn = listeners.take(np.random.default_rng(SEED).permutation(len(listeners))[:SAMPLE])
    theirs = matrix.filter(pc.is_in(matrix["listener_id"], drawn))
    places = {listener: place for place, listener in enumerate(drawn.to_pylist())}
    entries: list[dict[int, float]] = [{} for _ in places]
    columns = (theirs[name].to_pylist() for name in ("listener_id", "track_id", "weight"))
    for listener, track, weight in zip(*columns, strict=True):
        position = artifact.catalog.position(TrackId(track))
        if position is not None:
            entries[places[listener]][position] = weight / UNIT
    return [
        Taste(np.array(list(taste), np.int64), np.array(list(taste.values()), np.float64)) for taste in entries if taste
    ]
