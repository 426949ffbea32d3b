"""The model that answers: the published artifact in memory, swapped whole when the pointer moves."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from models.artifact import Artifact
from models.base import ModelBroken, Positions, Scores, TrackId
from models.ranking.rerank import unit_length
from models.registry import NoSuchVersion
from serving.service.ports import Models

EPOCH = date(1970, 1, 1)
NO_MODEL = "none"  # in place of a version, before the first
_log = logging.getLogger("backbeat.serving")


@dataclass(frozen=True)
class Snapshot:
    """One artifact and what is derived from it. A request reads one snapshot from beginning to end."""

    version: str
    artifact: Artifact

    @cached_property
    def today(self) -> int:
        """The day, since 1970-01-01, by which tastes are weighed: the last that the model knows, as in its training.

        Plays of later days count in full.
        """
        return (self.artifact.as_of - timedelta(days=1) - EPOCH).days

    def position(self, track_id: str) -> int | None:
        """Where the models keep the track, or None where they don't know it."""
        return self.artifact.catalog.position(TrackId(track_id))

    def directions(self, positions: Positions) -> Scores:
        """Where ALS sees these tracks, at length 1 [positions, factors]; 0 where nobody has played one."""
        return unit_length(self.artifact.als.vectors[positions])

    def ids(self, positions: Positions) -> list[str]:
        """The tracks at these positions."""
        ids = self.artifact.catalog.ids
        return [ids[position] for position in positions.tolist()]


def warmed(snapshot: Snapshot) -> Snapshot:
    """The snapshot with all indexes built, so that no request waits for them."""
    _ = snapshot.artifact.als.index, snapshot.artifact.popularity.order, snapshot.today
    if snapshot.artifact.two_stage is not None:
        snapshot.artifact.two_stage.warm()
    return snapshot


class Published:
    """Holds the newest snapshot that could be loaded. A broken artifact leaves the one before in place."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._turn = threading.Lock()
        self._refused: tuple[str, str] | None = None  # a version that is broken, and how
        self.snapshot: Snapshot | None = None
        self.problem: str | None = None

    def refresh(self) -> bool:
        """Load what is published where it is another than before; whether it was swapped in."""
        with self._turn:
            try:
                version = self._models.published()
                swapped = version is not None and version != self._version and self._load(version)
            except (ModelBroken, NoSuchVersion, OSError) as error:  # it may pass: the next look tries again
                self._note(str(error))
                return False
            if version is None or version == self._version:
                self.problem = None
            return swapped

    def _load(self, version: str) -> bool:
        """Swap it in; False where it is broken, which is found once: nobody mends a version in its place."""
        if self._refused is None or self._refused[0] != version:
            try:
                self.snapshot = warmed(Snapshot(version, self._models.load(version)))
            except ModelBroken as error:
                self._refused = version, str(error)
            else:
                self._refused = None
                return True
        self._note(self._refused[1])
        return False

    @property
    def _version(self) -> str | None:
        return self.snapshot.version if self.snapshot else None

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("model: %s", problem)
        self.problem = problem
