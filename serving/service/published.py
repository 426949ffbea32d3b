"""The model that answers: the published artifact in memory, swapped whole when the pointer moves."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from models.artifact import Artifact
from models.base import ModelBroken, Positions, TrackId
from models.registry import NoSuchVersion
from serving.service.ports import Models

_EPOCH = date(1970, 1, 1)
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
        return (self.artifact.as_of - timedelta(days=1) - _EPOCH).days

    def position(self, track_id: str) -> int | None:
        """Where the models keep the track, or None where they don't know it."""
        return self.artifact.catalog.position(TrackId(track_id))

    def ids(self, positions: Positions) -> list[str]:
        """The tracks at these positions."""
        ids = self.artifact.catalog.ids
        return [ids[position] for position in positions.tolist()]


def warmed(snapshot: Snapshot) -> Snapshot:
    """The snapshot with all indexes built, so that no request waits for them."""
    _ = snapshot.artifact.als.index, snapshot.artifact.popularity.order, snapshot.today
    return snapshot


class Published:
    """Holds the newest snapshot that could be loaded. A broken artifact leaves the one before in place."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._turn = threading.Lock()
        self._refused: str | None = None
        self.snapshot: Snapshot | None = None
        self.problem: str | None = None

    def refresh(self) -> bool:
        """Load what is published where it is another than before; whether it was swapped in."""
        with self._turn:
            try:
                version = self._models.published()
                if version is None or version == self._version or version == self._refused:
                    return False
                self._refused = version  # until it has loaded, so that a broken one isn't read over and over
                self.snapshot = warmed(Snapshot(version, self._models.load(version)))
            except (ModelBroken, NoSuchVersion, OSError) as error:
                self._note(str(error))
                return False
            self._refused = self.problem = None
            return True

    @property
    def _version(self) -> str | None:
        return self.snapshot.version if self.snapshot else None

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("model: %s", problem)
        self.problem = problem
