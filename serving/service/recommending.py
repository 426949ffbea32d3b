"""An answer: one shelf for one listener, from the taste of this moment and the published model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from models.base import Positions
from models.experiments.assignment import Experiment, assigned
from models.ranking.mixes import WEEKLY, mix_name
from serving.answers import Item, MixAnswer, MixesAnswer, Recommendations
from serving.service.asking import Artists, Asked
from serving.service.cards import Cards
from serving.service.cursors import PAGED_ITEMS, Bound, after, shown_before
from serving.service.listening import Listeners, Weighed, in_order, positions_of
from serving.service.mixing import SHELF as MIX_SHELF
from serving.service.mixing import Mixed, mixed
from serving.service.ports import Charts, Clock
from serving.service.published import NO_MODEL, Published, Snapshot
from serving.service.reasons import Storyteller, tracks_told_of
from serving.service.shelves import NOTHING, Picks, Shelf, standing_in
from serving.service.trending import Trending
from serving.service.two_stage_shelves import picked
from serving.service.weekly import week_began, week_seed, weekly
from warehouse.events import Impression
from warehouse.rules.quantity import DAY_MS
from warehouse.tables import EVERYWHERE

_OF_NEW = (Shelf.DISCOVER, Shelf.WEEKLY)  # shelves of what was never heard
CHARTS_SOURCE, TRENDING_SOURCE = "charts", "trending"
TRENDING_HOURS = 24
_STANDS_IN = {
    Shelf.DISCOVER: "Nothing that the model knows has been played yet, so this is what is played most.",
    Shelf.ON_REPEAT: "Nothing that the model knows has been played yet, so this is what is played most.",
    Shelf.WEEKLY: "Nothing that the model knows had been played when the week began, so this is what is played most.",
    Shelf.NEXT: "No current track that the model knows, so this is what is played most.",
}
_ALL_PLAYED = (
    "Everything that is known here you have played, turned down or excluded: import others' plays too, "
    "or ask for on-repeat or next."
)
_NOTHING_LEFT = "Nothing is left to show here that you have not turned down or excluded."
_NO_MIX_YET = "Too little has been played that the model knows to part it into mixes."
_NO_MODEL_YET = "No model is in use yet, so this is the newest chart."
_NO_CHART_YET = "No model is in use yet and no chart made, so this is what everybody played most in the last day."
_OF_CHART = "Number {rank} of the newest chart; no play of yours brought it."
_OF_TRENDS = "Number {rank} of what everybody played in the last day, you included; no play of yours alone brought it."
_NOTHING_YET = "No model is in use yet, and there is no chart to stand in."


@dataclass(frozen=True)
class Question:
    """What is asked for one listener. `excluded` are track ids, `cursor` goes on after an earlier page.

    `explore` is the temperature at which the list is drawn; without one nothing is. `diversity`, 0 to 1, says how much
    less a track is worth for being like one before it.
    """

    listener_id: str
    shelf: Shelf = Shelf.DISCOVER
    limit: int = 50
    seed: int | None = None
    excluded: tuple[str, ...] = ()
    cursor: str | None = None
    explore: float | None = None
    diversity: float = 0.0


Arm = tuple[str, str] | tuple[None, None]  # the names of the experiment and of its arm
Chances = list[float] | None  # of each slot to show what it shows, given those above; None where nobody knows


class StandIn(NamedTuple):
    """What answers before the first model: rank, track and plays of each place, and the reasons of place and whole."""

    source: str
    places: Sequence[tuple[int, str, int]]
    of_place: str
    of_answer: str


class Recommender:
    """Answers questions, and takes note of what it showed through `shown`."""

    def __init__(
        self,
        listeners: Listeners,
        cards: Cards,
        charts: Charts,
        trending: Trending,
        published: Published,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        shown: Callable[[Impression], object],
        experiment: Experiment | None = None,
    ) -> None:
        self._listeners = listeners
        self._cards = cards
        self._charts = charts
        self._trending = trending
        self._published = published
        self._clock = clock
        self._new_id = new_id
        self._shown = shown
        self._experiment = experiment

    @property
    def has_model(self) -> bool:
        """Without one an answer reads charts, which may take a while."""
        return self._published.snapshot is not None

    def answer(self, question: Question) -> Recommendations:
        """The shelf. Raises `RowsUnavailable`, `CursorBroken` and `CursorStale`."""
        snapshot = self._published.snapshot
        if snapshot is None:
            answer, chances = self._without_model(question), _certain(question)
        else:
            answer, chances = self._from_model(question, snapshot)
        if answer.items:
            self._shown(self._impression(answer, chances))
        return answer

    def mixes(self, listener_id: str, length: int) -> MixesAnswer:
        """The listener's daily mixes. Raises `RowsUnavailable`."""
        snapshot, arm = self._published.snapshot, self._arm(listener_id)
        if snapshot is None:
            return MixesAnswer(listener_id, None, (), "No model is in use yet.", *arm)
        known = self._listeners.weighed(listener_id, snapshot)
        mixes = tuple(self._mix(listener_id, arm, snapshot, known, one) for one in mixed(snapshot, known, length))
        return MixesAnswer(listener_id, snapshot.version, mixes, None if mixes else _NO_MIX_YET, *arm)

    def _mix(self, listener_id: str, arm: Arm, snapshot: Snapshot, known: Weighed, mix: Mixed) -> MixAnswer:
        impression_id = self._new_id()
        items = self._items(snapshot, known, mix.picks, impression_id)
        ids = snapshot.ids(known.taste.tracks[mix.places])
        cards = self._cards.of(ids)
        name = mix_name([cards[track_id].artist for track_id in ids], known.taste.weights[mix.places])
        answer = Recommendations(listener_id, MIX_SHELF, snapshot.version, impression_id, items, None, None, *arm)
        self._shown(self._impression(answer, [1.0] * len(items)))
        return MixAnswer(name, impression_id, items)

    def _from_model(self, question: Question, snapshot: Snapshot) -> tuple[Recommendations, Chances]:
        bound = Bound(question.listener_id, question.shelf, question.seed, snapshot.version)
        before = (
            shown_before(question.cursor, bound, len(snapshot.artifact.catalog.ids))
            if question.cursor
            else np.empty(0, np.int64)
        )
        known, monday = self._known(question, snapshot)
        asked = self._asked(question, snapshot, known, before)
        seed = week_seed(question.listener_id, monday)
        picks, reason = _picked(
            snapshot, asked, question.shelf, lambda: weekly(snapshot, asked, seed, self._artists(snapshot))
        )
        shown = np.concatenate([before, picks.items])
        more = len(picks.items) == question.limit and len(shown) < _longest(question.shelf)
        impression_id = self._new_id()
        answer = Recommendations(
            question.listener_id,
            question.shelf,
            snapshot.version,
            impression_id,
            self._items(snapshot, known, picks, impression_id),
            reason,
            after(bound, shown) if more else None,
            *self._arm(question.listener_id),
        )
        return answer, _certain(question) if picks.propensities is None else picks.propensities.tolist()

    def _known(self, question: Question, snapshot: Snapshot) -> tuple[Weighed, int]:
        """The listener as the shelf takes them, and the day on which this week began."""
        monday = week_began(self._clock() // DAY_MS)
        if question.shelf is Shelf.WEEKLY:
            return self._listeners.weighed_before(question.listener_id, snapshot, monday), monday
        return self._listeners.weighed(question.listener_id, snapshot), monday

    def _asked(self, question: Question, snapshot: Snapshot, known: Weighed, before: Positions) -> Asked:
        """The question as a shelf takes it. Of one artist `discover` alone must not be full."""
        excluded = in_order(positions_of(question.excluded, snapshot, self._cards).values())
        return Asked(
            known,
            np.union1d(before, np.union1d(known.unwanted, excluded)),
            max(0, min(question.limit, _longest(question.shelf) - len(before))),
            question.seed,
            question.explore,
            before,
            self._artists(snapshot) if question.shelf is Shelf.DISCOVER else None,
            question.diversity,
            snapshot.directions,
        )

    def _artists(self, snapshot: Snapshot) -> Artists:
        def artists(items: Positions) -> list[str | None]:
            ids = snapshot.ids(items)
            cards = self._cards.of(ids)
            return [cards[track_id].artist for track_id in ids]

        return artists

    def _items(self, snapshot: Snapshot, known: Weighed, picks: Picks, impression_id: str) -> tuple[Item, ...]:
        cards = self._cards.of(tracks_told_of(snapshot, known, picks))
        teller = Storyteller(snapshot, known, cards)
        ids, scores = snapshot.ids(picks.items), picks.scores.tolist()
        return tuple(
            Item(
                track_id,
                (card := cards[track_id]).title,
                card.artist,
                card.album,
                score,
                source,
                snapshot.version,
                impression_id,
                slot,
                teller.reason(source, track_id, score, places),
                teller.cites(places),
            )
            for slot, (track_id, score, source, places) in enumerate(
                zip(ids, scores, picks.sources, picks.cites, strict=True)
            )
        )

    def _without_model(self, question: Question) -> Recommendations:
        stand_in = self._stand_in()
        listening = self._listeners.now(question.listener_id)
        named = self._cards.own_names({*question.excluded, *listening.judged})
        barred = listening.unwanted(named) | {named[track] for track in question.excluded}
        places = [place for place in stand_in.places if place[1] not in barred][: question.limit]
        cards = self._cards.of(track_id for _, track_id, _ in places)
        impression_id = self._new_id()
        items = tuple(
            Item(
                track_id,
                (card := cards[track_id]).title,
                card.artist,
                card.album,
                float(plays),
                stand_in.source,
                None,
                impression_id,
                slot,
                stand_in.of_place.format(rank=rank),
                (),
            )
            for slot, (rank, track_id, plays) in enumerate(places)
        )
        reason = stand_in.of_answer if items else _NOTHING_YET
        arm = self._arm(question.listener_id)
        return Recommendations(question.listener_id, question.shelf, None, impression_id, items, reason, None, *arm)

    def _arm(self, listener_id: str) -> Arm:
        """The experiment that runs and the listener's arm, where they take part in it."""
        arm = assigned(self._experiment, listener_id) if self._experiment else None
        return (self._experiment.name, arm) if self._experiment and arm else (None, None)

    def _stand_in(self) -> StandIn:
        chart = self._charts.chart(None, EVERYWHERE)
        if chart is not None:
            places = [(place.rank, place.track_id, place.plays) for place in chart.places]
            return StandIn(CHARTS_SOURCE, places, _OF_CHART, _NO_MODEL_YET)
        tracks = self._trending.window(EVERYWHERE, TRENDING_HOURS).tracks
        places = [(rank, track_id, bounds.plays) for rank, (track_id, bounds) in enumerate(tracks, 1)]
        return StandIn(TRENDING_SOURCE, places, _OF_TRENDS, _NO_CHART_YET)

    def _impression(self, answer: Recommendations, chances: Chances) -> Impression:
        """What is logged."""
        return Impression(
            listener_id=answer.listener_id,
            received_ms=self._clock(),
            impression_id=answer.impression_id,
            shelf=answer.shelf,
            model_version=answer.model_version or NO_MODEL,
            track_ids=[item.track_id for item in answer.items],
            sources=[item.source for item in answer.items],
            propensities=None if chances is None else chances[: len(answer.items)],
            experiment=answer.experiment,
            arm=answer.arm,
        )


def _certain(question: Question) -> Chances:
    """A shelf is certain of what it shows; how likely its seed was, only the caller knows."""
    return None if question.seed is not None else [1.0] * question.limit


def _longest(shelf: Shelf) -> int:
    """How many tracks a shelf has with all its pages."""
    return WEEKLY if shelf is Shelf.WEEKLY else PAGED_ITEMS


def _picked(snapshot: Snapshot, asked: Asked, shelf: Shelf, of_week: Callable[[], Picks]) -> tuple[Picks, str | None]:
    """The shelf's picks; where it has nothing to go by, what is played most, and why; why there is none."""
    picks = of_week() if shelf is Shelf.WEEKLY else picked(snapshot, shelf, asked)
    reason = None
    if picks is NOTHING:
        heard = asked.known.touched if shelf in _OF_NEW else np.empty(0, np.int64)
        picks = standing_in(snapshot, replace(asked, barred=np.union1d(asked.barred, heard)))
        reason = _STANDS_IN.get(shelf)
    if len(picks.items) or len(asked.before):
        return picks, reason
    return picks, _ALL_PLAYED if shelf in _OF_NEW else _NOTHING_LEFT
