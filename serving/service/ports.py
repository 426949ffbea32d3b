"""What serving needs of the world, as it needs it: a stream to tell, a registry of models, charts, a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

from models.artifact import Artifact
from warehouse.events import Event, Topic

Clock = Callable[[], int]  # UTC ms


class Stream(Protocol):
    """Where events go: durable on the log before the call returns, and folded into the rows where it `folds`."""

    def accept(self, topic: Topic, events: Sequence[Event]) -> Any:
        """Raises `EventRefused` where nothing was accepted, `LogUnavailable` where most likely nothing was.

        And `RowsUnavailable` where all was, and isn't in the rows yet. What it returns isn't used.
        """

    def check(self) -> None:
        """Raises `LogUnavailable` where nothing could be accepted now."""


class WatchedStream(Stream, Protocol):
    """One that also tells how far it is."""

    @property
    def folds(self) -> bool:
        """Whether what was accepted is in the rows at once; where not, workers fold it, and say how far they are."""

    def ends(self) -> Mapping[str, int]:
        """The last offset of each `topic/partition` of the log. Raises `LogUnavailable`."""


class Models(Protocol):
    """The published artifact."""

    def published(self) -> str | None:
        """Its version, or None before the first one. Raises `ModelBroken`."""

    def load(self, version: str | None = None) -> Artifact:
        """That version. Raises `NoSuchVersion` and `ModelBroken`."""


class Place(NamedTuple):
    """One place of a chart."""

    rank: int
    track_id: str
    plays: int
    listeners: int


class Chart(NamedTuple):
    """The chart of one day, places in order of rank."""

    day: date
    places: tuple[Place, ...]


class Charts(Protocol):
    """The charts of past days."""

    def chart(self, day: date | None, country: str) -> Chart | None:
        """That day's, or the newest; None where there is none. Raises `RowsUnavailable`."""


class DeadLetters(Protocol):
    """What came on the log and could not be read."""

    def waiting(self) -> int:
        """How many of them wait to be looked at. Raises `RowsUnavailable`."""
