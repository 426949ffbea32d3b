"""What reads, put together once: the API and the command line answer with the same services."""

from __future__ import annotations

from collections.abc import Callable

from models.experiments.assignment import Experiment
from serving.service.cards import Cards
from serving.service.histories import Histories
from serving.service.library import Library
from serving.service.listening import Listeners
from serving.service.outcomes import Outcomes
from serving.service.ports import Charts, Clock, Models
from serving.service.published import Published
from serving.service.recommending import Recommender
from serving.service.trending import Trending
from warehouse.events import Impression
from warehouse.stores.rows import Rows


class Reader:
    """Services over rows, published models and charts. Nothing is loaded until `published.refresh`."""

    def __init__(self, rows: Rows, models: Models, charts: Charts) -> None:
        self.cards = Cards(rows)
        self.published = Published(models)
        self._listeners = Listeners(rows, self.cards)
        self._charts = charts
        self._rows = rows

    def recommender(
        self,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        shown: Callable[[Impression], object],
        experiment: Experiment | None = None,
    ) -> Recommender:
        """Answers what a listener may like, and under which arm of the experiment that runs."""
        return Recommender(
            self._listeners,
            self.cards,
            self._charts,
            self.trending(clock),
            self.published,
            clock=clock,
            new_id=new_id,
            shown=shown,
            experiment=experiment,
        )

    def histories(self, clock: Clock) -> Histories:
        """Answers what a listener did."""
        return Histories(self._listeners, self.cards, self.published, clock)

    def trending(self, clock: Clock) -> Trending:
        """Answers what is played most at this moment."""
        return Trending(self._rows, self.cards, clock)

    def outcomes(self, clock: Clock) -> Outcomes:
        """Answers what became of what a listener was shown."""
        return Outcomes(self._rows, self.cards, clock)

    def library(self) -> Library:
        """Answers what is known of tracks."""
        return Library(self.cards, self._charts, self.published)
