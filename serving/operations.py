"""Routes for whoever runs the API: is it alive, can it answer, how does it do; and its documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from serving.answers import Readiness
from serving.docs_page import page
from serving.meters import Meters
from serving.service.appends import Appends
from serving.service.published import Published
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.taste import CATALOG

PROMETHEUS = "text/plain; version=0.0.4"
HTML = "text/html"


def operation_routes(
    rows: Rows,
    published: Published,
    log_problem: Callable[[], str | None],
    appends: Appends,
    meters: Meters,
    show_live: Callable[[], Awaitable[None]],
    document: Callable[[], bytes],
) -> list[HTTPRouteHandler]:
    """The handlers; `document` gives the OpenAPI document as JSON."""

    @get("/healthz", summary="The process lives", tags=["operations"], sync_to_thread=False)
    def healthz() -> dict[str, bool]:
        """Asks nothing of anybody else."""
        return {"alive": True}

    @get("/readyz", summary="Requests can be answered", tags=["operations"])
    async def readyz() -> Response[Readiness]:
        """503 while the rows or the log are away. A model that is broken leaves the one before it, and is named."""
        try:
            away = await appends.run(lambda: [found for found in (_rows_problem(rows), log_problem()) if found])
        except LogUnavailable as error:
            away = [str(error)]
        problems = (*away, *((published.problem,) if published.problem else ()))
        snapshot = published.snapshot
        answer = Readiness(not away, snapshot.version if snapshot else None, problems)
        return Response(answer, status_code=503 if away else 200, headers={"Cache-Control": "no-store"})

    @get("/metrics", media_type=PROMETHEUS, summary="Prometheus metrics", tags=["operations"])
    async def metrics() -> bytes:
        """Request times by route and model version, errors of the stores, reloads, and how the stream does."""
        await show_live()
        meters.model_broken.set(published.problem is not None)
        return meters.page()

    @get("/openapi.json", include_in_schema=False, media_type="application/json", sync_to_thread=False)
    def openapi() -> bytes:
        return document()

    drawn = cache(lambda: page(document()))

    @get(["/", "/docs"], include_in_schema=False, media_type=HTML, sync_to_thread=False)
    def docs() -> bytes:
        return drawn()

    return [healthz, readyz, metrics, openapi, docs]


def _rows_problem(rows: Rows) -> str | None:
    try:
        rows.get(CATALOG, "readyz")
    except RowsUnavailable as error:
        return str(error)
    return None
