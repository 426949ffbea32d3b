"""What the stream keeps, by name: each a fold, and how its rows are moved. Workers and the embedded stream use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streaming.folds.outcomes import OutcomesFold
from streaming.folds.taste import TasteFold
from streaming.folds.trending import TrendingFold
from streaming.mover import Mover
from streaming.settling import Settler
from warehouse.events import Topic
from warehouse.stores.rows import Rows
from warehouse.stores.tastes import Tastes
from warehouse.trending import TOLD_AGAIN

HOURS_KEPT = 500  # rows of counts in memory: a full one takes half a MB there
OUTCOMES_KEPT = 2_000  # rows of outcomes in memory: one with twenty long answers takes some 250 KB there


@dataclass(frozen=True)
class Feature:
    """`mover(rows, keeps)` moves its rows, with up to so many kept in memory."""

    name: str
    topics: tuple[Topic, ...]
    mover: Callable[[Rows, int], Mover[Any]]


def group_of(feature: Feature) -> str:
    """The consumer group of its workers on Kafka."""
    return f"backbeat-{feature.name}"


def taste(rows: Rows, keeps: int = 0) -> Mover[Any]:
    """Plays, signals and erasures into the tail of each listener's taste."""
    settler = Settler(Tastes(rows))
    return Mover(TasteFold(), rows, keeps=keeps, finish=settler.finish, forgets=settler.forget)


def trending(rows: Rows, keeps: int = 0, *, told_again: int = TOLD_AGAIN) -> Mover[Any]:
    """Plays into the hourly counts of each country and partition."""
    return Mover(TrendingFold(told_again=told_again), rows, keeps=min(keeps, HOURS_KEPT))


def outcomes(rows: Rows, keeps: int = 0) -> Mover[Any]:
    """Impressions, and the plays that name one, into the outcomes of each listener."""
    return Mover(OutcomesFold(), rows, keeps=min(keeps, OUTCOMES_KEPT))


FEATURES = {
    feature.name: feature
    for feature in (
        Feature("taste", TasteFold.topics, taste),
        Feature("trending", TrendingFold.topics, trending),
        Feature("outcomes", OutcomesFold.topics, outcomes),
    )
}
