"""What the stream keeps, by name: each a fold, and how its rows are moved. Workers and the embedded stream use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streaming.folds.taste import TasteFold
from streaming.mover import Mover
from streaming.settling import Settler
from warehouse.events import Topic
from warehouse.stores.rows import Rows
from warehouse.stores.tastes import Tastes


@dataclass(frozen=True)
class Feature:
    """`mover(rows, keeps)` moves its rows, with up to so many kept in memory."""

    name: str
    topics: tuple[Topic, ...]
    mover: Callable[[Rows, int], Mover[Any]]


def taste(rows: Rows, keeps: int = 0) -> Mover[Any]:
    """Plays, signals and erasures into the tail of each listener's taste."""
    settler = Settler(Tastes(rows))
    return Mover(TasteFold(), rows, keeps=keeps, finish=settler.finish, forgets=settler.forget)


FEATURES = {feature.name: feature for feature in (Feature("taste", TasteFold.topics, taste),)}
