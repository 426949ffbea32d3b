"""Routes that tell: what was played, and what is thought of it. Answered once the log has it."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from serving.access import Access
from serving.answers import ListensAccepted, SignalAccepted
from serving.documented import ACCEPTED, problems
from serving.service.appends import Appends
from serving.service.telling import MAX_LISTENS, Teller, read_listens, read_signal


def listen_routes(teller: Teller, appends: Appends, access: Access) -> list[HTTPRouteHandler]:
    """The handlers, over these services."""

    @post(
        "/v1/listens",
        status_code=ACCEPTED,
        responses=problems(400, 401, 403, 408, 413, 415, 503),
        summary=f"Tell 1 to {MAX_LISTENS:,} plays",
        tags=["listens"],
    )
    async def listens(request: Request[Any, Any, Any], body: RawBody) -> ListensAccepted:
        """All are accepted, or none: a 400 points at each that is wrong."""
        told = read_listens(body, teller.now_ms)
        access.check(request, (listen.listener_id for listen in told), "/listens/{}/listener_id")
        return ListensAccepted(await appends.run(partial(teller.listens, told)))

    @post(
        "/v1/signals",
        status_code=ACCEPTED,
        responses=problems(400, 401, 403, 408, 413, 415, 503),
        summary="Say something of a track",
        tags=["listens"],
    )
    async def signals(request: Request[Any, Any, Any], body: RawBody) -> SignalAccepted:
        """like, unlike, dislike, do_not_recommend, or rate with a rating; the last word on a track holds."""
        told = read_signal(body)
        access.check(request, [told.listener_id], "/listener_id")
        return SignalAccepted(await appends.run(partial(teller.signal, told)))

    return [listens, signals]
