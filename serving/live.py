"""Routes that show how the stream does: a document for programs, and a page that draws it each second."""

from __future__ import annotations

from functools import cache

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from serving.caching import FRESH
from serving.live_answers import StreamAnswer
from serving.live_page import page
from serving.service.live import Live

HTML = "text/html"


def live_routes(live: Live) -> list[HTTPRouteHandler]:
    """The handlers; they tell of nobody, so they ask for no token."""

    @get("/v1/stream", response_headers=FRESH, summary="How the stream does", tags=["operations"])
    async def stream() -> StreamAnswer:
        """Lag, freshness and workers by feature, dead letters and the last ledger, as of a second ago at most."""
        return await live.answer()

    drawn = cache(page)

    @get("/live", include_in_schema=False, sync_to_thread=False)
    def live_page() -> Response[bytes]:
        html, policy = drawn()
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        return Response(html, media_type=HTML, headers=headers)

    return [stream, live_page]
