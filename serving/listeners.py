"""Routes about one listener: taste, plays, what is on now, and taking plays back."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from litestar import delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from serving.access import Access
from serving.answers import Erased, NowAnswer, OutcomesAnswer, PlaysAnswer, TasteAnswer
from serving.caching import FRESH
from serving.documented import ACCEPTED, problems
from serving.parameters import Cursor, Limit, path_id
from serving.problems import Fault, invalid
from serving.service.appends import Appends
from serving.service.cursors import CursorBroken
from serving.service.histories import Histories
from serving.service.outcomes import Outcomes
from serving.service.telling import Teller
from warehouse.outcomes import RECENT_IMPRESSIONS

Impressions = Annotated[int, QueryParameter(ge=1, le=RECENT_IMPRESSIONS, description="answers at most")]


def listener_routes(
    histories: Histories, outcomes: Outcomes, teller: Teller, appends: Appends, access: Access
) -> list[HTTPRouteHandler]:
    """The handlers, over these services."""

    @get(
        "/v1/listeners/{listener_id:str}/taste",
        guards=[access.guard],
        response_headers=FRESH,
        responses=problems(400, 401, 403, 503),
        summary="What a listener is into",
        tags=["listeners"],
        sync_to_thread=False,
    )
    def taste(listener_id: FromPath[str], limit: Limit = 50) -> TasteAnswer:
        """Tracks by decayed plays, and the last word on those that were judged."""
        return histories.taste(path_id(listener_id, "listener_id"), limit)

    @get(
        "/v1/listeners/{listener_id:str}/plays",
        guards=[access.guard],
        response_headers=FRESH,
        responses=problems(400, 401, 403, 503),
        summary="What a listener played",
        tags=["listeners"],
        sync_to_thread=False,
    )
    def plays(listener_id: FromPath[str], limit: Limit = 50, cursor: Cursor = None) -> PlaysAnswer:
        """The newest 500 plays, newest first."""
        try:
            return histories.plays(path_id(listener_id, "listener_id"), limit, cursor)
        except CursorBroken as error:
            raise invalid(Fault(str(error), parameter="cursor")) from error

    @get(
        "/v1/listeners/{listener_id:str}/outcomes",
        guards=[access.guard],
        response_headers=FRESH,
        responses=problems(400, 401, 403, 503),
        summary="What a listener was shown, and what became of it",
        tags=["listeners"],
        sync_to_thread=False,
    )
    def became(listener_id: FromPath[str], limit: Impressions = RECENT_IMPRESSIONS) -> OutcomesAnswer:
        """The newest answers first; each track played, skipped, begun, ignored, or open for a day."""
        return outcomes.of(path_id(listener_id, "listener_id"), limit)

    @get(
        "/v1/listeners/{listener_id:str}/now",
        guards=[access.guard],
        response_headers=FRESH,
        responses=problems(400, 401, 403, 503),
        summary="What a listener is playing",
        tags=["listeners"],
        sync_to_thread=False,
    )
    def now(listener_id: FromPath[str]) -> NowAnswer:
        """The track that is on, and the session so far; null where there is none."""
        return histories.now(path_id(listener_id, "listener_id"))

    @delete(
        "/v1/listeners/{listener_id:str}/plays/{play_id:str}",
        guards=[access.guard],
        status_code=ACCEPTED,
        responses=problems(400, 401, 403, 503),
        summary="Take one play back",
        tags=["listeners"],
    )
    async def take_back(listener_id: FromPath[str], play_id: FromPath[str]) -> Erased:
        """The next answer is as if it had never been; an unknown play is no error."""
        ids = path_id(listener_id, "listener_id"), path_id(play_id, "play_id")
        return Erased(await appends.run(partial(teller.erase, *ids)))

    @delete(
        "/v1/listeners/{listener_id:str}",
        guards=[access.guard],
        status_code=ACCEPTED,
        responses=problems(400, 401, 403, 503),
        summary="Forget a listener",
        tags=["listeners"],
    )
    async def forget(listener_id: FromPath[str]) -> Erased:
        """All plays and signals so far: from answers at once, from the lake with its next run."""
        return Erased(await appends.run(partial(teller.erase, path_id(listener_id, "listener_id"))))

    return [taste, plays, became, now, take_back, forget]
